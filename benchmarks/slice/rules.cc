#include "benchmarks/slice/rules.h"

#include <cmath>
#include <span>
#include <stdexcept>
#include <string>

namespace baleen::slice {
namespace {

// How codes are spread below the largest that their type has.  A block's scale
// is the least power of two that its largest element fits under, so the
// deviation lies in an octave: that of 32 normal numbers, of which the largest
// is about 2.2 deviations, in (6 / 2 / 2.2, 6 / 2.2]; that of 128 * 128
// numbers, 4.1 deviations, in (448 / 2 / 4.1, 448 / 4.1].
constexpr double kLeastFp4 = 1.36;
constexpr double kLeastFp8 = 55;

// How many blocks of an FP8 matrix have scales one step above the least.
constexpr double kFp8Raised[] = {0.25};

// How many blocks of an FP4 matrix have scales 1, 2, ... steps above the least.
// In the published V4-Flash (kernels.md §1.3) the greatest span within a row
// of a matrix is 2 for half of the matrices, at most 3 for nine of ten, and 5
// for the worst of 480.
constexpr double kFp4Raised[] = {0.3, 0.01, 0.0002, 0.0001, 0.0001};

// `deviation` as `least`, or up to twice that, times a power of two.
struct Scaled {
  double deviation;
  int exponent;
};

// Of a matrix with so many columns that keeps the size of what it multiplies,
// with so many of its blocks' scales raised.
Scaled Split(int64_t columns, std::span<const double> raised, double least) {
  double square = 1;  // The mean of the scales' squares.
  for (size_t i = 0; i < raised.size(); ++i) {
    square += raised[i] * (std::ldexp(1.0, 2 * static_cast<int>(i) + 2) - 1);
  }
  const double deviation = 1 / std::sqrt(square * static_cast<double>(columns));
  const int exponent =
      static_cast<int>(std::ceil(std::log2(deviation / least))) - 1;
  return {std::ldexp(deviation, -exponent), exponent};
}

Scaled SplitFp8(const StoredTensor& weight) {
  return Split(weight.shape[1], kFp8Raised, kLeastFp8);
}

// The shape counts bytes, of two elements.
Scaled SplitFp4(const StoredTensor& weight) {
  return Split(2 * weight.shape[1], kFp4Raised, kLeastFp4);
}

// By how many steps the scales of this name differ at most.
size_t SpanLimit(std::string_view name) {
  uint64_t hash = 0;
  for (const char c : name) {
    hash = Random(hash ^ static_cast<unsigned char>(c)).Next();
  }
  const uint64_t percent = hash % 100;
  return percent < 50 ? 2 : percent < 90 ? 3 : percent < 99 ? 4 : 5;
}

std::runtime_error Unknown(std::string_view name) {
  return std::runtime_error("no values are known for " + std::string(name));
}

struct Normal {
  double mean;
  double deviation;
};

// Of what is not quantized.
Normal Describe(std::string_view name, const StoredTensor& tensor) {
  const auto ends = [&](std::string_view text) { return name.ends_with(text); };
  const double unit =
      1 / std::sqrt(static_cast<double>(tensor.shape[tensor.rank - 1]));
  if (ends("norm.weight")) return {1, 0.1};
  if (ends("embed.weight")) return {0, 1};
  if (ends(".weight") && tensor.rank == 2) return {0, unit};
  if (ends("_fn")) return {0, 0.1 * unit};
  if (ends("_base")) return {0, 0.1};
  if (ends("_scale")) return {1, 0.1};
  if (ends(".ape")) return {0, 0.02};
  if (ends(".attn_sink")) return {0, 0.1};
  if (ends("gate.bias")) return {0, 0.05};
  throw Unknown(name);
}

}  // namespace

ValueTable ValuesFor(std::string_view name, const StoredTensor& tensor,
                     const StoredTensor& weight) {
  switch (tensor.type) {
    case StoredType::kF32: {
      const Normal normal = Describe(name, tensor);
      return ValueTable::F32(normal.mean, normal.deviation);
    }
    case StoredType::kBf16: {
      const Normal normal = Describe(name, tensor);
      return ValueTable::Bf16(normal.mean, normal.deviation);
    }
    case StoredType::kF8E4m3:
      return ValueTable::Fp8(SplitFp8(tensor).deviation);
    case StoredType::kI8:
      return ValueTable::Fp4(SplitFp4(tensor).deviation);
    case StoredType::kF8E8m0:
      if (weight.type == StoredType::kI8) {
        return ValueTable::Scales(
            SplitFp4(weight).exponent,
            std::span<const double>(kFp4Raised).first(SpanLimit(name)));
      }
      return ValueTable::Scales(SplitFp8(weight).exponent, kFp8Raised);
    default:
      throw Unknown(name);
  }
}

}  // namespace baleen::slice
