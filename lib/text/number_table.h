// A hash table of numbers below 2^24 - 1: ids of tokens by their bytes, ranks
// of merges by their pairs.  What a number stands for lies elsewhere.
//
// A slot is 8 bits of the hash and the number, so the tables of the official
// tokenizer are 1 MB each and stay in a processor's second cache; with the keys
// in the slots they were 2 and 4 MB, and reading the file took a quarter more.
// Eight bits keep most strangers from being looked at.
#pragma once

#include <bit>
#include <cstdint>

#include "base/memory.h"

namespace baleen {

class NumberTable {
 public:
  static constexpr uint32_t kLimit = (1u << 24) - 1;

  explicit NumberTable(Memory* memory) : slots_(memory) {}

  // Makes room for `count` numbers.  REQUIRES: called once, first.
  void Reserve(size_t count) {
    const size_t slot_count = std::bit_ceil(2 * count + 2);
    slots_.assign(slot_count, kFree);
    shift_ = 64 - std::countr_zero(slot_count);
  }

  // The number with this hash of which `is_it` is true, or -1.
  template <typename IsIt>
  int32_t Find(uint64_t hash, IsIt is_it) const {
    const uint32_t slot = slots_[FindSlot(hash, is_it)];
    return slot == kFree ? -1 : static_cast<int32_t>(slot & kNumber);
  }

  // Puts `number` in the place of the one of which `is_it` is true and returns
  // that, or adds it and returns -1.
  template <typename IsIt>
  int32_t Put(uint64_t hash, uint32_t number, IsIt is_it) {
    uint32_t& slot = slots_[FindSlot(hash, is_it)];
    const int32_t before =
        slot == kFree ? -1 : static_cast<int32_t>(slot & kNumber);
    slot = Tag(hash) | number;
    return before;
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  static constexpr uint32_t kNumber = (1u << 24) - 1;

  // The bits right below those that choose the slot.
  uint32_t Tag(uint64_t hash) const {
    return static_cast<uint32_t>(hash >> (shift_ - 8)) << 24;
  }

  template <typename IsIt>
  size_t FindSlot(uint64_t hash, IsIt is_it) const {
    const uint32_t tag = Tag(hash);
    size_t place = hash >> shift_;
    for (;;) {
      const uint32_t slot = slots_[place];
      if (slot == kFree) return place;
      if ((slot & ~kNumber) == tag && is_it(slot & kNumber)) return place;
      place = (place + 1) & (slots_.size() - 1);
    }
  }

  // Open addressing, at most half full; a power of two.
  Vector<uint32_t> slots_;
  int shift_ = 0;
};

}  // namespace baleen
