// The end of `linear` (out = norm_out(product + add), rounded to bf16 after each)
// and of `head` (the likeliest tokens and the log of the sum).
#pragma once

#include <cmath>

#include "cpu/activation.h"
#include "cpu/reference/rms_norm.h"

namespace baleen::cpu {

// Rows of a linear: those of the step, each `repeat` times, where there is one.
inline int64_t LinearRows(const baleen_linear_args& args) {
  const int64_t limit = args.out->size[0];
  const int64_t repeat = args.repeat == 0 ? 1 : args.repeat;
  const baleen_batch* batch = args.common.batch;
  if (batch == nullptr) return limit;
  const int64_t rows = RowsOf(args.common, limit) * repeat;
  return rows < limit ? rows : limit;
}

// Norms `values` by bf16 `weight`, rounded to bf16 unless out is f32.
inline void NormRow(const baleen_tensor& weight, float epsilon, bool rounds,
                    float* values, int64_t size) {
  RmsNorm(static_cast<const uint16_t*>(weight.data), epsilon, values, size);
  if (!rounds) return;
  for (int64_t i = 0; i < size; ++i) values[i] = RoundToBf16(values[i]);
}

// Adds and norms row `row` of out, where its product is.
inline void FinishLinearRow(const baleen_linear_args& args, int64_t row,
                            float* values) {
  if (args.add == nullptr && args.norm_out == nullptr) return;
  const baleen_tensor& out = *args.out;
  const bool rounds = out.type == BALEEN_TYPE_BF16;
  const int64_t size = out.size[1];
  for (int64_t i = 0; i < size; ++i) {
    values[i] = rounds ? Bf16ToFloat(RowOf<uint16_t>(out, row)[i])
                       : RowOf<float>(out, row)[i];
  }
  if (args.add != nullptr) {
    const int64_t repeat = args.repeat == 0 ? 1 : args.repeat;
    const uint16_t* add = RowOf<const uint16_t>(*args.add, row / repeat);
    for (int64_t i = 0; i < size; ++i) {
      values[i] += Bf16ToFloat(add[i]);
      if (rounds) values[i] = RoundToBf16(values[i]);
    }
  }
  if (args.norm_out != nullptr) {
    NormRow(*args.norm_out, args.epsilon, rounds, values, size);
  }
  StoreFloats(out, row, 0, size, values);
}

// The `count` likeliest, the lower index on ties, by insertion: `count` is tens
// where `size` is a hundred thousand, so almost every logit stops at the first
// comparison.
inline void TopLogits(const float* logits, int64_t size, int64_t count,
                      int32_t* top, float* top_logits) {
  int64_t found = 0;
  for (int64_t i = 0; i < size; ++i) {
    if (found == count && !(logits[i] > top_logits[found - 1])) continue;
    int64_t place = found < count ? found++ : count - 1;
    while (place > 0 && logits[i] > top_logits[place - 1]) {
      top[place] = top[place - 1];
      top_logits[place] = top_logits[place - 1];
      --place;
    }
    top[place] = static_cast<int32_t>(i);
    top_logits[place] = logits[i];
  }
  for (; found < count; ++found) {
    top[found] = -1;
    top_logits[found] = -INFINITY;
  }
}

inline float LogSumExp(const float* logits, int64_t size) {
  float largest = -INFINITY;
  for (int64_t i = 0; i < size; ++i) {
    largest = logits[i] > largest ? logits[i] : largest;
  }
  if (largest == -INFINITY) return largest;
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    sum += std::exp(static_cast<double>(logits[i] - largest));
  }
  return static_cast<float>(static_cast<double>(largest) + std::log(sum));
}

// What `head` makes of the logits of a row.
inline void FinishHeadRow(const baleen_head_args& args, int64_t row,
                          const float* logits, int64_t size) {
  if (args.top != nullptr) {
    TopLogits(logits, size, args.top->size[1], RowOf<int32_t>(*args.top, row),
              RowOf<float>(*args.top_logits, row));
  }
  if (args.log_sum != nullptr) {
    RowOf<float>(*args.log_sum, row)[0] = LogSumExp(logits, size);
  }
}

}  // namespace baleen::cpu
