// What `draft_head` does besides its products: the drafter's tokens one after
// another, and how sure it is (model.md §14).
#pragma once

#include "cpu/activation.h"
#include "cpu/sampling.h"
#include "cpu/weights.h"

namespace baleen::cpu {

// Row of the token before output `output`, in w1.  A token that is none reads
// row 0.
inline ActivationRow TokenBefore(const baleen_draft_head_args& args,
                                 int64_t output) {
  const Matrix& w1 = FromHandle(args.w1)->matrices()[0];
  int64_t token =
      output % args.block == 0
          ? static_cast<const int32_t*>(args.first->data)[output / args.block]
          : static_cast<const int32_t*>(args.tokens->data)[output - 1];
  if (token < 0 || token >= w1.rows) token = 0;
  return {w1.data + token * w1.row_bytes, nullptr, 0};
}

// The token of an output whose logits are complete, and its confidence.
inline void FinishDraft(const baleen_draft_head_args& args, int64_t output) {
  const ActivationRow before = TokenBefore(args, output);
  const baleen_batch& batch = *args.common.batch;
  const int32_t row = static_cast<const int32_t*>(batch.outputs->data)[output];
  const int32_t position =
      static_cast<const int32_t*>(batch.positions->data)[row];
  baleen_sample_row how;
  std::memcpy(&how, RowOf<const uint8_t>(*args.rows, output), sizeof(how));
  static_cast<int32_t*>(args.tokens->data)[output] =
      SampleToken(RowOf<const float>(*args.logits, output),
                  args.logits->size[1], how, position, RandomStream::kDraft);

  const uint16_t* weight =
      static_cast<const uint16_t*>(args.confidence_weight->data);
  const uint16_t* joined = RowOf<const uint16_t>(*args.joined, output);
  const int64_t hidden = args.joined->size[1];
  const int64_t rank = FromHandle(args.w1)->matrices()[0].columns;
  double sum = 0;
  const auto add = [&](uint16_t a, uint16_t b) {
    sum += static_cast<double>(Bf16ToFloat(a)) *
           static_cast<double>(Bf16ToFloat(b));
  };
  for (int64_t i = 0; i < hidden; ++i) add(weight[i], joined[i]);
  for (int64_t i = 0; i < rank; ++i) {
    uint16_t bits;
    LoadBf16(before, i, 1, &bits);
    add(weight[hidden + i], bits);
  }
  static_cast<float*>(args.confidence->data)[output] = static_cast<float>(sum);
}

// Blocks of the step.
inline int64_t DraftBlocks(const baleen_draft_head_args& args) {
  return CountOf(args.common.batch, BALEEN_COUNT_OUTPUTS,
                 args.logits->size[0]) /
         args.block;
}

}  // namespace baleen::cpu
