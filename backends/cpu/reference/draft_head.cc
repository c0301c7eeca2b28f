// DSpark's last part: for each row of a block in turn, logits = base + w2 *
// w1[token before], a token of them, and how sure the drafter is (model.md §14).
#include "cpu/checks.h"
#include "cpu/draft_block.h"
#include "cpu/parallel.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {
namespace {

const char* WeightsRefusal(const baleen_draft_head_args& args) {
  const char* reason = KindRefusal(args.w1, BALEEN_WEIGHT_TABLE);
  if (reason != nullptr) return reason;
  reason = KindRefusal(args.w2, BALEEN_WEIGHT_LINEAR);
  if (reason != nullptr) return reason;
  if (args.w1 == nullptr || args.w2 == nullptr) return nullptr;
  const Matrix& w1 = FromHandle(args.w1)->matrices()[0];
  const Matrix& w2 = FromHandle(args.w2)->matrices()[0];
  if (w1.type != MatrixType::kBf16 || w1.rows == 0) {
    return "w1 is not of bf16";
  }
  if (w1.columns != w2.columns || w2.rows != args.logits->size[1]) {
    return "w1 and w2 do not fit";
  }
  return LastSize(*args.confidence_weight) == args.joined->size[1] + w1.columns
             ? nullptr
             : "confidence_weight has another size";
}

}  // namespace

const char* DraftHeadRefusal(const baleen_draft_head_args& args) {
  if (!IsType(args.base, BALEEN_TYPE_F32) || !IsRows(args.base, 2) ||
      !IsType(args.logits, BALEEN_TYPE_F32) || !IsRows(args.logits, 2) ||
      args.base->size[1] != args.logits->size[1]) {
    return "base and logits are not f32 [R, V]";
  }
  if (!IsType(args.joined, BALEEN_TYPE_BF16) || !IsRows(args.joined, 2) ||
      !IsType(args.confidence_weight, BALEEN_TYPE_BF16)) {
    return "joined and confidence_weight are not bf16";
  }
  if (!IsType(args.first, BALEEN_TYPE_I32) ||
      !IsType(args.tokens, BALEEN_TYPE_I32)) {
    return "tokens are not i32";
  }
  if (!IsType(args.rows, BALEEN_TYPE_BYTE) || !IsRows(args.rows, 2) ||
      args.rows->size[1] != sizeof(baleen_sample_row)) {
    return "rows are not byte [R, 32]";
  }
  if (!IsType(args.confidence, BALEEN_TYPE_F32)) return "confidence is not f32";
  if (args.block == 0) return "a block has no rows";
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->outputs, BALEEN_TYPE_I32) ||
      !IsType(args.common.batch->positions, BALEEN_TYPE_I32)) {
    return "the batch does not say which rows are wanted";
  }
  return WeightsRefusal(args);
}

baleen_status DraftHeadReference(const Queue& queue,
                                 const baleen_draft_head_args& args) {
  const Matrix& w2 = FromHandle(args.w2)->matrices()[0];
  const int64_t blocks = DraftBlocks(args);
  for (int64_t i = 0; i < args.block; ++i) {
    ParallelFor(queue, blocks * w2.rows, [&](int64_t task) {
      const int64_t output = task / w2.rows * args.block + i;
      const int64_t n = task % w2.rows;
      RowOf<float>(*args.logits, output)[n] =
          RowOf<const float>(*args.base, output)[n] +
          Dot(w2, n, TokenBefore(args, output));
    });
    ParallelFor(queue, blocks, [&](int64_t block) {
      FinishDraft(args, block * args.block + i);
    });
  }
  return BALEEN_OK;
}

}  // namespace baleen::cpu
