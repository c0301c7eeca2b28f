// bfloat16 as its bits: the upper half of a float.
#pragma once

#include "numeric/e8m0.h"

namespace baleen {

BALEEN_NUMERIC float Bf16ToFloat(uint16_t bits) {
  return FloatOfBits(static_cast<uint32_t>(bits) << 16);
}

// Round to nearest, ties to even; NaN stays NaN.
BALEEN_NUMERIC uint16_t Bf16FromFloat(float value) {
  const uint32_t bits = BitsOfFloat(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return static_cast<uint16_t>((bits >> 16) | 0x40u);
  }
  const uint32_t lowest = (bits >> 16) & 1u;
  return static_cast<uint16_t>((bits + 0x7FFFu + lowest) >> 16);
}

// The nearest bfloat16, as a float.
BALEEN_NUMERIC float RoundToBf16(float value) {
  return Bf16ToFloat(Bf16FromFloat(value));
}

}  // namespace baleen
