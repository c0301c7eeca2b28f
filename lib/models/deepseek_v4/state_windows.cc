// Windows that a state keeps aside, to go back to their positions without
// computing rows again.
#include <algorithm>

#include "models/deepseek_v4/state.h"

namespace baleen::deepseek_v4 {
namespace {

// The longest tail is that of a position just before a compressed entry is
// complete, here of ratio 4 and of ratio 128.
constexpr int64_t kLongestTail = 255;

// Lists of windows grow by so many at once.
constexpr size_t kListStep = 64;

}  // namespace

KeptWindow::KeptWindow(ByteMeter* meter, Memory* memory, uint64_t size)
    : meter_(meter), memory_(memory), block_(memory, size) {
  meter_->Add(size);
}

KeptWindow::~KeptWindow() { meter_->Subtract(block_.size()); }

Ref<KeptWindow> KeptWindow::Create(ByteMeter* meter, Memory* memory,
                                   uint64_t size) {
  void* place = memory->allocate(sizeof(KeptWindow), alignof(KeptWindow));
  try {
    return Ref<KeptWindow>::Adopt(new (place) KeptWindow(meter, memory, size));
  } catch (...) {
    memory->deallocate(place, sizeof(KeptWindow), alignof(KeptWindow));
    throw;
  }
}

void KeptWindow::Destroy() const {
  auto* self = const_cast<KeptWindow*>(this);
  Memory* memory = memory_;
  self->~KeptWindow();
  memory->deallocate(self, sizeof(KeptWindow), alignof(KeptWindow));
}

Vector<int64_t> State::KeptWindows() const {
  Vector<int64_t> positions(memory_);
  positions.reserve(windows_.size() + 1);
  for (const Ref<KeptWindow>& kept : windows_) {
    positions.push_back(kept->position);
  }
  if (single_ && single_->position >= 0) {
    positions.push_back(single_->position);
  }
  return positions;
}

const KeptWindow* State::FindWindow(int64_t position) const {
  const KeptWindow* best = BestWindow(position);
  return best != nullptr && best->position == position ? best : nullptr;
}

// The last one that is not after `limit`, or NULL.
const KeptWindow* State::BestWindow(int64_t limit) const {
  const auto after = std::upper_bound(
      windows_.begin(), windows_.end(), limit,
      [](int64_t a, const Ref<KeptWindow>& b) { return a < b->position; });
  const KeptWindow* best =
      after == windows_.begin() ? nullptr : std::prev(after)->get();
  if (single_ && single_->position >= 0 && single_->position <= limit &&
      (best == nullptr || best->position < single_->position)) {
    best = single_.get();
  }
  return best;
}

void State::ForgetWindows(int64_t length) {
  while (!windows_.empty() && windows_.back()->position > length) {
    windows_.pop_back();
  }
  if (!single_ || single_->position <= length) return;
  // Its memory serves the next.
  if (single_->IsShared()) {
    single_ = {};
  } else {
    single_->position = -1;
  }
}

void State::ReserveWindows(size_t count) {
  if (windows_.capacity() >= count) return;
  windows_.reserve((count + kListStep - 1) / kListStep * kListStep);
}

// All memory for a window is taken before the step, so that nothing can fail
// after it.
Status State::PrepareWindow(int64_t position, int64_t count) {
  prepared_ = {};
  if (period_ == 0) return Status();
  const int64_t end = position + count;
  const int64_t at = end / period_ * period_;
  if (at <= position || end - at > kWindowSlack || FindWindow(at) != nullptr) {
    return Status();
  }
  ReserveWindows(windows_.size() + 1);
  prepared_ =
      KeptWindow::Create(&rules_->store->meter(), memory_, WindowBytes(at));
  prepared_->position = at;
  return Status();
}

void State::TakeWindow() {
  if (!prepared_) return;
  const Ref<KeptWindow> kept = std::move(prepared_);
  if (!HasRows(kept->position) ||
      !CopyWindow(kept->position, kept->bytes(), true).ok()) {
    return;  // It is missed, not wrong.
  }
  const auto after = std::upper_bound(
      windows_.begin(), windows_.end(), kept->position,
      [](int64_t a, const Ref<KeptWindow>& b) { return a < b->position; });
  windows_.insert(after, kept);
}

uint64_t State::ReserveWindowBytes() const {
  return single_ && !single_->IsShared() ? 0 : WindowBytes(kLongestTail);
}

void State::ReserveWindow() {
  if (single_ && !single_->IsShared()) return;
  Ref<KeptWindow> fresh = KeptWindow::Create(&rules_->store->meter(), memory_,
                                             WindowBytes(kLongestTail));
  fresh->position = -1;
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  single_ = std::move(fresh);
}

void State::KeepWindowAt(int64_t position) {
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  if (!single_ || single_->IsShared() || position <= 0 || !HasRows(position)) {
    return;
  }
  const bool copied = CopyWindow(position, single_->bytes(), true).ok();
  single_->position = copied ? position : -1;
}

uint64_t State::WindowNeed(int64_t positions, int64_t period) const {
  const auto count = static_cast<uint64_t>(positions / period);
  if (count == 0) return 0;
  return (count + kListStep - 1) / kListStep * kListStep *
             sizeof(Ref<KeptWindow>) +
         count * (sizeof(KeptWindow) + WindowBytes(period));
}

uint64_t State::OneWindowNeed() const {
  return sizeof(KeptWindow) + WindowBytes(kLongestTail);
}

}  // namespace baleen::deepseek_v4
