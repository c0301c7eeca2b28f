// q_up: a tile is a head, which is normed and rotated where it was made.
#include "cpu/blocked/products.h"
#include "cpu/blocked/tiles.h"
#include "cpu/head_norm.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* QUpTakes(const baleen_q_up_args& args) {
  const char* reason = QUpRefusal(args);
  if (reason != nullptr) return reason;
  if (args.q->size[2] > kMostTile) return "heads are longer than a tile";
  if (args.iq != nullptr && args.iq->size[2] > kMostTile) {
    return "indexer heads are longer than a tile";
  }
  return WeightRefusal(args.weight);
}

void QUpScratch(const Device&, const baleen_q_up_args& args,
                baleen_op_needs* needs) {
  needs->scratch_bytes =
      PackedBytes(args.query_rounded->size[0], args.query_rounded->size[1]);
}

baleen_status QUpWith(const Queue& queue, const baleen_q_up_args& args,
                      const ProductKernels& kernels) {
  const Matrix* matrices = FromHandle(args.weight)->matrices();
  const int32_t* positions =
      static_cast<const int32_t*>(args.common.batch->positions->data);
  const int64_t rows = RowsOf(args.common, args.q->size[0]);
  const PackedRows packed =
      PackRows(queue, kernels, matrices[0].type, *args.query_rounded, rows,
               args.common.scratch);
  const auto packed_at = [&](int64_t i) { return packed.row(i); };
  const int64_t heads = args.q->size[1];
  const int64_t size = args.q->size[2];
  const int64_t index_heads = args.iq == nullptr ? 0 : args.iq->size[1];
  ParallelFor(queue, heads + index_heads, [&](int64_t head) {
    if (head < heads) {
      MultiplyTile(kernels, matrices[0], head * size, size, rows, packed_at,
                   [&](int64_t t, float* x) {
                     FinishHead(args, RopeAt(*args.rope, positions[t]), x,
                                size);
                     uint16_t* q = RowOf<uint16_t>(*args.q, t, head);
                     for (int64_t k = 0; k < size; ++k) {
                       q[k] = Bf16FromFloat(x[k]);
                     }
                   });
      return;
    }
    head -= heads;
    const int64_t index_size = args.iq->size[2];
    MultiplyTile(kernels, matrices[1], head * index_size, index_size, rows,
                 packed_at, [&](int64_t t, const float* x) {
                   uint16_t* iq = RowOf<uint16_t>(*args.iq, t, head);
                   for (int64_t j = 0; j < index_size; ++j) {
                     iq[j] = Bf16FromFloat(x[j]);
                   }
                 });
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
