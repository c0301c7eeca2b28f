// wo_a: a tile is 128 columns of z within a group, so that a scale of z is made
// where its columns are.
#include "cpu/blocked/products.h"
#include "cpu/blocked/tiles.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* WoATakes(const baleen_wo_a_args& args) {
  const char* reason = WoARefusal(args);
  if (reason != nullptr) return reason;
  if (args.z->type != BALEEN_TYPE_BF16 &&
      args.z->size[1] / args.in->size[1] % kBlock != 0) {
    return "a scale of z has columns of two groups";
  }
  return WeightRefusal(args.weight);
}

void WoAScratch(const Device&, const baleen_wo_a_args& args,
                baleen_op_needs* needs) {
  needs->scratch_bytes =
      PackedBytes(args.in->size[0] * args.in->size[1], args.in->size[2]);
}

baleen_status WoAWith(const Queue& queue, const baleen_wo_a_args& args,
                      const ProductKernels& kernels) {
  const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
  const int64_t rows = RowsOf(args.common, args.z->size[0]);
  const int64_t groups = args.in->size[1];
  const int64_t rank = matrix.rows / groups;
  const int64_t tiles = GroupsOf(rank, kBlock);
  const PackedRows packed = PackRows(queue, kernels, matrix.type, *args.in,
                                     rows * groups, args.common.scratch);
  if (rows == 0) return BALEEN_OK;
  ParallelFor(queue, groups * tiles, [&](int64_t task) {
    const int64_t group = task / tiles;
    const int64_t in_group = task % tiles * kBlock;
    const int64_t first = group * rank + in_group;
    const int64_t count = std::min(kBlock, rank - in_group);
    MultiplyTile(
        kernels, matrix, first, count, rows,
        [&](int64_t t) { return packed.row(t * groups + group); },
        [&](int64_t t, const float* z) {
          StoreRoundedColumns(*args.z, t, first, count, z);
        });
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
