// Norm, rotation and rounding of entries in double precision, for the tests of
// the operators that make them.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "ops/state_fixture.h"

namespace baleen::ops_test {

inline double RoundIn(baleen_mode mode, double x) {
  return mode == BALEEN_MODE_REFERENCE
             ? static_cast<double>(RoundToBf16(static_cast<float>(x)))
             : x;
}

// The last elements of x turned by the angles of `position`.
inline void Turn(std::vector<double>& x, TestTensor& rope, int64_t position,
                 baleen_mode mode) {
  const size_t half = static_cast<size_t>(rope.tensor().size[2]);
  double* turned = x.data() + x.size() - 2 * half;
  for (size_t i = 0; i < half; ++i) {
    const double cosine = rope.Get(position, 0, static_cast<int64_t>(i));
    const double sine = rope.Get(position, 1, static_cast<int64_t>(i));
    const double a = turned[2 * i];
    const double b = turned[2 * i + 1];
    turned[2 * i] = RoundIn(mode, a * cosine - b * sine);
    turned[2 * i + 1] = RoundIn(mode, a * sine + b * cosine);
  }
}

// x times the Hadamard matrix, by its definition: the sign of element (i, j) is
// the parity of the bits that i and j share.
inline std::vector<double> HadamardOf(const std::vector<double>& x,
                                      baleen_mode mode) {
  std::vector<double> y;
  const double scale = 1 / std::sqrt(static_cast<double>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    double sum = 0;
    for (size_t j = 0; j < x.size(); ++j) {
      sum += (std::popcount(i & j) & 1) != 0 ? -x[j] : x[j];
    }
    y.push_back(RoundIn(mode, sum * scale));
  }
  return y;
}

// x rounded to e2m1 with a power of two for each 32.
inline std::vector<double> RoundToFp4(const std::vector<double>& x) {
  std::vector<double> y;
  for (size_t first = 0; first < x.size(); first += 32) {
    double largest = 0;
    for (size_t i = first; i < first + 32; ++i) {
      largest = std::max(largest, std::fabs(x[i]));
    }
    const double scale =
        std::ldexp(1.0, Fp4ScaleCode(static_cast<float>(largest)) - 127);
    for (size_t i = first; i < first + 32; ++i) {
      y.push_back(static_cast<double>(Fp4ToFloat(
                      Fp4FromFloat(static_cast<float>(x[i] / scale)))) *
                  scale);
    }
  }
  return y;
}

// norm * x / rms(x), its last elements turned by the angles of `position`.
inline std::vector<double> NormAndRotate(std::vector<double> x,
                                         TestTensor& norm, TestTensor& rope,
                                         int64_t position, baleen_mode mode) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double inverse =
      1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-6);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = RoundIn(mode, x[i] * inverse * norm.Get(static_cast<int64_t>(i)));
  }
  Turn(x, rope, position, mode);
  return x;
}

// How many bytes of an entry differ from those that `expected` gives when it is
// rounded here; every value must be within a step of its code.
inline int64_t DifferentInEntry(const std::vector<double>& expected,
                                const std::vector<uint8_t>& entry) {
  const size_t plain = expected.size() - 64;
  const size_t scales = plain + 128;
  int64_t different = 0;
  for (size_t group = 0; group < plain / 64; ++group) {
    double largest = 1e-4;
    for (size_t i = group * 64; i < group * 64 + 64; ++i) {
      largest = std::max(largest, std::fabs(expected[i]));
    }
    const uint8_t code = Fp8ScaleCode(static_cast<float>(largest));
    const double scale = std::ldexp(1.0, code - 127);
    different += entry[scales + group] != code;
    const double stored = std::ldexp(1.0, entry[scales + group] - 127);
    for (size_t i = group * 64; i < group * 64 + 64; ++i) {
      different +=
          entry[i] != Fp8FromFloat(static_cast<float>(expected[i] / scale));
      const double got = static_cast<double>(Fp8ToFloat(entry[i])) * stored;
      EXPECT_NEAR(got, expected[i],
                  std::fabs(expected[i]) * 0.13 + stored / 256);
    }
  }
  for (size_t i = 0; i < 64; ++i) {
    uint16_t bits;
    std::memcpy(&bits, &entry[plain + 2 * i], 2);
    different += bits != Bf16FromFloat(static_cast<float>(expected[plain + i]));
    // One that was rounded the other way before it was turned moves both of
    // its pair.
    const size_t pair = plain + (i & ~size_t{1});
    EXPECT_NEAR(static_cast<double>(Bf16ToFloat(bits)), expected[plain + i],
                std::hypot(expected[pair], expected[pair + 1]) * 0x1p-6);
  }
  return different;
}

// Sums in float end the other side of a tie for one value in thousands; then a
// code differs by one.
inline void CheckEntry(const std::vector<double>& expected,
                       const std::vector<uint8_t>& entry) {
  EXPECT_LE(DifferentInEntry(expected, entry), 3);
  EXPECT_EQ(entry[entry.size() - 1], 0);
}

}  // namespace baleen::ops_test
