// How the CPU arranges a layer's attention state in pages and slots.
//
// Entries, window rings and tails lie as in saved states, one after another, so
// that copying is memcpy and one entry is read as one run of 584 bytes.  Keys
// do not: scoring visits every key of a session for every token (262,144 of
// them at a million positions), so they come in groups of 16, interleaved as a
// 512-bit register wants them, and one load serves 16 keys.
//
// Nothing here allocates or fails; sizes are those of model.md §15.1 for
// V4-Flash, and follow from the shape for others.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

namespace baleen::cpu {

// Positions of a page, in every pool.
inline constexpr int64_t kPagePositions = 256;
// Elements of an entry that share a scale, and of a key.
inline constexpr int64_t kEntryGroup = 64;
inline constexpr int64_t kKeyGroup = 32;
// Keys that are interleaved, and elements of each that lie together there.
inline constexpr int64_t kKeysTogether = 16;
inline constexpr int64_t kKeyChunk = 8;
// Beyond any model; buffers of the operators have room for heads and keys of
// this size, and rotated parts.
inline constexpr int64_t kMaxHeadSize = 1024;

// ---- Sizes ------------------------------------------------------------------

// What the functions below rely on; everything that takes state checks it when
// it is planned.  Returns what is wrong, or NULL.
const char* StateShapeError(const baleen_state_shape& shape);

// Of an entry before compression, against after it: 2 where groups overlap
// (ratio 4), else 1 (model.md §7).
inline int64_t OverlapFactor(const baleen_state_shape& shape) {
  return shape.ratio == 4 ? 2 : 1;
}

// Elements of an entry that are e4m3: all but the rotated ones.
inline int64_t PlainSize(const baleen_state_shape& shape) {
  return int64_t{shape.head_size} - shape.rope_size;
}

// Plain elements, a byte each; rotated ones, two bytes each; scales, padded to
// eight bytes so that every entry is aligned like the first.
inline int64_t EntryScaleOffset(const baleen_state_shape& shape) {
  return PlainSize(shape) + 2 * int64_t{shape.rope_size};
}
inline int64_t EntryBytes(const baleen_state_shape& shape) {
  return EntryScaleOffset(shape) + (PlainSize(shape) / kEntryGroup + 7) / 8 * 8;
}

inline int64_t KeyBytes(const baleen_state_shape& shape) {
  return shape.key_size / 2 + shape.key_size / kKeyGroup;
}

// Floats of a row of the tail, and the first of those that belong to the pool:
// value, then gate plus ape, each OverlapFactor times as wide as an entry.
inline int64_t TailRowFloats(const baleen_state_shape& shape) {
  return 2 * OverlapFactor(shape) *
         (int64_t{shape.head_size} + int64_t{shape.key_size});
}
inline int64_t TailOffset(const baleen_state_shape& shape, baleen_pool pool) {
  return pool == BALEEN_POOL_KEYS
             ? 2 * OverlapFactor(shape) * int64_t{shape.head_size}
             : 0;
}

// Compressed entries (or keys) of a page.
inline int64_t PageEntries(const baleen_state_shape& shape) {
  return shape.ratio == 0 ? 0 : kPagePositions / shape.ratio;
}

// Compressed entries that a row at `position` sees: those whose last position
// is not after it.
inline int64_t VisibleEntries(const baleen_state_shape& shape,
                              int64_t position) {
  return shape.ratio == 0 ? 0 : (position + 1) / shape.ratio;
}

// How many rows, entries or keys a page or slot of the pool holds, and the
// bytes of each in saved states.
int64_t PoolItemCount(const baleen_state_shape& shape, baleen_pool pool);
int64_t PoolItemBytes(const baleen_state_shape& shape, baleen_pool pool);

// Bytes that a page or slot of the pool takes on this device.
int64_t PoolBytes(const baleen_state_shape& shape, baleen_pool pool);

// ---- Places -----------------------------------------------------------------

// Page or slot `index` of the pool.
inline uint8_t* PoolPlace(const baleen_state& state, baleen_pool pool,
                          int64_t index) {
  const bool by_slot = pool == BALEEN_POOL_WINDOW || pool == BALEEN_POOL_TAIL;
  const int64_t in_slab =
      by_slot ? state.shape.slab_slots : state.shape.slab_pages;
  uint8_t* slab = static_cast<uint8_t*>(state.slabs[pool][index / in_slab]);
  return slab + (index % in_slab) * PoolBytes(state.shape, pool);
}

// The entries of a slot's window, by position.
class WindowRing {
 public:
  WindowRing(const baleen_state& state, int64_t slot)
      : rows_(state.shape.ring_rows),
        entry_bytes_(EntryBytes(state.shape)),
        base_(PoolPlace(state, BALEEN_POOL_WINDOW, slot)) {}

  uint8_t* At(int64_t position) const {
    return base_ + position % rows_ * entry_bytes_;
  }

 private:
  int64_t rows_;
  int64_t entry_bytes_;
  uint8_t* base_;
};

// The rows of a slot's tail, by position.
class TailRing {
 public:
  TailRing(const baleen_state& state, int64_t slot)
      : rows_(state.shape.tail_rows),
        row_floats_(TailRowFloats(state.shape)),
        base_(reinterpret_cast<float*>(
            PoolPlace(state, BALEEN_POOL_TAIL, slot))) {}

  float* At(int64_t position) const {
    return base_ + position % rows_ * row_floats_;
  }
  int64_t rows() const { return rows_; }

 private:
  int64_t rows_;
  int64_t row_floats_;
  float* base_;
};

// A session's compressed entries or keys, through its pages.
class PagedEntries {
 public:
  // `pages` are those of the session, of positions 0 to 255, 256 to 511, ...
  PagedEntries(const baleen_state& state, baleen_pool pool,
               const int32_t* pages)
      : state_(&state),
        pool_(pool),
        pages_(pages),
        in_page_(PageEntries(state.shape)),
        entry_bytes_(EntryBytes(state.shape)) {}

  // The page that holds the entry, and the place of it there.
  uint8_t* Page(int64_t entry) const {
    return PoolPlace(*state_, pool_, pages_[entry / in_page_]);
  }
  int64_t InPage(int64_t entry) const { return entry % in_page_; }

  // The entry itself.  REQUIRES: the pool is that of entries.
  uint8_t* At(int64_t entry) const {
    return Page(entry) + InPage(entry) * entry_bytes_;
  }

 private:
  const baleen_state* state_;
  baleen_pool pool_;
  const int32_t* pages_;
  int64_t in_page_;
  int64_t entry_bytes_;
};

// ---- Interleaved keys -------------------------------------------------------

// A page of keys is groups of 16.  In a group, first for each 8 elements the 4
// bytes of key 0, of key 1, ... of key 15; then for each 32 elements the scale
// of key 0, of key 1, ...
inline int64_t KeyGroupBytes(const baleen_state_shape& shape) {
  return kKeysTogether * KeyBytes(shape);
}
inline const uint8_t* KeyGroupScales(const baleen_state_shape& shape,
                                     const uint8_t* group) {
  return group + kKeysTogether * (shape.key_size / 2);
}

// Puts key `index` of a page there, or reads it: packed e2m1, then scales.
void StoreKey(const baleen_state_shape& shape, uint8_t* page, int64_t index,
              const uint8_t* key);
void LoadKey(const baleen_state_shape& shape, const uint8_t* page,
             int64_t index, uint8_t* key);

}  // namespace baleen::cpu
