// Random operands of products, and what comes of them in double precision.
//
// Formats are decoded here by their definitions (model.md §2.3), apart from the
// code under test.
#pragma once

#include <algorithm>
#include <cmath>

#include "ops/conformance.h"

namespace baleen::conformance {

inline double DecodeBf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return static_cast<double>(value);
}

// Nearest, ties to even, for finite values in the range of normal numbers.
inline uint16_t EncodeBf16(double value) {
  if (value == 0) return 0;
  int exponent;
  const double fraction = std::frexp(value, &exponent);  // [0.5, 1)
  const float rounded = static_cast<float>(
      std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8));
  uint32_t bits;
  std::memcpy(&bits, &rounded, sizeof(bits));
  return static_cast<uint16_t>(bits >> 16);
}

inline double DecodeFp8(uint8_t code) {
  const int exponent = code >> 3 & 15;
  const int mantissa = code & 7;
  const double value = exponent == 0 ? std::ldexp(mantissa, -9)
                                     : std::ldexp(8 + mantissa, exponent - 10);
  return code & 128 ? -value : value;
}

// The nearest e4m3, the even one of two, by search.
inline double NearestFp8(double x) {
  uint8_t best = 0;
  for (uint32_t code = 0; code < 256; ++code) {
    if ((code & 127) == 127) continue;
    const double distance =
        std::fabs(DecodeFp8(static_cast<uint8_t>(code)) - x);
    const double least = std::fabs(DecodeFp8(best) - x);
    if (distance < least || (distance == least && code % 2 == 0)) {
      best = static_cast<uint8_t>(code);
    }
  }
  return DecodeFp8(best);
}

inline double DecodeFp4(uint32_t code) {
  constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  return code & 8 ? -kMagnitudes[code & 7] : kMagnitudes[code & 7];
}

inline double DecodeE8m0(uint8_t code) { return std::ldexp(1.0, code - 127); }

// Element [flat row, column] of a tensor of any type that products know.
inline double ValueAt(const baleen_tensor& tensor, int64_t flat,
                      int64_t column) {
  const int64_t columns = tensor.size[tensor.rank - 1];
  int64_t offset = flat * tensor.stride[0];
  if (tensor.rank == 3) {
    offset = flat / tensor.size[1] * tensor.stride[0] +
             flat % tensor.size[1] * tensor.stride[1];
  }
  offset += column;
  const uint8_t* bytes = static_cast<const uint8_t*>(tensor.data);
  double value = 0;
  switch (tensor.type) {
    case BALEEN_TYPE_BF16: {
      uint16_t bits;
      std::memcpy(&bits, bytes + offset * 2, sizeof(bits));
      return DecodeBf16(bits);
    }
    case BALEEN_TYPE_F32: {
      float single;
      std::memcpy(&single, bytes + offset * 4, sizeof(single));
      return static_cast<double>(single);
    }
    case BALEEN_TYPE_F8_E4M3:
      value = DecodeFp8(bytes[offset]);
      break;
    case BALEEN_TYPE_F4_E2M1:
      value = DecodeFp4(offset % 2 != 0 ? bytes[offset / 2] >> 4
                                        : bytes[offset / 2] & 15u);
      break;
    default:
      ADD_FAILURE() << "no products with this type";
  }
  const int64_t groups =
      (columns + tensor.block_columns - 1) / tensor.block_columns;
  const int64_t scale =
      flat / tensor.block_rows * groups + column / tensor.block_columns;
  if (tensor.scale_type == BALEEN_TYPE_F32) {
    float single;
    std::memcpy(&single, static_cast<const uint8_t*>(tensor.scales) + scale * 4,
                sizeof(single));
    return value * static_cast<double>(single);
  }
  return value * DecodeE8m0(static_cast<const uint8_t*>(tensor.scales)[scale]);
}

// Fills a tensor with numbers of about one times its scales.  Subnormals and
// both zeros of the formats are among them.
inline void Fill(Tensor& tensor, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const std::vector<uint8_t> bytes = tensor.bytes();
  uint8_t* data = static_cast<uint8_t*>(tensor->data);
  switch (tensor->type) {
    case BALEEN_TYPE_BF16:
      for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
        const uint16_t bits = EncodeBf16(normal(random));
        std::memcpy(data + i, &bits, sizeof(bits));
      }
      break;
    case BALEEN_TYPE_F32:
      for (size_t i = 0; i + 3 < bytes.size(); i += 4) {
        const float value = static_cast<float>(normal(random));
        std::memcpy(data + i, &value, sizeof(value));
      }
      break;
    case BALEEN_TYPE_F8_E4M3:
      for (size_t i = 0; i < bytes.size(); ++i) {
        uint8_t code = static_cast<uint8_t>(random());
        if ((code & 127) == 127) code = static_cast<uint8_t>(code - 1);
        data[i] = code;
      }
      break;
    default:
      for (size_t i = 0; i < bytes.size(); ++i) {
        data[i] = static_cast<uint8_t>(random());
      }
  }
  if (tensor.scales() == nullptr) return;
  uint8_t* scales = tensor.scales()->data();
  const size_t count = tensor.scales()->size();
  if (tensor->scale_type == BALEEN_TYPE_F32) {
    for (size_t i = 0; i + 3 < count; i += 4) {
      const float scale = std::ldexp(1.0f, static_cast<int>(random() % 6) - 9);
      std::memcpy(scales + i, &scale, sizeof(scale));
    }
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    scales[i] = static_cast<uint8_t>(118 + random() % 6);
  }
}

// Kinds of weights, as checkpoints have them.
enum class Kind { kBf16, kFp8, kFp8FloatScales, kFp4 };

inline const char* KindName(Kind kind) {
  constexpr const char* kNames[] = {"bf16", "fp8", "fp8 f32 scales", "fp4"};
  return kNames[static_cast<int>(kind)];
}

inline Tensor RandomMatrix(Kind kind, int64_t rows, int64_t columns,
                           uint32_t seed) {
  constexpr baleen_type kTypes[] = {BALEEN_TYPE_BF16, BALEEN_TYPE_F8_E4M3,
                                    BALEEN_TYPE_F8_E4M3, BALEEN_TYPE_F4_E2M1};
  Tensor matrix(kTypes[static_cast<int>(kind)], {rows, columns});
  if (kind == Kind::kFp8) matrix.WithScales(BALEEN_TYPE_E8M0, 128, 128);
  if (kind == Kind::kFp8FloatScales) {
    matrix.WithScales(BALEEN_TYPE_F32, 128, 128);
  }
  if (kind == Kind::kFp4) matrix.WithScales(BALEEN_TYPE_E8M0, 1, 32);
  Fill(matrix, seed);
  return matrix;
}

// Activations in the CPU's format for a mode.
inline Tensor RandomRounded(baleen_mode mode,
                            std::initializer_list<int64_t> sizes, uint32_t seed,
                            int64_t padding = 0) {
  const bool fp8 = mode == BALEEN_MODE_REFERENCE;
  Tensor tensor(fp8 ? BALEEN_TYPE_F8_E4M3 : BALEEN_TYPE_BF16, sizes, padding);
  if (fp8) tensor.WithScales(BALEEN_TYPE_E8M0, 1, 128);
  Fill(tensor, seed);
  return tensor;
}

// A product, and how far from it a result may be: by the order of its sum in
// float, and by int8 activations where fast mode uses them.
struct Product {
  double value = 0;
  double slack = 0;
};

// Sums of n floats in 16 or more lanes: the error that a random walk of n / 16
// roundings of 2^-24 makes is below 2^-20 of the sum of magnitudes for the sizes
// used here; 2^-19 leaves a factor of two.
constexpr double kSumSlack = 1.0 / (1 << 19);

inline Product DotAt(const baleen_tensor& weight, int64_t n,
                     const baleen_tensor& in, int64_t row, baleen_mode mode) {
  const int64_t columns = weight.size[1];
  Product product;
  double magnitude = 0;
  double largest = 0;
  double weights = 0;
  const bool int8 =
      mode == BALEEN_MODE_FAST && weight.type == BALEEN_TYPE_F4_E2M1;
  for (int64_t k = 0; k < columns; ++k) {
    const double w = ValueAt(weight, n, k);
    const double a = ValueAt(in, row, k);
    product.value += w * a;
    magnitude += std::fabs(w * a);
    largest = std::max(largest, std::fabs(a));
    weights += std::fabs(w);
    if (int8 && (k % 32 == 31 || k + 1 == columns)) {
      // Each activation is off by at most half a step of largest / 127.
      product.slack += weights * largest / 254 * 1.0001;
      largest = weights = 0;
    }
  }
  product.slack += magnitude * kSumSlack;
  return product;
}

// Half a step of bf16 (seven bits of mantissa), relative, and what doubles and
// floats differ by.
constexpr double kBf16Slack = 1.001 / 256;

// What a stored bf16 or f32 may differ by from `product`.
inline double Tolerance(const Product& product, baleen_type type) {
  return product.slack +
         (type == BALEEN_TYPE_BF16
              ? kBf16Slack * (std::fabs(product.value) + product.slack)
              : 0.0) +
         1e-30;
}

inline ::testing::AssertionResult Near(double got, double expected,
                                       double tolerance) {
  if (std::fabs(got - expected) <= tolerance) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << got << ", not " << expected << " +- " << tolerance;
}

}  // namespace baleen::conformance
