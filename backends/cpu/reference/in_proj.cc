// Everything that multiplies the input of the attention half: e4m3 weights with
// the rounded u, bf16 weights with u itself (model.md §3.4).
#include "cpu/checks.h"
#include "cpu/parallel.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* InProjRefusal(const baleen_in_proj_args& args) {
  if (args.u == nullptr && args.u_rounded == nullptr) return "there is no u";
  if (args.u != nullptr &&
      (!IsType(args.u, BALEEN_TYPE_BF16) || !IsRows(args.u, 2))) {
    return "u is not bf16 [T, D]";
  }
  if (args.u_rounded != nullptr &&
      (!IsRounded(args.u_rounded) || !IsRows(args.u_rounded, 2))) {
    return "u_rounded is not of this device's format";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
  if (reason != nullptr) return reason;
  uint32_t part = 0;
  for (int i = 0; i < BALEEN_IN_COUNT; ++i) {
    const baleen_tensor* out = args.out[i];
    if (out == nullptr) continue;
    if (!IsFloats(out) || !IsRows(out, 2)) {
      return "an output is neither bf16 nor f32";
    }
    const baleen_tensor& in = args.u != nullptr ? *args.u : *args.u_rounded;
    reason = ProductRefusal(args.weight, part, in, out);
    if (reason != nullptr) return reason;
    if (args.weight != nullptr) {
      const bool plain =
          FromHandle(args.weight)->matrices()[part].type == MatrixType::kBf16;
      if ((plain ? args.u : args.u_rounded) == nullptr) {
        return "an input that the weights need is missing";
      }
    }
    ++part;
  }
  return nullptr;
}

baleen_status InProjReference(const Queue& queue,
                              const baleen_in_proj_args& args) {
  const Matrix* matrix = FromHandle(args.weight)->matrices();
  for (const baleen_tensor* out : args.out) {
    if (out == nullptr) continue;
    const baleen_tensor& in =
        matrix->type == MatrixType::kBf16 ? *args.u : *args.u_rounded;
    const int64_t rows = RowsOf(args.common, out->size[0]);
    ParallelFor(queue, rows * matrix->rows, [&](int64_t i) {
      const int64_t t = i / matrix->rows;
      const int64_t n = i % matrix->rows;
      const float product = Dot(*matrix, n, ActivationRowOf(in, t));
      StoreFloats(*out, t, n, 1, &product);
    });
    ++matrix;
  }
  return BALEEN_OK;
}

}  // namespace baleen::cpu
