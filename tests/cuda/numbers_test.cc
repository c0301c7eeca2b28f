// Weights and activations become bf16 in registers without any rounding: all codes
// of e4m3 and e2m1, and the powers of two that scale activations.
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/kernel.h"

namespace baleen::cuda {
namespace {

float Low(uint32_t pair) { return Bf16ToFloat(static_cast<uint16_t>(pair)); }
float High(uint32_t pair) {
  return Bf16ToFloat(static_cast<uint16_t>(pair >> 16));
}

// Zeros of another sign are not the same.
void ExpectSame(float got, float wanted) {
  EXPECT_EQ(BitsOfFloat(got), BitsOfFloat(wanted)) << got << ", " << wanted;
}

// In each of the four places of a word, beside codes that must not matter.
TEST(CudaNumbers, EveryE4m3IsExactInBf16) {
  for (uint32_t code = 0; code < 256; ++code) {
    const float wanted = Fp8ToFloat(static_cast<uint8_t>(code));
    for (int place = 0; place < 4; ++place) {
      for (const uint32_t others :
           {0u, 0x7F7F7F7Fu, 0xFFFFFFFFu, 0x38383838u}) {
        const uint32_t mask = 0xFFu << (8 * place);
        const uint32_t word = (others & ~mask) | code << (8 * place);
        uint32_t low;
        uint32_t high;
        Fp8ToBf16(word, &low, &high);
        MendFp8Nan(word, &low, &high);
        const uint32_t pair = place < 2 ? low : high;
        const float got = place % 2 == 0 ? Low(pair) : High(pair);
        if (std::isnan(wanted)) {
          EXPECT_TRUE(std::isnan(got)) << code;
        } else {
          ExpectSame(got, wanted);
        }
      }
    }
  }
}

// Pair i of a word has its codes at bits 4i and 16 + 4i (layout.h).
TEST(CudaNumbers, EveryE2m1IsExactInBf16) {
  for (uint32_t low = 0; low < 16; ++low) {
    for (uint32_t high = 0; high < 16; ++high) {
      for (int i = 0; i < 4; ++i) {
        const uint32_t mask = (0xFu << (4 * i)) | (0xFu << (16 + 4 * i));
        const uint32_t word =
            (~mask & 0xFFFFFFFFu) | low << (4 * i) | high << (16 + 4 * i);
        const uint32_t pair = Fp4PairToBf16(word, i);
        ExpectSame(Low(pair), Fp4ToFloat(low));
        ExpectSame(High(pair), Fp4ToFloat(high));
      }
    }
  }
}

// An e4m3 times a power of two has four bits, wherever bf16 is normal.
TEST(CudaNumbers, ScaledE4m3IsExactInBf16) {
  for (int power = -100; power <= 100; ++power) {
    const float scale = std::ldexp(1.0f, power);
    const uint32_t factors = PackBf16(scale, scale);
    for (uint32_t code = 0; code < 0x7Fu; ++code) {
      uint32_t low;
      uint32_t high;
      Fp8ToBf16(code | 0x80u << 8 | code << 8, &low, &high);
      const uint32_t scaled = ScaleBf16x2(low, factors);
      const float value = Fp8ToFloat(static_cast<uint8_t>(code)) * scale;
      ExpectSame(Low(scaled), value);
      ExpectSame(High(scaled), -value);
    }
  }
}

}  // namespace
}  // namespace baleen::cuda
