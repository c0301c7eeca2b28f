// Operands of operators as kernels take them: by value, in the parameters of a
// launch, with what varies from step to step behind pointers.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

#include "cuda/kernel.h"

namespace baleen::cuda {

// The first two strides are those of rows of a tensor of rank 2 or 3, in
// elements; NULL data: there is no such operand.
struct View {
  uint8_t* data;
  uint8_t* scales;
  int64_t stride0;
  int64_t stride1;
  int32_t size0;
  int32_t size1;
  int32_t size2;
  int32_t type;
};

inline View ViewOf(const baleen_tensor* tensor) {
  View view = {};
  if (tensor == nullptr) return view;
  view.data = static_cast<uint8_t*>(tensor->data);
  view.scales = static_cast<uint8_t*>(tensor->scales);
  view.stride0 = tensor->stride[0];
  view.stride1 = tensor->rank > 2 ? tensor->stride[1] : 0;
  view.size0 = static_cast<int32_t>(tensor->size[0]);
  view.size1 = tensor->rank > 1 ? static_cast<int32_t>(tensor->size[1]) : 1;
  view.size2 = tensor->rank > 2 ? static_cast<int32_t>(tensor->size[2]) : 1;
  view.type = tensor->type;
  return view;
}

template <typename T>
BALEEN_DEVICE T* RowOf(const View& view, int64_t i) {
  return reinterpret_cast<T*>(view.data) + i * view.stride0;
}
template <typename T>
BALEEN_DEVICE T* RowOf(const View& view, int64_t i, int64_t j) {
  return reinterpret_cast<T*>(view.data) + i * view.stride0 + j * view.stride1;
}

struct BatchView {
  const int32_t* counts;  // NULL: all rows are real.
  const int32_t* tokens;
  const int32_t* positions;
  const int32_t* sessions;
  const int32_t* starts;
  const int32_t* slots;
  const int32_t* pages;
  const int32_t* outputs;
  int64_t page_stride;
};

inline BatchView BatchOf(const baleen_batch* batch) {
  BatchView view = {};
  if (batch == nullptr) return view;
  const auto data = [](const baleen_tensor* tensor) {
    return tensor == nullptr ? nullptr
                             : static_cast<const int32_t*>(tensor->data);
  };
  view.counts = data(batch->counts);
  view.tokens = data(batch->tokens);
  view.positions = data(batch->positions);
  view.sessions = data(batch->sessions);
  view.starts = data(batch->starts);
  view.slots = data(batch->slots);
  view.pages = data(batch->pages);
  view.outputs = data(batch->outputs);
  view.page_stride = batch->pages == nullptr ? 0 : batch->pages->stride[0];
  return view;
}

// One of the counts, but no more than `limit`.
BALEEN_DEVICE int32_t CountOf(const BatchView& batch, int which,
                              int32_t limit) {
  if (batch.counts == nullptr) return limit;
  const int32_t count = batch.counts[which];
  return count < 0 ? 0 : count < limit ? count : limit;
}
BALEEN_DEVICE int32_t RowsOf(const BatchView& batch, int32_t limit) {
  return CountOf(batch, BALEEN_COUNT_ROWS, limit);
}

// A row of activations, bf16 or e4m3 with a power of two for each 128.
BALEEN_DEVICE float ActivationAt(const View& view, int64_t row, int64_t i) {
  if (view.type == BALEEN_TYPE_BF16) {
    return Bf16ToFloat(RowOf<const uint16_t>(view, row)[i]);
  }
  const int64_t groups = (view.size1 + 127) / 128;
  return Fp8ToFloat(RowOf<const uint8_t>(view, row)[i]) *
         E8m0ToFloat(view.scales[row * groups + i / 128]);
}

// An element of a bf16 or f32 row.
BALEEN_DEVICE float FloatAt(const View& view, int64_t row, int64_t i) {
  return view.type == BALEEN_TYPE_F32
             ? RowOf<const float>(view, row)[i]
             : Bf16ToFloat(RowOf<const uint16_t>(view, row)[i]);
}
BALEEN_DEVICE void StoreFloat(const View& view, int64_t row, int64_t i,
                              float value) {
  if (view.type == BALEEN_TYPE_F32) {
    RowOf<float>(view, row)[i] = value;
  } else {
    RowOf<uint16_t>(view, row)[i] = Bf16FromFloat(value);
  }
}

}  // namespace baleen::cuda
