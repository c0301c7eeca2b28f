// out = norm_out(weight * norm_in(in) + add), rounded to bf16 after each of the
// four: the drafters' projections (model.md §13, §14).
#include "cpu/checks.h"
#include "cpu/finish_row.h"
#include "cpu/linear_input.h"
#include "cpu/parallel.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {
namespace {

bool IsNorm(const baleen_tensor* norm, int64_t size) {
  return norm == nullptr ||
         (IsType(norm, BALEEN_TYPE_BF16) && LastSize(*norm) == size);
}

const char* InputRefusal(const baleen_linear_args& args) {
  const bool table = args.weight != nullptr &&
                     FromHandle(args.weight)->kind == BALEEN_WEIGHT_TABLE;
  if (IsType(args.in, BALEEN_TYPE_I32)) {
    if (args.weight != nullptr && !table) return "the weight is not a table";
    if (args.norm_in != nullptr) return "tokens have no norm";
    if (table &&
        FromHandle(args.weight)->matrices()[0].type != MatrixType::kBf16) {
      return "the table is not of bf16";
    }
    return nullptr;
  }
  if (table) return "a table is read by i32";
  if (!IsRounded(args.in) || !IsRows(args.in, 2)) {
    return "in is neither bf16 nor of this device's format";
  }
  if (args.norm_in != nullptr && args.in->type != BALEEN_TYPE_BF16) {
    return "what is normed is not bf16";
  }
  return KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
}

}  // namespace

const char* LinearRefusal(const baleen_linear_args& args) {
  const char* reason = InputRefusal(args);
  if (reason != nullptr) return reason;
  if (!IsFloats(args.out) || !IsRows(args.out, 2)) {
    return "out is neither bf16 nor f32 [rows, outer]";
  }
  const int64_t outer = args.out->size[1];
  if (!IsNorm(args.norm_out, outer) ||
      !IsNorm(args.norm_in, LastSize(*args.in))) {
    return "a norm is not bf16 of the size of its row";
  }
  if (args.add != nullptr &&
      (!IsType(args.add, BALEEN_TYPE_BF16) || !IsRows(args.add, 2) ||
       args.add->size[1] != outer)) {
    return "add is not bf16 [rows, outer]";
  }
  if (args.in->type == BALEEN_TYPE_I32) {
    if (args.weight == nullptr) return nullptr;
    const Matrix& table = FromHandle(args.weight)->matrices()[0];
    return table.columns == outer ? nullptr : "the table has other columns";
  }
  return ProductRefusal(args.weight, 0, *args.in, args.out);
}

void LinearNeeds(const Device&, const baleen_linear_args& args,
                 baleen_op_needs* needs) {
  needs->scratch_bytes = LinearScratch(args).bytes;
}

baleen_status LinearReference(const Queue& queue,
                              const baleen_linear_args& args) {
  const int64_t rows = LinearRows(args);
  const int64_t outer = args.out->size[1];
  if (args.in->type == BALEEN_TYPE_I32 || args.weight == nullptr) {
    CopyLinearInput(queue, args, rows);
  } else {
    const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
    const baleen_tensor in = PrepareLinearInput(queue, args, matrix, rows);
    ParallelFor(queue, rows * outer, [&](int64_t i) {
      const float product =
          Dot(matrix, i % outer, ActivationRowOf(in, i / outer));
      StoreFloats(*args.out, i / outer, i % outer, 1, &product);
    });
  }
  FinishLinearRows(queue, args, rows);
  return BALEEN_OK;
}

}  // namespace baleen::cpu
