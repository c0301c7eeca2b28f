// float4 e2m1: every code, ties, packing, and the scales of groups.
#include "numeric/fp4.h"

#include <gtest/gtest.h>

#include <cmath>

namespace baleen {
namespace {

constexpr float kMagnitudes[8] = {0.0f, 0.5f, 1.0f, 1.5f,
                                  2.0f, 3.0f, 4.0f, 6.0f};

TEST(Fp4, KeepsEveryCode) {
  for (uint32_t code = 0; code < 16; ++code) {
    const float value = code < 8 ? kMagnitudes[code] : -kMagnitudes[code & 7u];
    EXPECT_EQ(Fp4ToFloat(code), value);
    EXPECT_EQ(std::signbit(Fp4ToFloat(code)), code >= 8);
    EXPECT_EQ(static_cast<float>(Fp4Twice(code)), 2 * value);
    EXPECT_EQ(Fp4FromFloat(value), code);
  }
}

TEST(Fp4, RoundsToTheNearestAndTiesToEven) {
  for (uint32_t code = 0; code < 7; ++code) {
    const float middle = (kMagnitudes[code] + kMagnitudes[code + 1]) / 2;
    const uint32_t even = code + code % 2;
    EXPECT_EQ(Fp4FromFloat(middle), even);
    EXPECT_EQ(Fp4FromFloat(-middle), even + 8);
    EXPECT_EQ(Fp4FromFloat(std::nextafter(middle, 0.0f)), code);
    EXPECT_EQ(Fp4FromFloat(std::nextafter(middle, 9.0f)), code + 1);
  }
  EXPECT_EQ(Fp4FromFloat(100.0f), 7);
  EXPECT_EQ(Fp4FromFloat(-INFINITY), 15);
}

TEST(Fp4, HasTheFirstElementInTheLowHalf) {
  const uint8_t row[] = {0x21, 0xF3};
  EXPECT_EQ(Fp4CodeAt(row, 0), 1u);
  EXPECT_EQ(Fp4CodeAt(row, 1), 2u);
  EXPECT_EQ(Fp4CodeAt(row, 2), 3u);
  EXPECT_EQ(Fp4CodeAt(row, 3), 15u);
}

TEST(Fp4, ScalesGroupsByPowersOfTwo) {
  EXPECT_EQ(E8m0ToFloat(Fp4ScaleCode(6.0f)), 1.0f);
  EXPECT_EQ(E8m0ToFloat(Fp4ScaleCode(6.03125f)), 2.0f);
  EXPECT_EQ(E8m0ToFloat(Fp4ScaleCode(3.0f)), 0.5f);
  EXPECT_EQ(E8m0ToFloat(Fp4ScaleCode(0.0f)), std::ldexp(1.0f, -126));
}

}  // namespace
}  // namespace baleen
