// float8 e4m3fn: sign, four bits of exponent (bias 7), three of mantissa.
//
// No infinities; 0x7F and 0xFF are NaN; the largest is 448, the smallest
// subnormal 2^-9 (model.md §2.3).
#pragma once

#include "numeric/bf16.h"

namespace baleen {

constexpr float kFp8Max = 448.0f;

BALEEN_NUMERIC float Fp8ToFloat(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x80u) << 24;
  const uint32_t magnitude = code & 0x7Fu;
  if (magnitude == 0x7Fu) return FloatOfBits(sign | 0x7FC00000u);
  if (magnitude >= 8u) {
    return FloatOfBits(sign | ((magnitude << 20) + (120u << 23)));
  }
  const float value = static_cast<float>(magnitude) * 0.001953125f;  // 2^-9
  return FloatOfBits(sign | BitsOfFloat(value));
}

// Round to nearest, ties to even, of a value clamped to +-448; NaN stays NaN.
BALEEN_NUMERIC uint8_t Fp8FromFloat(float value) {
  const uint32_t bits = BitsOfFloat(value);
  const uint32_t sign = (bits >> 24) & 0x80u;
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<uint8_t>(sign | 0x7Fu);
  if (magnitude >= 0x43E00000u) return static_cast<uint8_t>(sign | 0x7Eu);
  if (magnitude < 0x3C800000u) {
    // Below 2^-6 codes are multiples of 2^-9; adding 2^14 leaves no finer ones.
    const float shifted = FloatOfBits(magnitude) + 16384.0f;
    return static_cast<uint8_t>(sign | (BitsOfFloat(shifted) & 0xFFu));
  }
  const uint32_t lowest = (magnitude >> 20) & 1u;
  const uint32_t rounded = magnitude + 0x7FFFFu + lowest - (120u << 23);
  return static_cast<uint8_t>(sign | (rounded >> 20));
}

// The scale of a group whose largest magnitude is `largest` (model.md §3.2).
BALEEN_NUMERIC uint8_t Fp8ScaleCode(float largest) {
  constexpr float kLeast = 1e-4f;
  constexpr float kInverseMax = 1.0f / kFp8Max;
  return E8m0Ceil((largest > kLeast ? largest : kLeast) * kInverseMax);
}

// 1 / 2^(code - 127), exact for the codes that Fp8ScaleCode gives.
BALEEN_NUMERIC float E8m0Inverse(uint8_t code) {
  return code >= 254 ? FloatOfBits(code == 254 ? 0x00400000u : 0x7FC00000u)
                     : FloatOfBits((254u - code) << 23);
}

}  // namespace baleen
