// logits = u * weight in f32, the likeliest tokens, and the log of the sum of
// their exponentials (model.md §4).
#include "cpu/checks.h"
#include "cpu/finish_row.h"
#include "cpu/parallel.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* HeadRefusal(const baleen_head_args& args) {
  if (!IsType(args.u, BALEEN_TYPE_BF16) || !IsRows(args.u, 2)) {
    return "u is not bf16 [R, D]";
  }
  if (args.logits != nullptr &&
      (!IsType(args.logits, BALEEN_TYPE_F32) || !IsRows(args.logits, 2))) {
    return "logits are not f32 [R, V]";
  }
  if (args.logits == nullptr && args.weight == nullptr) {
    return "without logits the weight must be known";
  }
  if ((args.top == nullptr) != (args.top_logits == nullptr) ||
      (args.top != nullptr &&
       (!IsType(args.top, BALEEN_TYPE_I32) || !IsRows(args.top, 2) ||
        !IsType(args.top_logits, BALEEN_TYPE_F32) ||
        !IsRows(args.top_logits, 2) || args.top->size[1] == 0 ||
        args.top->size[1] != args.top_logits->size[1]))) {
    return "top and top_logits are not i32 and f32 [R, n]";
  }
  if (args.log_sum != nullptr && !IsType(args.log_sum, BALEEN_TYPE_F32)) {
    return "log_sum is not f32 [R]";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 0, *args.u, args.logits);
}

baleen_tensor HeadLogits(const baleen_head_args& args) {
  if (args.logits != nullptr) return *args.logits;
  baleen_tensor logits{};
  logits.data = args.common.scratch;
  logits.type = BALEEN_TYPE_F32;
  logits.rank = 2;
  logits.size[0] = args.u->size[0];
  logits.size[1] = FromHandle(args.weight)->matrices()[0].rows;
  logits.stride[0] = logits.size[1];
  logits.stride[1] = 1;
  return logits;
}

void HeadNeeds(const Device&, const baleen_head_args& args,
               baleen_op_needs* needs) {
  if (args.logits != nullptr) return;
  const baleen_tensor logits = HeadLogits(args);
  needs->scratch_bytes =
      static_cast<uint64_t>(logits.size[0] * logits.size[1]) * sizeof(float);
}

baleen_status HeadReference(const Queue& queue, const baleen_head_args& args) {
  const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
  const baleen_tensor logits = HeadLogits(args);
  const int64_t rows =
      CountOf(args.common.batch, BALEEN_COUNT_OUTPUTS, args.u->size[0]);
  ParallelFor(queue, rows * matrix.rows, [&](int64_t i) {
    const int64_t row = i / matrix.rows;
    const int64_t n = i % matrix.rows;
    RowOf<float>(logits, row)[n] =
        Dot(matrix, n, ActivationRowOf(*args.u, row));
  });
  ParallelFor(queue, rows, [&](int64_t row) {
    FinishHeadRow(args, row, RowOf<float>(logits, row), matrix.rows);
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
