#include "unit/models/golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace baleen::test {

std::string DataPath(const std::string& name) {
  return std::string(BALEEN_TEST_DATA) + "/" + name;
}

std::string ReadFile(const std::string& name) {
  std::ifstream file(DataPath(name), std::ios::binary);
  if (!file) throw std::runtime_error("no file " + DataPath(name));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

nlohmann::json ReadJson(const std::string& name) {
  return nlohmann::json::parse(ReadFile(name));
}

Golden::Golden(const std::string& name) {
  const std::string file = ReadFile(name);
  uint64_t header_size = 0;
  std::memcpy(&header_size, file.data(), sizeof header_size);
  const auto header = nlohmann::json::parse(file.substr(8, header_size));
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") continue;
    const auto offsets = value["data_offsets"].get<std::vector<size_t>>();
    tensors_[key] = {
        value["dtype"].get<std::string>(),
        value["shape"].get<std::vector<int64_t>>(),
        file.substr(8 + header_size + offsets[0], offsets[1] - offsets[0])};
  }
}

const Golden::Entry& Golden::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw std::runtime_error("no tensor " + name);
  return found->second;
}

std::vector<int64_t> Golden::Shape(const std::string& name) const {
  return Find(name).shape;
}

std::vector<float> Golden::Floats(const std::string& name) const {
  const Entry& entry = Find(name);
  std::vector<float> values;
  if (entry.type == "F32") {
    values.resize(entry.bytes.size() / sizeof(float));
    std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
    return values;
  }
  for (const uint16_t bits : Bf16(name)) values.push_back(Bf16Value(bits));
  return values;
}

std::vector<uint16_t> Golden::Bf16(const std::string& name) const {
  const Entry& entry = Find(name);
  std::vector<uint16_t> values;
  if (entry.type == "BF16") {
    values.resize(entry.bytes.size() / sizeof(uint16_t));
    std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
    return values;
  }
  for (const float value : Floats(name)) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    if ((bits & 0xFFFF) != 0) throw std::runtime_error(name + " is not bf16");
    values.push_back(static_cast<uint16_t>(bits >> 16));
  }
  return values;
}

std::vector<int32_t> Golden::Integers(const std::string& name) const {
  const Entry& entry = Find(name);
  std::vector<int64_t> wide(entry.bytes.size() / sizeof(int64_t));
  std::memcpy(wide.data(), entry.bytes.data(), entry.bytes.size());
  return std::vector<int32_t>(wide.begin(), wide.end());
}

float Bf16Value(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

uint16_t Bf16Bits(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

double RelativeL2(std::span<const float> a, std::span<const float> b) {
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / norm);
}

double RelativeL2(std::span<const uint16_t> a, std::span<const uint16_t> b) {
  std::vector<float> x;
  std::vector<float> y;
  for (const uint16_t bits : a) x.push_back(Bf16Value(bits));
  for (const uint16_t bits : b) y.push_back(Bf16Value(bits));
  return RelativeL2(std::span<const float>(x), std::span<const float>(y));
}

size_t ArgMax(std::span<const float> values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) -
                             values.begin());
}

double Surprise(std::span<const float> logits, int32_t token) {
  const double top = static_cast<double>(logits[ArgMax(logits)]);
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit) - top);
  }
  return top + std::log(sum) -
         static_cast<double>(logits[static_cast<size_t>(token)]);
}

}  // namespace baleen::test
