// What operators ask of their arguments, as reasons for refusing them.
//
// Weights may be NULL while an operator is only asked about (`query`), before
// anything is loaded; lists_products.cc sees to it that they are there in calls.
#pragma once

#include "cpu/tensor_view.h"
#include "cpu/weights.h"

namespace baleen::cpu {

// A matrix, or rows of `rank`, whose elements of a row lie together.
inline bool IsRows(const baleen_tensor* tensor, uint32_t rank) {
  return tensor != nullptr && tensor->rank == rank &&
         tensor->stride[rank - 1] == 1;
}

inline bool IsBatchOfTokens(const baleen_batch* batch) {
  return batch != nullptr && IsType(batch->tokens, BALEEN_TYPE_I32);
}

inline bool IsFloats(const baleen_tensor* tensor) {
  return IsType(tensor, BALEEN_TYPE_F32) || IsType(tensor, BALEEN_TYPE_BF16);
}

inline int64_t LastSize(const baleen_tensor& tensor) {
  return tensor.rank == 0 ? 0 : tensor.size[tensor.rank - 1];
}

// NULL, or why `handle` is not a weight of `kind`.
inline const char* KindRefusal(const baleen_weight* handle,
                               baleen_weight_kind kind) {
  if (handle == nullptr) return nullptr;
  return FromHandle(handle)->kind == kind ? nullptr
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
  if (matrix.columns != LastSize(in)) return "the weight has other columns";
  if (out != nullptr && matrix.rows != LastSize(*out)) {
    return "the weight has other rows";
  }
  return nullptr;
}

}  // namespace baleen::cpu
