// Rotary position embedding of interleaved pairs (model.md §3.6).
#pragma once

#include <baleen/backend.h>

#include <cstdint>

namespace baleen::cpu {

// Cosines and sines of one position: a row of the table that the library made.
struct RopeRow {
  const float* cosines;
  const float* sines;
};

inline RopeRow RopeAt(const baleen_tensor& rope, int64_t position) {
  const float* row =
      static_cast<const float*>(rope.data) + position * rope.stride[0];
  return {row, row + rope.stride[1]};
}

// Turns the pairs (2i, 2i + 1) of x [size] by the angles of the row.
inline void Rotate(const RopeRow& row, float* x, int64_t size) {
  for (int64_t i = 0; i < size / 2; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = a * row.cosines[i] - b * row.sines[i];
    x[2 * i + 1] = a * row.sines[i] + b * row.cosines[i];
  }
}

// And back.
inline void RotateBack(const RopeRow& row, float* x, int64_t size) {
  for (int64_t i = 0; i < size / 2; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = a * row.cosines[i] + b * row.sines[i];
    x[2 * i + 1] = b * row.cosines[i] - a * row.sines[i];
  }
}

}  // namespace baleen::cpu
