// z[t][g] = in[t][g] * weight[g], rounded (model.md §6).
#include "cpu/checks.h"
#include "cpu/parallel.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* WoARefusal(const baleen_wo_a_args& args) {
  if (!IsRounded(args.in) || !IsRows(args.in, 3)) {
    return "in is not [T, G, columns] of bf16 or this device's format";
  }
  if (!IsRounded(args.z) || !IsRows(args.z, 2) ||
      args.z->size[1] % args.in->size[1] != 0) {
    return "z is not [T, G * O] of this device's format";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_GROUPED);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 0, *args.in, args.z);
}

baleen_status WoAReference(const Queue& queue, const baleen_wo_a_args& args) {
  constexpr int64_t kGroup = 128;  // Of a scale of z, if it has any.
  const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
  const int64_t rows = RowsOf(args.common, args.z->size[0]);
  const int64_t groups = args.in->size[1];
  const int64_t rank = matrix.rows / groups;
  const int64_t tiles = GroupsOf(matrix.rows, kGroup);
  ParallelFor(queue, rows * tiles, [&](int64_t i) {
    const int64_t t = i / tiles;
    const int64_t first = i % tiles * kGroup;
    const int64_t count =
        first + kGroup < matrix.rows ? kGroup : matrix.rows - first;
    float z[kGroup];
    for (int64_t n = 0; n < count; ++n) {
      const int64_t group = (first + n) / rank;
      z[n] =
          Dot(matrix, first + n, ActivationRowOf(*args.in, t * groups + group));
    }
    StoreRoundedColumns(*args.z, t, first, count, z);
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
