// The keys of a row in the order in which attention sums over them
// (model.md §6, §14, §16.1).  Shared by all implementations.
#pragma once

#include <baleen/backend.h>

#include <algorithm>

#include "cpu/batch.h"
#include "cpu/state.h"

namespace baleen::cpu {

// Keys between which the running maximum stays as it is.
inline constexpr int64_t kKeyBlock = 64;

// First the window, oldest to newest; then compressed entries, ascending; then
// the rows of a drafter's block.
class RowKeys {
 public:
  RowKeys(const baleen_sparse_attn_args& args, const BatchView& batch,
          int64_t row)
      : args_(&args),
        window_(*args.state, batch.slots[batch.sessions[row]]),
        entries_(*args.state, BALEEN_POOL_ENTRIES,
                 batch.PagesOf(batch.sessions[row])) {
    const int64_t session = batch.sessions[row];
    // One past the newest position of the window.
    int64_t window_end = int64_t{batch.positions[row]} + 1;
    if (args.block != nullptr) {
      block_first_ = batch.starts[session];
      block_count_ = batch.starts[session + 1] - block_first_;
      window_end = batch.positions[block_first_];
    } else if (args.selected != nullptr) {
      selected_ = RowOf<const int32_t>(*args.selected, row);
      entry_count_ = static_cast<const int32_t*>(args.count->data)[row];
    } else {
      entry_count_ = VisibleEntries(args.state->shape, batch.positions[row]);
    }
    window_first_ = std::max<int64_t>(window_end - args.window, 0);
    window_count_ = window_end - window_first_;
  }

  int64_t count() const { return window_count_ + entry_count_ + block_count_; }

  const uint8_t* At(int64_t i) const {
    if (i < window_count_) return window_.At(window_first_ + i);
    i -= window_count_;
    if (i < entry_count_) {
      return entries_.At(selected_ == nullptr ? i : selected_[i]);
    }
    return RowOf<const uint8_t>(*args_->block,
                                block_first_ + (i - entry_count_));
  }

 private:
  const baleen_sparse_attn_args* args_;
  WindowRing window_;
  PagedEntries entries_;
  const int32_t* selected_ = nullptr;
  int64_t window_first_ = 0;
  int64_t window_count_ = 0;
  int64_t entry_count_ = 0;
  int64_t block_first_ = 0;
  int64_t block_count_ = 0;
};

// Where the result of a head goes: [T, G, H / G * K].
inline uint16_t* HeadOut(const baleen_sparse_attn_args& args, int64_t row,
                         int64_t head) {
  const int64_t size = args.q->size[2];
  const int64_t in_group = args.out->size[2] / size;
  return RowOf<uint16_t>(*args.out, row, head / in_group) +
         head % in_group * size;
}

}  // namespace baleen::cpu
