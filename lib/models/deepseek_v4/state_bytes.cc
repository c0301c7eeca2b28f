// A State as bytes, in pieces that are the same on every device.
//
// A page is for each layer its entries and its keys; a window for each layer the
// rows before a position and the tail.  How many there are follows from the
// positions.
#include <algorithm>

#include "models/deepseek_v4/state.h"

namespace baleen::deepseek_v4 {
namespace {

// Entries that end in the first `positions` of a page.
int64_t EntriesOf(const baleen_state_shape& shape, baleen_pool pool,
                  int64_t positions) {
  if (shape.ratio == 0) return 0;
  if (pool == BALEEN_POOL_KEYS && shape.key_size == 0) return 0;
  return positions / shape.ratio;
}

}  // namespace

uint64_t State::PageBytes(int64_t positions) const {
  uint64_t size = 0;
  for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
    const baleen_state_shape& shape = store().state(layer).shape;
    for (const baleen_pool pool : {BALEEN_POOL_ENTRIES, BALEEN_POOL_KEYS}) {
      size += static_cast<uint64_t>(EntriesOf(shape, pool, positions)) *
              ItemBytes(shape, pool);
    }
  }
  return size;
}

uint64_t State::WindowBytes(int64_t position) const {
  uint64_t size = 0;
  for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
    const baleen_state_shape& shape = store().state(layer).shape;
    size += static_cast<uint64_t>(position - WindowStart(position)) *
            ItemBytes(shape, BALEEN_POOL_WINDOW);
    size += static_cast<uint64_t>(position - TailStart(shape, position)) *
            ItemBytes(shape, BALEEN_POOL_TAIL);
  }
  return size;
}

Status State::CopyPage(int64_t page, int64_t positions, char* bytes, bool save,
                       StateCopies* copies) const {
  const int32_t index = pages_[static_cast<size_t>(page)];
  for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
    const baleen_state_shape& shape = store().state(layer).shape;
    for (const baleen_pool pool : {BALEEN_POOL_ENTRIES, BALEEN_POOL_KEYS}) {
      const int64_t count = EntriesOf(shape, pool, positions);
      const uint64_t size =
          static_cast<uint64_t>(count) * ItemBytes(shape, pool);
      BALEEN_RETURN_IF_ERROR(copies->Add(layer, pool, save ? index : -1,
                                         save ? -1 : index, 0, count, bytes,
                                         size));
      bytes += size;
    }
  }
  return Status();
}

Status State::CopyWindow(int64_t position, char* bytes, bool save) const {
  StateCopies copies(rules_->store);
  const int32_t from = save ? slot_ : -1;
  const int32_t to = save ? -1 : slot_;
  for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
    const baleen_state_shape& shape = store().state(layer).shape;
    for (const baleen_pool pool : {BALEEN_POOL_WINDOW, BALEEN_POOL_TAIL}) {
      const int64_t first = pool == BALEEN_POOL_WINDOW
                                ? WindowStart(position)
                                : TailStart(shape, position);
      BALEEN_RETURN_IF_ERROR(
          CopyRing(&copies, layer, pool, from, to, first, position, bytes));
      bytes += static_cast<uint64_t>(position - first) * ItemBytes(shape, pool);
    }
  }
  return copies.Flush();
}

Status State::SavePage(int64_t page, void* bytes) {
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  const int64_t positions =
      std::min(kPagePositions, length_ - page * kPagePositions);
  StateCopies copies(rules_->store);
  BALEEN_RETURN_IF_ERROR(
      CopyPage(page, positions, static_cast<char*>(bytes), true, &copies));
  return copies.Flush();
}

bool State::HasWindow(int64_t position) const {
  return FindWindow(position) != nullptr ||
         (position == length_ && next_ == length_ && HasRows(position));
}

Status State::SaveWindow(int64_t position, void* bytes) {
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  if (const KeptWindow* kept = FindWindow(position)) {
    std::copy_n(kept->bytes(), WindowBytes(position),
                static_cast<char*>(bytes));
    return Status();
  }
  return CopyWindow(position, static_cast<char*>(bytes), true);
}

Status State::StartLoad(int64_t length) {
  if (length < 0 || length > rules_->position_limit) {
    return Corrupt("the saved state has %lld positions, the model %lld",
                   static_cast<long long>(length),
                   static_cast<long long>(rules_->position_limit));
  }
  if (length == 0) return Status();
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  BALEEN_RETURN_IF_ERROR(Prepare(length, 0, length));
  length_ = length;
  return Status();
}

Status State::LoadPages(int64_t page, int64_t positions, const void* bytes) {
  // The host's bytes are only read when nothing is saved.
  auto* from = const_cast<char*>(static_cast<const char*>(bytes));
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  StateCopies copies(rules_->store);
  for (; positions > 0; ++page, positions -= kPagePositions) {
    const int64_t count = std::min(kPagePositions, positions);
    BALEEN_RETURN_IF_ERROR(CopyPage(page, count, from, false, &copies));
    from += PageBytes(count);
  }
  return copies.Flush();
}

Status State::LoadWindow(int64_t position, const void* bytes) {
  const uint64_t size = WindowBytes(position);
  ReserveWindows(windows_.size() + 1);
  const Ref<KeptWindow> kept =
      KeptWindow::Create(&rules_->store->meter(), memory_, size);
  kept->position = position;
  std::copy_n(static_cast<const char*>(bytes), size, kept->bytes());
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  windows_.push_back(kept);
  std::sort(windows_.begin(), windows_.end(),
            [](const Ref<KeptWindow>& a, const Ref<KeptWindow>& b) {
              return a->position < b->position;
            });
  return Status();
}

Status State::FinishLoad(int64_t* replay_from) {
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  if (length_ > 0) Rewind();
  // What served only to get here goes.
  std::erase_if(windows_, [this](const Ref<KeptWindow>& kept) {
    return period_ == 0 || kept->position % period_ != 0;
  });
  *replay_from = next_;
  return Status();
}

}  // namespace baleen::deepseek_v4
