// bfloat16 and e8m0: every code, and rounding of what lies between.
#include "numeric/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace baleen {
namespace {

TEST(Bf16, KeepsEveryCode) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const uint16_t bits = static_cast<uint16_t>(code);
    const float value = Bf16ToFloat(bits);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(RoundToBf16(value)));
    } else {
      EXPECT_EQ(Bf16FromFloat(value), bits);
    }
  }
}

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  for (uint32_t code = 0; code < 0x7F7F; ++code) {
    const float low = Bf16ToFloat(static_cast<uint16_t>(code));
    const float high = Bf16ToFloat(static_cast<uint16_t>(code + 1));
    const float middle = FloatOfBits((code << 16) + 0x8000u);
    EXPECT_EQ(RoundToBf16(middle), code % 2 == 0 ? low : high);
    EXPECT_EQ(RoundToBf16(std::nextafter(middle, 0.0f)), low);
    EXPECT_EQ(RoundToBf16(std::nextafter(middle, INFINITY)), high);
    EXPECT_EQ(RoundToBf16(-middle), code % 2 == 0 ? -low : -high);
  }
  EXPECT_EQ(RoundToBf16(std::numeric_limits<float>::max()), INFINITY);
}

TEST(E8m0, IsAPowerOfTwo) {
  for (int code = 0; code < 255; ++code) {
    const uint8_t byte = static_cast<uint8_t>(code);
    EXPECT_EQ(E8m0ToFloat(byte), std::ldexp(1.0f, code - 127));
    if (code == 0) continue;
    const float value = E8m0ToFloat(byte);
    EXPECT_EQ(E8m0Ceil(value), byte);
    EXPECT_EQ(E8m0Ceil(std::nextafter(value, INFINITY)),
              code == 254 ? 254 : code + 1);
  }
  EXPECT_TRUE(std::isnan(E8m0ToFloat(255)));
}

}  // namespace
}  // namespace baleen
