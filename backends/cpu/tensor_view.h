// Typed access to the rows of tensors, and the number of rows that are real.
#pragma once

#include <baleen/backend.h>

#include <cstring>

#include "numeric/bf16.h"
#include "numeric/fp8.h"

namespace baleen::cpu {

// One of batch.counts, but no more than `limit`; `limit` without a batch.
inline int64_t CountOf(const baleen_batch* batch, int which, int64_t limit) {
  if (batch == nullptr || batch->counts == nullptr ||
      batch->counts->data == nullptr) {
    return limit;
  }
  const int64_t count = static_cast<const int32_t*>(batch->counts->data)[which];
  return count < 0 ? 0 : (count < limit ? count : limit);
}

inline int64_t RowsOf(const baleen_op_common& common, int64_t limit) {
  return CountOf(common.batch, BALEEN_COUNT_ROWS, limit);
}

// The first element of row `i` of the outermost dimension.
template <typename Element>
Element* RowOf(const baleen_tensor& tensor, int64_t i) {
  return static_cast<Element*>(tensor.data) + i * tensor.stride[0];
}

template <typename Element>
Element* RowOf(const baleen_tensor& tensor, int64_t i, int64_t j) {
  return static_cast<Element*>(tensor.data) + i * tensor.stride[0] +
         j * tensor.stride[1];
}

// Elements of a row of the outermost dimension.
inline int64_t ColumnsOf(const baleen_tensor& tensor) {
  int64_t columns = 1;
  for (uint32_t i = 1; i < tensor.rank; ++i) columns *= tensor.size[i];
  return columns;
}

// Groups of a row that have a scale each; the last may be short.
inline int64_t GroupsOf(int64_t columns, int64_t block) {
  return (columns + block - 1) / block;
}

// The scales of row `i` of a tensor whose rows are rounded in groups.
inline uint8_t* RowScales(const baleen_tensor& tensor, int64_t i) {
  return static_cast<uint8_t*>(tensor.scales) +
         i * GroupsOf(ColumnsOf(tensor), tensor.block_columns);
}

inline bool IsType(const baleen_tensor* tensor, baleen_type type) {
  return tensor != nullptr && tensor->type == type;
}

// bf16 without scales, or e4m3 with an e8m0 for each 128 of a row: the formats
// that this device asks for.
inline bool IsRounded(const baleen_tensor* tensor) {
  if (tensor == nullptr) return false;
  if (tensor->type == BALEEN_TYPE_BF16) return true;
  return tensor->type == BALEEN_TYPE_F8_E4M3 &&
         tensor->scale_type == BALEEN_TYPE_E8M0 && tensor->block_columns == 128;
}

// Rounds `count` bf16 values to e4m3 with a power of two for each `block`
// (model.md §3.2).
inline void RoundToFp8(const uint16_t* in, int64_t count, int64_t block,
                       uint8_t* out, uint8_t* scales) {
  for (int64_t first = 0; first < count; first += block) {
    const int64_t end = first + block < count ? first + block : count;
    uint32_t largest = 0;
    for (int64_t i = first; i < end; ++i) {
      const uint32_t magnitude = in[i] & 0x7FFFu;
      largest = magnitude > largest ? magnitude : largest;
    }
    const uint8_t scale =
        Fp8ScaleCode(Bf16ToFloat(static_cast<uint16_t>(largest)));
    const float inverse = E8m0Inverse(scale);
    for (int64_t i = first; i < end; ++i) {
      out[i] = Fp8FromFloat(Bf16ToFloat(in[i]) * inverse);
    }
    scales[first / block] = scale;
  }
}

// Writes a row of bf16 values to a tensor of the device's format.
inline void StoreRounded(const uint16_t* in, const baleen_tensor& tensor,
                         int64_t row) {
  const int64_t columns = ColumnsOf(tensor);
  if (tensor.type == BALEEN_TYPE_BF16) {
    std::memcpy(RowOf<uint16_t>(tensor, row), in,
                static_cast<size_t>(columns) * sizeof(uint16_t));
    return;
  }
  RoundToFp8(in, columns, tensor.block_columns, RowOf<uint8_t>(tensor, row),
             RowScales(tensor, row));
}

}  // namespace baleen::cpu
