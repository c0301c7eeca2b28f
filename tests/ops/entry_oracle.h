// Norm, rotation and rounding of entries in double precision, for the tests of
// the operators that make them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/state_fixture.h"

namespace baleen::ops_test {

inline double RoundIn(baleen_mode mode, double x) {
  return mode == BALEEN_MODE_REFERENCE
             ? static_cast<double>(RoundToBf16(static_cast<float>(x)))
             : x;
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
    EXPECT_NEAR(static_cast<double>(Bf16ToFloat(bits)), expected[plain + i],
                std::fabs(expected[plain + i]) * 0x1p-7 + 1e-5);
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
