// Rounding of activations, entries and keys (model.md §3.2, §3.3, §15.1).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "cpu/state.h"
#include "numeric/bf16.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

namespace baleen::cpu {

inline float LargestMagnitude(const float* x, int64_t size) {
  float largest = 0;
  for (int64_t i = 0; i < size; ++i)
    largest = std::fmax(largest, std::fabs(x[i]));
  return largest;
}

// A group of x to e4m3 codes; returns the code of their scale.
inline uint8_t QuantizeFp8(const float* x, int64_t size, uint8_t* codes) {
  const uint8_t scale = Fp8ScaleCode(LargestMagnitude(x, size));
  const float inverse = E8m0Inverse(scale);
  for (int64_t i = 0; i < size; ++i) codes[i] = Fp8FromFloat(x[i] * inverse);
  return scale;
}

// A group of x to e2m1 codes, one to a byte; returns the code of their scale.
inline uint8_t QuantizeFp4(const float* x, int64_t size, uint8_t* codes) {
  const uint8_t scale = Fp4ScaleCode(LargestMagnitude(x, size));
  const float inverse = E8m0Inverse(scale);
  for (int64_t i = 0; i < size; ++i) codes[i] = Fp4FromFloat(x[i] * inverse);
  return scale;
}

// kv [head_size], normed and rotated, to an entry of the state and back.
inline void EncodeEntry(const baleen_state_shape& shape, const float* kv,
                        uint8_t* entry) {
  const int64_t plain = PlainSize(shape);
  const int64_t groups = plain / kEntryGroup;
  uint8_t* scales = entry + EntryScaleOffset(shape);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t first = group * kEntryGroup;
    scales[group] = QuantizeFp8(kv + first, kEntryGroup, entry + first);
  }
  std::fill(scales + groups, entry + EntryBytes(shape), uint8_t{0});
  uint16_t* rotated = reinterpret_cast<uint16_t*>(entry + plain);
  for (int64_t i = 0; i < shape.rope_size; ++i) {
    rotated[i] = Bf16FromFloat(kv[plain + i]);
  }
}

inline void DecodeEntry(const baleen_state_shape& shape, const uint8_t* entry,
                        float* kv) {
  const int64_t plain = PlainSize(shape);
  const uint8_t* scales = entry + EntryScaleOffset(shape);
  for (int64_t i = 0; i < plain; ++i) {
    kv[i] = Fp8ToFloat(entry[i]) * E8m0ToFloat(scales[i / kEntryGroup]);
  }
  const uint16_t* rotated = reinterpret_cast<const uint16_t*>(entry + plain);
  for (int64_t i = 0; i < shape.rope_size; ++i) {
    kv[plain + i] = Bf16ToFloat(rotated[i]);
  }
}

// key [key_size], normed, rotated and transformed, to packed e2m1 and scales.
inline void EncodeKey(const baleen_state_shape& shape, const float* key,
                      uint8_t* packed) {
  uint8_t codes[kKeyGroup];
  for (int64_t block = 0; block < shape.key_size / kKeyGroup; ++block) {
    packed[shape.key_size / 2 + block] =
        QuantizeFp4(key + block * kKeyGroup, kKeyGroup, codes);
    for (int64_t i = 0; i < kKeyGroup / 2; ++i) {
      packed[block * (kKeyGroup / 2) + i] =
          static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    }
  }
}

}  // namespace baleen::cpu
