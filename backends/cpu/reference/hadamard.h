// Walsh-Hadamard transform in natural (Sylvester) order (model.md §3.7).
#pragma once

#include <cmath>
#include <cstdint>

namespace baleen::cpu {

// x = H x / sqrt(size).  REQUIRES: size is a power of two.
inline void Hadamard(float* x, int64_t size) {
  for (int64_t half = 1; half < size; half *= 2) {
    for (int64_t start = 0; start < size; start += 2 * half) {
      for (int64_t i = start; i < start + half; ++i) {
        const float a = x[i];
        const float b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
  const float scale =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(size)));
  for (int64_t i = 0; i < size; ++i) x[i] *= scale;
}

}  // namespace baleen::cpu
