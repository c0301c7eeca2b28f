// float4 e2m1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.
//
// Two in a byte, the first in the low half (model.md §2.3).
#pragma once

#include "numeric/e8m0.h"

namespace baleen {

constexpr float kFp4Max = 6.0f;

// Twice the value, which is an integer of at most 12.
BALEEN_NUMERIC int32_t Fp4Twice(uint32_t code) {
  const uint32_t magnitude = code & 7u;
  const int32_t exponent = static_cast<int32_t>(magnitude >> 1);
  const int32_t mantissa = static_cast<int32_t>(magnitude & 1u);
  const int32_t twice =
      exponent == 0 ? mantissa : (2 + mantissa) << (exponent - 1);
  return (code & 8u) != 0 ? -twice : twice;
}

BALEEN_NUMERIC float Fp4ToFloat(uint32_t code) {
  if ((code & 15u) == 8u) return -0.0f;
  return 0.5f * static_cast<float>(Fp4Twice(code));
}

// The element `index` of a row of packed codes.
BALEEN_NUMERIC uint32_t Fp4CodeAt(const uint8_t* row, int64_t index) {
  const uint32_t byte = row[index >> 1];
  return (index & 1) != 0 ? byte >> 4 : byte & 15u;
}

// Round to nearest, ties to the even mantissa, of a value clamped to +-6
// (model.md §3.3).
BALEEN_NUMERIC uint8_t Fp4FromFloat(float value) {
  const uint32_t sign = (BitsOfFloat(value) >> 28) & 8u;
  const float magnitude = FloatOfBits(BitsOfFloat(value) & 0x7FFFFFFFu);
  uint32_t code = 0;
  if (magnitude > 5.0f) {
    code = 7;
  } else if (magnitude >= 3.5f) {
    code = 6;
  } else if (magnitude > 2.5f) {
    code = 5;
  } else if (magnitude >= 1.75f) {
    code = 4;
  } else if (magnitude > 1.25f) {
    code = 3;
  } else if (magnitude >= 0.75f) {
    code = 2;
  } else if (magnitude > 0.25f) {
    code = 1;
  }
  return static_cast<uint8_t>(sign | code);
}

// The scale of a group whose largest magnitude is `largest` (model.md §3.3).
BALEEN_NUMERIC uint8_t Fp4ScaleCode(float largest) {
  constexpr float kLeast = 7.052966104933725e-38f;  // 6 * 2^-126
  constexpr float kInverseMax = 1.0f / kFp4Max;
  return E8m0Ceil((largest > kLeast ? largest : kLeast) * kInverseMax);
}

}  // namespace baleen
