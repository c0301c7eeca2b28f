// Golden tensors and JSON files of tests/data, and how far two vectors are
// apart.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace baleen::test {

// BALEEN_TEST_DATA/name.
std::string DataPath(const std::string& name);
nlohmann::json ReadJson(const std::string& name);
std::string ReadFile(const std::string& name);

// A file of safetensors, read whole.
class Golden {
 public:
  // Throws std::runtime_error: a test without its data fails.
  explicit Golden(const std::string& name);

  bool Has(const std::string& name) const { return tensors_.count(name) != 0; }
  std::vector<int64_t> Shape(const std::string& name) const;
  // Of F32 or BF16.
  std::vector<float> Floats(const std::string& name) const;
  // Of BF16; F32 whose values all are BF16 numbers.
  std::vector<uint16_t> Bf16(const std::string& name) const;
  // Of I64 that fit.
  std::vector<int32_t> Integers(const std::string& name) const;

 private:
  struct Entry {
    std::string type;
    std::vector<int64_t> shape;
    std::string bytes;
  };
  const Entry& Find(const std::string& name) const;

  std::map<std::string, Entry> tensors_;
};

float Bf16Value(uint16_t bits);
uint16_t Bf16Bits(float value);  // To the nearest, ties to even.

// |a - b| / |b|, each the root of a sum of squares.
double RelativeL2(std::span<const float> a, std::span<const float> b);
double RelativeL2(std::span<const uint16_t> a, std::span<const uint16_t> b);

size_t ArgMax(std::span<const float> values);
// -log softmax(logits)[token]
double Surprise(std::span<const float> logits, int32_t token);

}  // namespace baleen::test
