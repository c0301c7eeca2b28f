// How a layer's attention state lies in pages and slots on the device.
//
// A page of entries, and a ring of a window, is the data of all its entries
// (448 e4m3 and 64 bf16, 576 bytes: rows of 16-byte vectors), then their scales,
// eight bytes each.  A page of keys is their e2m1, 64 bytes each, then their
// scales, four bytes each.  A tail is rows of floats as backend.h has them.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

#include "cuda/kernel.h"

namespace baleen::cuda {

constexpr int kPagePositions = 256;
constexpr int kEntryGroup = 64;
constexpr int kKeyGroup = 32;
constexpr int kMaxHeadSize = 1024;

// A state for kernels: shape and the arrays of addresses of slabs.
struct StateView {
  uint8_t* const* slabs[BALEEN_POOL_COUNT];
  int32_t ratio;
  int32_t head_size;
  int32_t rope_size;
  int32_t key_size;
  int32_t ring_rows;
  int32_t tail_rows;
  int32_t slab_pages;
  int32_t slab_slots;
};

inline StateView StateOf(const baleen_state* state) {
  StateView view = {};
  if (state == nullptr) return view;
  for (int i = 0; i < BALEEN_POOL_COUNT; ++i) {
    view.slabs[i] = reinterpret_cast<uint8_t* const*>(state->slabs[i]);
  }
  const baleen_state_shape& shape = state->shape;
  view.ratio = static_cast<int32_t>(shape.ratio);
  view.head_size = static_cast<int32_t>(shape.head_size);
  view.rope_size = static_cast<int32_t>(shape.rope_size);
  view.key_size = static_cast<int32_t>(shape.key_size);
  view.ring_rows = static_cast<int32_t>(shape.ring_rows);
  view.tail_rows = static_cast<int32_t>(shape.tail_rows);
  view.slab_pages = static_cast<int32_t>(shape.slab_pages);
  view.slab_slots = static_cast<int32_t>(shape.slab_slots);
  return view;
}

#define BALEEN_BOTH static __host__ __device__ inline

BALEEN_BOTH int OverlapOf(const StateView& state) {
  return state.ratio == 4 ? 2 : 1;
}
BALEEN_BOTH int PlainSize(const StateView& state) {
  return state.head_size - state.rope_size;
}
BALEEN_BOTH int EntryDataBytes(const StateView& state) {
  return PlainSize(state) + 2 * state.rope_size;
}
BALEEN_BOTH int EntryScaleBytes(const StateView& state) {
  return (PlainSize(state) / kEntryGroup + 7) / 8 * 8;
}
BALEEN_BOTH int TailRowFloats(const StateView& state) {
  return 2 * OverlapOf(state) * (state.head_size + state.key_size);
}
// The first float of a tail's row that belongs to the pool.
BALEEN_BOTH int TailOffset(const StateView& state, baleen_pool pool) {
  return pool == BALEEN_POOL_KEYS ? 2 * OverlapOf(state) * state.head_size : 0;
}
BALEEN_BOTH int PageEntries(const StateView& state) {
  return state.ratio == 0 ? 0 : kPagePositions / state.ratio;
}
BALEEN_BOTH int VisibleEntries(const StateView& state, int position) {
  return state.ratio == 0 ? 0 : (position + 1) / state.ratio;
}

// An item of a pool is data, then scales.
struct ItemShape {
  int count;  // Of a page or slot.
  int data;   // Bytes of each.
  int scales;
};
BALEEN_BOTH ItemShape ItemOf(const StateView& state, baleen_pool pool) {
  switch (pool) {
    case BALEEN_POOL_WINDOW:
      return {state.ring_rows, EntryDataBytes(state), EntryScaleBytes(state)};
    case BALEEN_POOL_ENTRIES:
      return {PageEntries(state), EntryDataBytes(state),
              EntryScaleBytes(state)};
    case BALEEN_POOL_KEYS:
      return {state.key_size == 0 ? 0 : PageEntries(state), state.key_size / 2,
              state.key_size / kKeyGroup};
    default:
      return {state.ratio == 0 ? 0 : state.tail_rows, 4 * TailRowFloats(state),
              0};
  }
}
// Pages and slots begin at multiples of 16 bytes.
BALEEN_BOTH int64_t PoolBytes(const StateView& state, baleen_pool pool) {
  const ItemShape item = ItemOf(state, pool);
  return (int64_t{item.count} * (item.data + item.scales) + 15) / 16 * 16;
}

BALEEN_DEVICE uint8_t* PoolPlace(const StateView& state, baleen_pool pool,
                                 int index) {
  const bool by_slot = pool == BALEEN_POOL_WINDOW || pool == BALEEN_POOL_TAIL;
  const int in_slab = by_slot ? state.slab_slots : state.slab_pages;
  return state.slabs[pool][index / in_slab] +
         (index % in_slab) * PoolBytes(state, pool);
}

// An entry or key: where its data and its scales are.
struct ItemPlace {
  uint8_t* data;
  uint8_t* scales;
};
BALEEN_DEVICE ItemPlace ItemAt(const StateView& state, baleen_pool pool,
                               uint8_t* place, int i) {
  const ItemShape item = ItemOf(state, pool);
  return {place + int64_t{i} * item.data,
          place + int64_t{item.count} * item.data + int64_t{i} * item.scales};
}

BALEEN_DEVICE ItemPlace WindowAt(const StateView& state, int slot,
                                 int position) {
  return ItemAt(state, BALEEN_POOL_WINDOW,
                PoolPlace(state, BALEEN_POOL_WINDOW, slot),
                position % state.ring_rows);
}
// Entry or key `i` of a session with these pages.
BALEEN_DEVICE ItemPlace PagedAt(const StateView& state, baleen_pool pool,
                                const int32_t* pages, int i) {
  const int in_page = PageEntries(state);
  return ItemAt(state, pool, PoolPlace(state, pool, pages[i / in_page]),
                i % in_page);
}
BALEEN_DEVICE float* TailAt(const StateView& state, int slot, int position) {
  return reinterpret_cast<float*>(
      ItemAt(state, BALEEN_POOL_TAIL, PoolPlace(state, BALEEN_POOL_TAIL, slot),
             position % state.tail_rows)
          .data);
}

// NULL, or why kernels cannot work with a state of this shape.
const char* StateShapeError(const baleen_state_shape& shape);

baleen_status StateSize(baleen_device* device, const baleen_state_shape* shape,
                        baleen_pool pool, uint64_t* bytes);
baleen_status StateCopy(baleen_queue* queue, const baleen_state_copy* copies,
                        uint32_t count);

}  // namespace baleen::cuda
