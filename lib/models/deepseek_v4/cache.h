// Where the attention state of all sessions of a model lies (model.md §15).
//
// Two pools.  A slot holds what a session has once: for each layer the ring of
// window entries and the ring of tail rows.  A page holds 256 positions: for
// each layer its compressed entries and indexer keys.  Pages are counted, so
// that forks share them.  Both come in slabs, one allocation each: of one slot
// (10 to 20 MB for V4-Flash), or of four pages (3.6 MB).
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <span>

#include <baleen/backend.h>

#include "base/byte_meter.h"
#include "ops/machine.h"
#include "ops/state_shape.h"

namespace baleen::deepseek_v4 {

// Slots or pages.  Thread-safe; but Take must not be called while a step runs,
// since it may move the arrays that operators read.
class SlabPool {
 public:
  // A part of every item: what one layer keeps in one of its pools.
  struct Column {
    baleen_state* state;
    baleen_pool pool;
    uint64_t item_bytes;
    uint64_t offset;  // In a slab, where this part of all its items lies.
  };

  // `zero`: items are cleared when they are taken from fresh memory.  `meter`
  // counts slabs in the host's memory.
  SlabPool(const Machine* machine, Side side, uint32_t slab_items, bool zero,
           ByteMeter* meter);
  ~SlabPool();

  // Before the first Take.
  void AddColumn(baleen_state* state, baleen_pool pool, uint64_t item_bytes);
  Status Start();

  // A free item, held once.
  Result<int32_t> Take();
  void Share(int32_t item);
  void Drop(int32_t item);
  bool IsShared(int32_t item) const;

  uint64_t item_bytes() const { return item_bytes_; }
  uint64_t slab_bytes() const { return slab_bytes_; }
  // What the pool has allocated when it holds so many items and never held
  // more.
  uint64_t Bytes(Side side, int64_t items) const;

 private:
  static constexpr size_t kFirstCapacity = 16;

  // The smallest capacity of `slabs`.
  static size_t CapacityFor(size_t slabs);
  size_t TableBytes(size_t capacity) const;
  Status Grow(size_t capacity);
  Status OpenSlab(size_t slab);

  const Machine* machine_;
  Side side_;
  uint32_t slab_items_;
  bool zero_;
  ByteMeter* meter_;  // NULL: on a device.
  Vector<Column> columns_;
  uint64_t item_bytes_ = 0;  // Of all columns.
  uint64_t slab_bytes_ = 0;

  mutable std::mutex mutex_;
  size_t capacity_ = 0;           // In slabs.
  Vector<DeviceBlock> slabs_;     // Empty where nothing is taken.
  Vector<uint32_t> holders_;      // Of each item.
  Vector<void*> addresses_;       // [columns, capacity]
  DeviceBlock device_addresses_;  // The same where the device reads them.
};

// The pools of a model and its layers' states.
class StateStore {
 public:
  static constexpr uint32_t kSlabPages = 4;

  static Result<Owned<StateStore>> Create(
      const Machine* machine, Side side,
      std::span<const baleen_state_shape> shapes, ByteMeter* meter);
  // Use Create; public for MakeOwned.
  StateStore(const Machine* machine, Side side,
             std::span<const baleen_state_shape> shapes, ByteMeter* meter);

  Side side() const { return side_; }
  const Machine& machine() const { return *machine_; }
  // Main layers, then drafter blocks.
  int32_t layer_count() const { return static_cast<int32_t>(states_.size()); }
  const baleen_state& state(int32_t layer) const {
    return states_[static_cast<size_t>(layer)];
  }
  SlabPool& slots() { return slots_; }
  SlabPool& pages() { return pages_; }
  const SlabPool& slots() const { return slots_; }
  const SlabPool& pages() const { return pages_; }
  // Of all that sessions keep in the host's memory.
  ByteMeter& meter() { return *meter_; }

  // Guards the machine's queue and the pools' arrays: held by whoever runs a
  // step, takes items, or copies state.
  std::mutex& mutex() { return mutex_; }

 private:
  Status SizePools();

  const Machine* machine_;
  Side side_;
  ByteMeter* meter_;
  std::mutex mutex_;
  Vector<baleen_state> states_;
  SlabPool slots_;
  SlabPool pages_;
};

// Copies of state put together and handed over many at a time.
class StateCopies {
 public:
  explicit StateCopies(const StateStore* store) : store_(store) {}

  // Items `first` .. `first + count` of a page or slot; `from` or `to` < 0: the
  // host's `bytes` instead.
  Status Add(int32_t layer, baleen_pool pool, int32_t from, int32_t to,
             int64_t first, int64_t count, void* bytes, uint64_t size);
  Status Flush();

 private:
  static constexpr size_t kMost = 256;

  const StateStore* store_;
  size_t count_ = 0;
  std::array<baleen_state_copy, kMost> copies_;
};

}  // namespace baleen::deepseek_v4
