// E8M0: a byte that stands for a power of two, the scale of a quantized block.
//
// Plain functions on bits, so that device code can use them as well.
#pragma once

#include <cstdint>
#include <cstring>

// Each file has its own copy: files are compiled for different instruction sets,
// and a linker that kept one copy for all could keep one that a processor lacks.
#if defined(__CUDACC__)
#define BALEEN_NUMERIC static __host__ __device__ inline
#else
#define BALEEN_NUMERIC static inline
#endif

namespace baleen {

BALEEN_NUMERIC float FloatOfBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

BALEEN_NUMERIC uint32_t BitsOfFloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// 2^(code - 127); code 0 is the subnormal 2^-127, code 255 is NaN.
BALEEN_NUMERIC float E8m0ToFloat(uint8_t code) {
  if (code == 0) return FloatOfBits(0x00400000u);
  if (code == 255) return FloatOfBits(0x7FC00000u);
  return FloatOfBits(static_cast<uint32_t>(code) << 23);
}

// The code of the least power of two that is not below `value`, which is
// positive and normal (model.md §3.1).
BALEEN_NUMERIC uint8_t E8m0Ceil(float value) {
  const uint32_t bits = BitsOfFloat(value);
  const uint32_t exponent = (bits >> 23) & 255u;
  const uint32_t up = (bits & 0x7FFFFFu) != 0 ? 1u : 0u;
  const uint32_t code = exponent + up;
  return static_cast<uint8_t>(code > 254u ? 254u : code);
}

}  // namespace baleen
