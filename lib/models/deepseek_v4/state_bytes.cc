// A State as bytes: for each layer its entries, its keys, the last window and
// the tail, items one after another, the same on every device.  How many there
// are follows from the length, so nothing but the length is needed to read
// them.
#include <algorithm>

#include "models/deepseek_v4/state.h"

namespace baleen::deepseek_v4 {
namespace {

uint64_t ItemsOf(const baleen_state_shape& shape, baleen_pool pool,
                 int64_t length) {
  if (shape.ratio == 0) return 0;
  if (pool == BALEEN_POOL_KEYS && shape.key_size == 0) return 0;
  return static_cast<uint64_t>(length / shape.ratio);
}

}  // namespace

uint64_t State::SavedSize() const {
  uint64_t size = 0;
  for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
    const baleen_state_shape& shape = store().state(layer).shape;
    for (const baleen_pool pool : {BALEEN_POOL_ENTRIES, BALEEN_POOL_KEYS}) {
      size += ItemsOf(shape, pool, length_) * ItemBytes(shape, pool);
    }
    size += static_cast<uint64_t>(length_ - WindowStart(length_)) *
            ItemBytes(shape, BALEEN_POOL_WINDOW);
    size += static_cast<uint64_t>(length_ - TailStart(shape, length_)) *
            ItemBytes(shape, BALEEN_POOL_TAIL);
  }
  return size;
}

Status State::TransferPages(StateCopies* copies, int32_t layer,
                            baleen_pool pool, char* bytes, bool save) const {
  const baleen_state_shape& shape = store().state(layer).shape;
  const uint64_t item = ItemBytes(shape, pool);
  uint64_t left = ItemsOf(shape, pool, length_);
  for (size_t i = 0; left > 0; ++i) {
    const uint64_t count = std::min<uint64_t>(
        left, static_cast<uint64_t>(kPagePositions) / shape.ratio);
    BALEEN_RETURN_IF_ERROR(
        copies->Add(layer, pool, save ? pages_[i] : -1, save ? -1 : pages_[i],
                    0, static_cast<int64_t>(count), bytes, count * item));
    bytes += count * item;
    left -= count;
  }
  return Status();
}

Status State::Transfer(char* bytes, bool save) const {
  StateCopies copies(rules_->store);
  const int32_t from = save ? slot_ : -1;
  const int32_t to = save ? -1 : slot_;
  for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
    const baleen_state_shape& shape = store().state(layer).shape;
    for (const baleen_pool pool : {BALEEN_POOL_ENTRIES, BALEEN_POOL_KEYS}) {
      BALEEN_RETURN_IF_ERROR(TransferPages(&copies, layer, pool, bytes, save));
      bytes += ItemsOf(shape, pool, length_) * ItemBytes(shape, pool);
    }
    for (const baleen_pool pool : {BALEEN_POOL_WINDOW, BALEEN_POOL_TAIL}) {
      const int64_t first = pool == BALEEN_POOL_WINDOW
                                ? WindowStart(length_)
                                : TailStart(shape, length_);
      BALEEN_RETURN_IF_ERROR(
          CopyRing(&copies, layer, pool, from, to, first, length_, bytes));
      bytes += static_cast<uint64_t>(length_ - first) * ItemBytes(shape, pool);
    }
  }
  return copies.Flush();
}

Status State::Save(void* buffer, uint64_t size) const {
  if (size != SavedSize()) {
    return InvalidArgument("a state of %llu bytes does not fit %llu",
                           static_cast<unsigned long long>(SavedSize()),
                           static_cast<unsigned long long>(size));
  }
  if (next_ != length_) {
    return Internal(
        "the state must be computed again from position %lld on "
        "before it can be saved",
        static_cast<long long>(next_));
  }
  if (length_ == 0) return Status();
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  return Transfer(static_cast<char*>(buffer), true);
}

Status State::Load(const void* buffer, uint64_t size, int64_t length) {
  if (length < 0 || length > rules_->position_limit) {
    return Corrupt("the saved state has %lld positions, the model %lld",
                   static_cast<long long>(length),
                   static_cast<long long>(rules_->position_limit));
  }
  StatePointer pointer = Create(rules_, memory_);
  State& loaded = static_cast<State&>(*pointer);
  loaded.length_ = length;
  loaded.next_ = length;
  loaded.written_end_ = length;
  loaded.rows_from_ = WindowStart(length);
  if (size != loaded.SavedSize()) {
    return Corrupt("a saved state of %lld positions has %llu bytes, this %llu",
                   static_cast<long long>(length),
                   static_cast<unsigned long long>(loaded.SavedSize()),
                   static_cast<unsigned long long>(size));
  }
  if (length > 0) {
    const std::lock_guard<std::mutex> lock(rules_->store->mutex());
    BALEEN_RETURN_IF_ERROR(loaded.Prepare(length, 0, length));
    // The host's bytes are read only when `save` is false.
    BALEEN_RETURN_IF_ERROR(loaded.Transfer(
        const_cast<char*>(static_cast<const char*>(buffer)), false));
  }
  std::swap(slot_, loaded.slot_);
  pages_.swap(loaded.pages_);
  length_ = length;
  next_ = length;
  written_end_ = length;
  rows_from_ = loaded.rows_from_;
  return Status();
}

}  // namespace baleen::deepseek_v4
