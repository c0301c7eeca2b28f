// Queries of all heads from the query rank, normed and rotated; queries of the
// indexer as they are (model.md §6, §8).
#include "cpu/batch.h"
#include "cpu/checks.h"
#include "cpu/head_norm.h"
#include "cpu/parallel.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* QUpRefusal(const baleen_q_up_args& args) {
  constexpr int64_t kMostHeadSize = 1024;  // A head is worked on in a stack.
  if (!IsRounded(args.query_rounded) || !IsRows(args.query_rounded, 2)) {
    return "query_rounded is not of this device's format";
  }
  if (!IsType(args.q, BALEEN_TYPE_BF16) || !IsRows(args.q, 3) ||
      args.q->size[2] > kMostHeadSize || args.rope_size > args.q->size[2]) {
    return "q is not bf16 [T, H, K] with K up to 1024";
  }
  if (args.iq != nullptr &&
      (!IsType(args.iq, BALEEN_TYPE_BF16) || !IsRows(args.iq, 3))) {
    return "iq is not bf16 [T, I, J]";
  }
  if (!IsRope(args.rope, args.rope_size)) return "rope is not f32";
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->positions, BALEEN_TYPE_I32)) {
    return "there are no positions";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
  for (uint32_t i = 0; i < (args.iq == nullptr ? 1u : 2u); ++i) {
    if (reason != nullptr) return reason;
    reason = ProductRefusal(args.weight, i, *args.query_rounded, nullptr);
    if (reason != nullptr || args.weight == nullptr) return reason;
    const baleen_tensor& out = i == 0 ? *args.q : *args.iq;
    if (FromHandle(args.weight)->matrices()[i].rows !=
        out.size[1] * out.size[2]) {
      return "the weight has other rows";
    }
  }
  return reason;
}

baleen_status QUpReference(const Queue& queue, const baleen_q_up_args& args) {
  constexpr int64_t kMostHeadSize = 1024;
  const Matrix* matrices = FromHandle(args.weight)->matrices();
  const int32_t* positions =
      static_cast<const int32_t*>(args.common.batch->positions->data);
  const int64_t rows = RowsOf(args.common, args.q->size[0]);
  const int64_t heads = args.q->size[1];
  const int64_t size = args.q->size[2];
  ParallelFor(queue, rows * heads, [&](int64_t i) {
    const int64_t t = i / heads;
    const int64_t head = i % heads;
    float x[kMostHeadSize];
    for (int64_t k = 0; k < size; ++k) {
      x[k] = Dot(matrices[0], head * size + k,
                 ActivationRowOf(*args.query_rounded, t));
    }
    FinishHead(args, RopeAt(*args.rope, positions[t]), x, size);
    uint16_t* q = RowOf<uint16_t>(*args.q, t, head);
    for (int64_t k = 0; k < size; ++k) q[k] = Bf16FromFloat(x[k]);
  });
  if (args.iq == nullptr) return BALEEN_OK;
  const int64_t index_heads = args.iq->size[1];
  const int64_t index_size = args.iq->size[2];
  ParallelFor(queue, rows * index_heads, [&](int64_t i) {
    const int64_t t = i / index_heads;
    const int64_t head = i % index_heads;
    uint16_t* iq = RowOf<uint16_t>(*args.iq, t, head);
    for (int64_t j = 0; j < index_size; ++j) {
      iq[j] = Bf16FromFloat(Dot(matrices[1], head * index_size + j,
                                ActivationRowOf(*args.query_rounded, t)));
    }
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
