// y = weight * z (model.md §6).
#include "cpu/checks.h"
#include "cpu/parallel.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* WoBRefusal(const baleen_wo_b_args& args) {
  if (!IsRounded(args.z) || !IsRows(args.z, 2)) {
    return "z is not of this device's format";
  }
  if (!IsType(args.y, BALEEN_TYPE_BF16) || !IsRows(args.y, 2)) {
    return "y is not bf16 [T, D]; this device has no parts of it";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 0, *args.z, args.y);
}

baleen_status WoBReference(const Queue& queue, const baleen_wo_b_args& args) {
  const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
  const int64_t rows = RowsOf(args.common, args.y->size[0]);
  ParallelFor(queue, rows * matrix.rows, [&](int64_t i) {
    const int64_t t = i / matrix.rows;
    const int64_t n = i % matrix.rows;
    RowOf<uint16_t>(*args.y, t)[n] =
        Bf16FromFloat(Dot(matrix, n, ActivationRowOf(*args.z, t)));
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
