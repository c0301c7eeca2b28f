// RMSNorm (model.md §3.5).
#pragma once

#include <cmath>
#include <cstdint>

#include "numeric/bf16.h"

namespace baleen::cpu {

// 1 / sqrt(mean of squares + epsilon).  The sum is a double so that its order
// does not matter to the float that comes of it.
inline float InverseRms(const float* x, int64_t size, float epsilon) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  const float mean = static_cast<float>(sum / static_cast<double>(size));
  return 1.0f / std::sqrt(mean + epsilon);
}

// x = weight * (x / rms(x)), not rounded.  `weight` is bf16 [size].
inline void RmsNorm(const uint16_t* weight, float epsilon, float* x,
                    int64_t size) {
  const float inverse = InverseRms(x, size, epsilon);
  for (int64_t i = 0; i < size; ++i) {
    x[i] = Bf16ToFloat(weight[i]) * (x[i] * inverse);
  }
}

}  // namespace baleen::cpu
