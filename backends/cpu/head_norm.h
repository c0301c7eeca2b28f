// The norm of a query head, without a weight, and its rotation (model.md §6).
#pragma once

#include <cmath>

#include "cpu/reference/rms_norm.h"
#include "cpu/reference/rope.h"
#include "numeric/bf16.h"

namespace baleen::cpu {

// As DeepSeek's code does it, in bf16 step by step; x holds bf16 values.
inline void NormHeadInBf16(float epsilon, float* x, int64_t size) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    sum += static_cast<double>(RoundToBf16(x[i] * x[i]));
  }
  const float mean =
      RoundToBf16(static_cast<float>(sum / static_cast<double>(size)));
  const float inverse =
      RoundToBf16(1.0f / std::sqrt(RoundToBf16(mean + epsilon)));
  for (int64_t i = 0; i < size; ++i) x[i] = RoundToBf16(x[i] * inverse);
}

// A head's products to its query, not rounded in the end.
inline void FinishHead(const baleen_q_up_args& args, const RopeRow& rope,
                       float* x, int64_t size) {
  if (args.common.mode == BALEEN_MODE_REFERENCE) {
    for (int64_t i = 0; i < size; ++i) x[i] = RoundToBf16(x[i]);
    NormHeadInBf16(args.epsilon, x, size);
  } else {
    const float inverse = InverseRms(x, size, args.epsilon);
    for (int64_t i = 0; i < size; ++i) x[i] *= inverse;
  }
  Rotate(rope, x + size - args.rope_size, args.rope_size);
}

}  // namespace baleen::cpu
