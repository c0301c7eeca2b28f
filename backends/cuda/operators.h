// The operators, and what they ask of their arguments.
//
// Of each operator there is why it cannot run with arguments like these (which
// looks at types, shapes and the mode alone), what it needs, and its launches.
#pragma once

#include <baleen/backend.h>

#include "cuda/device.h"
#include "cuda/weights.h"

namespace baleen::cuda {

#define BALEEN_CUDA_OPERATORS(OP) \
  OP(embed, Embed)                \
  OP(mhc_boundary, MhcBoundary)   \
  OP(in_proj, InProj)             \
  OP(qkv_post, QkvPost)           \
  OP(q_up, QUp)                   \
  OP(indexer_q, IndexerQ)         \
  OP(compress, Compress)          \
  OP(step_plan, StepPlan)         \
  OP(indexer_score, IndexerScore) \
  OP(topk_select, TopkSelect)     \
  OP(sparse_attn, SparseAttn)     \
  OP(wo_a, WoA)                   \
  OP(wo_b, WoB)                   \
  OP(router, Router)              \
  OP(moe_plan, MoePlan)           \
  OP(moe_gate_up, MoeGateUp)      \
  OP(moe_down, MoeDown)           \
  OP(linear, Linear)              \
  OP(hc_head, HcHead)             \
  OP(head, Head)                  \
  OP(sample, Sample)              \
  OP(draft_head, DraftHead)

#define BALEEN_CUDA_DECLARE(name, Name)                                    \
  const char* Name##Refusal(const baleen_##name##_args& args);             \
  void Name##Needs(const Device& device, const baleen_##name##_args& args, \
                   baleen_op_needs* needs);                                \
  baleen_status Name##Run(const Queue& queue, const baleen_##name##_args& args);
BALEEN_CUDA_OPERATORS(BALEEN_CUDA_DECLARE)
#undef BALEEN_CUDA_DECLARE

// Rows that launches are made for: what the queue was told, or what tensors
// have room for.
inline int64_t RowBound(const Queue& queue, int64_t limit, int64_t repeat = 1) {
  const int64_t told = int64_t{queue.rows} * repeat;
  return queue.rows != 0 && told < limit ? told : limit;
}

// ---- Arguments ------------------------------------------------------------------

inline bool IsType(const baleen_tensor* tensor, baleen_type type) {
  return tensor != nullptr && tensor->type == type;
}
inline bool IsRows(const baleen_tensor* tensor, uint32_t rank) {
  return tensor != nullptr && tensor->rank == rank &&
         tensor->stride[rank - 1] == 1;
}
inline bool IsTensor(const baleen_tensor* tensor, baleen_type type,
                     uint32_t rank, int64_t columns) {
  return IsType(tensor, type) && IsRows(tensor, rank) &&
         tensor->size[rank - 1] == columns;
}
inline bool IsFloats(const baleen_tensor* tensor) {
  return IsType(tensor, BALEEN_TYPE_F32) || IsType(tensor, BALEEN_TYPE_BF16);
}
// Of the formats that this device asks for.
inline bool IsRounded(const baleen_tensor* tensor) {
  if (tensor == nullptr) return false;
  if (tensor->type == BALEEN_TYPE_BF16) return true;
  return tensor->type == BALEEN_TYPE_F8_E4M3 &&
         tensor->scale_type == BALEEN_TYPE_E8M0 && tensor->block_columns == 128;
}
inline bool IsRope(const baleen_tensor* rope, int64_t rope_size) {
  return IsTensor(rope, BALEEN_TYPE_F32, 3, rope_size / 2) &&
         rope->size[1] == 2;
}
inline bool IsBatch(const baleen_batch* batch) {
  return batch != nullptr && IsType(batch->positions, BALEEN_TYPE_I32) &&
         IsType(batch->sessions, BALEEN_TYPE_I32) &&
         IsType(batch->starts, BALEEN_TYPE_I32) &&
         IsType(batch->slots, BALEEN_TYPE_I32) &&
         IsType(batch->pages, BALEEN_TYPE_I32);
}

// Weights may be NULL while an operator is only asked about.
inline const char* KindRefusal(const baleen_weight* weight,
                               baleen_weight_kind kind) {
  if (weight == nullptr) return nullptr;
  return FromHandle(weight)->kind == kind ? nullptr
                                          : "the weight is of another kind";
}
// NULL, or why matrix `i` of a weight does not take `in` to `out` (or NULL).
inline const char* ProductRefusal(const baleen_weight* handle, uint32_t i,
                                  const baleen_tensor& in,
                                  const baleen_tensor* out) {
  if (handle == nullptr) return nullptr;
  const Weight& weight = *FromHandle(handle);
  if (i >= weight.count) return "the weight has too few matrices";
  const Matrix& matrix = weight.matrices()[i];
  if (matrix.columns != in.size[in.rank - 1]) {
    return "the weight has other columns";
  }
  if (out != nullptr && matrix.rows != out->size[out->rank - 1]) {
    return "the weight has other rows";
  }
  return nullptr;
}

}  // namespace baleen::cuda
