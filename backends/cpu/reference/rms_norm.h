// RMSNorm (model.md §3.5).
#pragma once

#include <cmath>
#include <cstdint>

#include "numeric/bf16.h"

namespace baleen::cpu {

// 1 / sqrt(mean of squares + epsilon).  The order of the sum is that of the
// library the golden data were made with, on which a rounding of a key may hang:
// four chains of eight lanes, added up chain by chain, then lane by lane.  With
// it the logits of the golden MTP block are 1e-7 away, with an exact sum 2e-2.
inline float InverseRms(const float* x, int64_t size, float epsilon) {
  constexpr int64_t kLanes = 8;
  constexpr int64_t kChains = 4;
  float sums[kChains * kLanes] = {};
  for (int64_t i = 0; i < size; ++i) {
    sums[i % (kChains * kLanes)] += x[i] * x[i];
  }
  for (int64_t i = kLanes; i < kChains * kLanes; ++i) {
    sums[i % kLanes] += sums[i];
  }
  float sum = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  return 1.0f / std::sqrt(sum / static_cast<float>(size) + epsilon);
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
