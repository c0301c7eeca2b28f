// float8 e4m3: every code, ties, and the scales of groups.
#include "numeric/fp8.h"

#include <gtest/gtest.h>

#include <cmath>

namespace baleen {
namespace {

// By the definition in model.md §2.3.
float Defined(uint32_t code) {
  const int exponent = static_cast<int>(code >> 3 & 15u);
  const int mantissa = static_cast<int>(code & 7u);
  const float value =
      exponent == 0
          ? std::ldexp(static_cast<float>(mantissa), -9)
          : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return (code & 128u) != 0 ? -value : value;
}

TEST(Fp8, KeepsEveryCode) {
  for (uint32_t code = 0; code < 256; ++code) {
    const uint8_t byte = static_cast<uint8_t>(code);
    if ((code & 127u) == 127u) {
      EXPECT_TRUE(std::isnan(Fp8ToFloat(byte)));
      continue;
    }
    EXPECT_EQ(Fp8ToFloat(byte), Defined(code));
    EXPECT_EQ(std::signbit(Fp8ToFloat(byte)), code >= 128);
    EXPECT_EQ(Fp8FromFloat(Defined(code)), byte);
  }
}

TEST(Fp8, RoundsToTheNearestAndTiesToEven) {
  for (uint32_t code = 0; code < 126; ++code) {
    const float middle = (Defined(code) + Defined(code + 1)) / 2;
    const uint32_t even = code + code % 2;
    EXPECT_EQ(Fp8FromFloat(middle), even);
    EXPECT_EQ(Fp8FromFloat(-middle), even + 128);
    EXPECT_EQ(Fp8FromFloat(std::nextafter(middle, 0.0f)), code);
    EXPECT_EQ(Fp8FromFloat(std::nextafter(middle, 1e9f)), code + 1);
  }
}

TEST(Fp8, ClampsToTheGreatest) {
  for (float value : {448.0f, 449.0f, 464.0f, 1e30f, INFINITY}) {
    EXPECT_EQ(Fp8FromFloat(value), 126);
    EXPECT_EQ(Fp8FromFloat(-value), 254);
  }
  EXPECT_EQ(Fp8FromFloat(NAN) & 127, 127);
}

TEST(Fp8, ScalesGroupsByPowersOfTwo) {
  // The check values of model.md §3.2.
  EXPECT_EQ(E8m0ToFloat(Fp8ScaleCode(448.0f)), 1.0f);
  EXPECT_EQ(E8m0ToFloat(Fp8ScaleCode(449.0f)), 2.0f);
  EXPECT_EQ(E8m0ToFloat(Fp8ScaleCode(1.75f)), std::ldexp(1.0f, -8));
  EXPECT_EQ(E8m0ToFloat(Fp8ScaleCode(1e-4f)), std::ldexp(1.0f, -22));
  EXPECT_EQ(E8m0ToFloat(Fp8ScaleCode(0.0f)), std::ldexp(1.0f, -22));
  for (int code = 1; code < 254; ++code) {
    const uint8_t byte = static_cast<uint8_t>(code);
    EXPECT_EQ(E8m0ToFloat(byte) * E8m0Inverse(byte), 1.0f);
  }
}

}  // namespace
}  // namespace baleen
