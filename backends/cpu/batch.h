// What a step computes, read from the batch's tensors (backend.h).
#pragma once

#include <baleen/backend.h>

#include <algorithm>
#include <cstdint>

#include "cpu/state.h"
#include "cpu/tensor_view.h"

namespace baleen::cpu {

// The arrays of a batch, which on the CPU can be read where they lie.
struct BatchView {
  explicit BatchView(const baleen_batch& batch)
      : rows(CountOf(&batch, BALEEN_COUNT_ROWS, batch.positions->size[0])),
        session_count(
            CountOf(&batch, BALEEN_COUNT_SESSIONS, batch.slots->size[0])),
        positions(static_cast<const int32_t*>(batch.positions->data)),
        sessions(static_cast<const int32_t*>(batch.sessions->data)),
        starts(static_cast<const int32_t*>(batch.starts->data)),
        slots(static_cast<const int32_t*>(batch.slots->data)),
        page_table(static_cast<const int32_t*>(batch.pages->data)),
        page_stride(batch.pages->stride[0]) {}

  const int32_t* PagesOf(int64_t session) const {
    return page_table + session * page_stride;
  }

  int64_t rows;
  int64_t session_count;
  const int32_t* positions;   // [rows]
  const int32_t* sessions;    // [rows]
  const int32_t* starts;      // [session_count + 1]
  const int32_t* slots;       // [session_count]
  const int32_t* page_table;  // [session_count, pages]
  int64_t page_stride;
};

// Whether a batch has what BatchView reads.
inline bool IsBatch(const baleen_batch* batch) {
  return batch != nullptr && IsType(batch->positions, BALEEN_TYPE_I32) &&
         IsType(batch->sessions, BALEEN_TYPE_I32) &&
         IsType(batch->starts, BALEEN_TYPE_I32) &&
         IsType(batch->slots, BALEEN_TYPE_I32) &&
         IsType(batch->pages, BALEEN_TYPE_I32);
}

// Why a tensor of `rank` dimensions of the type, whose last are `columns`, is
// not this one.  For use in `accepts`.
inline bool IsTensor(const baleen_tensor* tensor, baleen_type type,
                     uint32_t rank, int64_t columns) {
  return IsType(tensor, type) && tensor->rank == rank &&
         tensor->size[rank - 1] == columns && tensor->stride[rank - 1] == 1;
}

// A table of cosines and sines for rotated parts of `rope_size`.
inline bool IsRope(const baleen_tensor* rope, int64_t rope_size) {
  return IsTensor(rope, BALEEN_TYPE_F32, 3, rope_size / 2) &&
         rope->size[1] == 2;
}

// The row of a float or bf16 tensor, as floats.
inline void LoadRow(const baleen_tensor& tensor, int64_t row, int64_t count,
                    float* out) {
  if (tensor.type == BALEEN_TYPE_F32) {
    const float* in = RowOf<const float>(tensor, row);
    std::copy(in, in + count, out);
    return;
  }
  const uint16_t* in = RowOf<const uint16_t>(tensor, row);
  for (int64_t i = 0; i < count; ++i) out[i] = Bf16ToFloat(in[i]);
}

}  // namespace baleen::cpu
