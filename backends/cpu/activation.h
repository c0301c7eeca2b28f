// Rows of activations as bf16 values, whatever they are stored as.
//
// e4m3 times its power of two is a bf16 exactly (model.md §3.2), so products
// need one kind of activation only.
#pragma once

#include "cpu/tensor_view.h"

namespace baleen::cpu {

// A row of a tensor's innermost dimension; `flat` counts through the others.
struct ActivationRow {
  const uint8_t* data;
  const uint8_t* scales;  // NULL: bf16.
  int64_t block;
};

inline ActivationRow ActivationRowOf(const baleen_tensor& tensor,
                                     int64_t flat) {
  const int64_t middle = tensor.rank == 3 ? tensor.size[1] : 1;
  int64_t offset = flat / middle * tensor.stride[0];
  if (tensor.rank == 3) offset += flat % middle * tensor.stride[1];
  const uint8_t* data = static_cast<const uint8_t*>(tensor.data);
  if (tensor.type == BALEEN_TYPE_BF16) return {data + offset * 2, nullptr, 0};
  const int64_t columns = tensor.size[tensor.rank - 1];
  return {data + offset,
          static_cast<const uint8_t*>(tensor.scales) +
              flat * GroupsOf(columns, tensor.block_columns),
          tensor.block_columns};
}

// `count` values from `first`.
inline void LoadBf16(const ActivationRow& row, int64_t first, int64_t count,
                     uint16_t* values) {
  if (row.scales == nullptr) {
    std::memcpy(values, row.data + first * 2,
                static_cast<size_t>(count) * sizeof(uint16_t));
    return;
  }
  for (int64_t i = first; i < first + count; ++i) {
    values[i - first] = Bf16FromFloat(Fp8ToFloat(row.data[i]) *
                                      E8m0ToFloat(row.scales[i / row.block]));
  }
}

// Writes floats to columns of a bf16 or f32 row.
inline void StoreFloats(const baleen_tensor& tensor, int64_t row, int64_t first,
                        int64_t count, const float* values) {
  if (tensor.type == BALEEN_TYPE_F32) {
    std::memcpy(RowOf<float>(tensor, row) + first, values,
                static_cast<size_t>(count) * sizeof(float));
    return;
  }
  uint16_t* to = RowOf<uint16_t>(tensor, row) + first;
  for (int64_t i = 0; i < count; ++i) to[i] = Bf16FromFloat(values[i]);
}

// Writes floats, rounded to bf16 first, to columns of a row of the device's
// format; `first` is at the start of a group.
inline void StoreRoundedColumns(const baleen_tensor& tensor, int64_t row,
                                int64_t first, int64_t count,
                                const float* values) {
  if (tensor.type == BALEEN_TYPE_BF16) {
    StoreFloats(tensor, row, first, count, values);
    return;
  }
  const int64_t block = tensor.block_columns;
  for (int64_t group = 0; group < count; group += block) {
    const int64_t size = count - group < block ? count - group : block;
    uint16_t rounded[128];
    for (int64_t i = 0; i < size; ++i) {
      rounded[i] = Bf16FromFloat(values[group + i]);
    }
    RoundToFp8(rounded, size, block,
               RowOf<uint8_t>(tensor, row) + first + group,
               RowScales(tensor, row) + (first + group) / block);
  }
}

}  // namespace baleen::cpu
