#include "models/deepseek_v4/state.h"

#include <algorithm>
#include <array>

namespace baleen::deepseek_v4 {
namespace {

// A fork takes along so many rows more than it must, so that a few tokens can
// be undone in it without computing again.
constexpr int64_t kForkSlack = 8;

// Page tables grow by so many pages at once.
constexpr int64_t kTableStep = 64;
static_assert(SessionState::kWindowSlack == kForkSlack);

int64_t PageCount(int64_t positions) {
  constexpr int64_t kPage = SessionState::kPagePositions;
  return (positions + kPage - 1) / kPage;
}

int64_t TableRoom(int64_t pages) {
  return (pages + kTableStep - 1) / kTableStep * kTableStep;
}

constexpr std::array<baleen_pool, 2> kPaged = {BALEEN_POOL_ENTRIES,
                                               BALEEN_POOL_KEYS};

// How many entries the first `positions` of a page have.
int64_t EntriesOf(const baleen_state_shape& shape, baleen_pool pool,
                  int64_t positions) {
  if (shape.ratio == 0) return 0;
  if (pool == BALEEN_POOL_KEYS && shape.key_size == 0) return 0;
  return positions / shape.ratio;
}

}  // namespace

State::State(const StateRules* rules, Memory* memory)
    : rules_(rules), memory_(memory), pages_(memory), windows_(memory) {}

StatePointer State::Create(const StateRules* rules, Memory* memory) {
  Owned<State> state = MakeOwned<State>(memory, rules, memory);
  rules->model->Retain();
  return StatePointer(state.release());
}

void State::Destroy() {
  DropPages(0);
  if (slot_ >= 0) rules_->store->slots().Drop(slot_);
  const Model* model = rules_->model;
  const Deleter<State> deleter(memory_);
  deleter(this);
  model->Release();
}

uint64_t State::ObjectBytes(int64_t positions) {
  return sizeof(State) +
         static_cast<uint64_t>(TableRoom(PageCount(positions))) *
             sizeof(int32_t);
}

void State::DropPages(size_t keep) {
  while (pages_.size() > keep) {
    rules_->store->pages().Drop(pages_.back());
    pages_.pop_back();
  }
}

Status State::TakePages(size_t count) {
  if (pages_.size() >= count) return Status();
  if (pages_.capacity() < count) {
    pages_.reserve(static_cast<size_t>(TableRoom(static_cast<int64_t>(count))));
  }
  while (pages_.size() < count) {
    BALEEN_ASSIGN_OR_RETURN(const int32_t page, rules_->store->pages().Take());
    pages_.push_back(page);
  }
  return Status();
}

Status State::OwnPage(size_t index, int64_t positions) {
  SlabPool& pool = rules_->store->pages();
  const int32_t shared = pages_[index];
  if (!pool.IsShared(shared)) return Status();
  BALEEN_ASSIGN_OR_RETURN(const int32_t own, pool.Take());
  StateCopies copies(rules_->store);
  Status status;
  for (int32_t layer = 0; layer < store().layer_count() && status.ok();
       ++layer) {
    for (const baleen_pool which : kPaged) {
      if (!status.ok()) break;
      status = copies.Add(
          layer, which, shared, own, 0,
          EntriesOf(store().state(layer).shape, which, positions), nullptr, 0);
    }
  }
  if (status.ok()) status = copies.Flush();
  if (!status.ok()) {
    pool.Drop(own);
    return status;
  }
  pages_[index] = own;
  pool.Drop(shared);
  return Status();
}

Status State::Prepare(int64_t position, int64_t count, int64_t frozen) {
  if (slot_ < 0) {
    BALEEN_ASSIGN_OR_RETURN(slot_, rules_->store->slots().Take());
  }
  const auto wanted = static_cast<size_t>(PageCount(position + count));
  BALEEN_RETURN_IF_ERROR(TakePages(wanted));
  // Entries end at the positions of the step, and lie in the pages of these.
  const int64_t first = std::max(position, frozen) / kPagePositions;
  for (auto i = static_cast<size_t>(first); i < wanted; ++i) {
    const int64_t before = length_ - static_cast<int64_t>(i) * kPagePositions;
    BALEEN_RETURN_IF_ERROR(
        OwnPage(i, std::clamp<int64_t>(before, 0, kPagePositions)));
  }
  return PrepareWindow(position, count);
}

void State::Commit(int64_t position, int64_t count) {
  next_ = position + count;
  length_ = std::max(length_, next_);
  written_end_ = std::max(written_end_, next_);
  TakeWindow();
}

void State::Abandon(int64_t position, int64_t count) {
  prepared_ = {};
  written_end_ = std::max(written_end_, position + count);
  DropPages(static_cast<size_t>(PageCount(length_)));
}

// A row of the window is read by rows up to 127 positions behind it; the DSpark
// drafter reads one more, since its block sees the window up to the row before.
int64_t State::WindowStart(int64_t end) const {
  return std::max<int64_t>(0, end - rules_->window);
}

// The rows that the entry not complete at `end` is made of.
int64_t State::TailStart(const baleen_state_shape& shape, int64_t end) {
  if (shape.ratio == 0) return end;
  const int64_t ratio = shape.ratio;
  return std::max<int64_t>(
      0, end / ratio * ratio - (OverlapOf(shape) - 1) * ratio);
}

bool State::HasRows(int64_t position) const {
  if (slot_ < 0 || position > next_ || position < tails_from_ ||
      rows_from_ > WindowStart(position)) {
    return false;
  }
  for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
    const baleen_state_shape& shape = store().state(layer).shape;
    if (written_end_ - shape.ring_rows > WindowStart(position)) return false;
    if (shape.ratio == 0) continue;
    if (written_end_ - shape.tail_rows > TailStart(shape, position)) {
      return false;
    }
  }
  return true;
}

bool State::CanContinue(int64_t next, int64_t length) const {
  if (rows_from_ > WindowStart(length) || next < tails_from_) return false;
  for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
    const baleen_state_shape& shape = store().state(layer).shape;
    if (written_end_ - shape.ring_rows > WindowStart(next)) return false;
    if (shape.ratio == 0) continue;
    // Entries that end below the length are there.
    const int64_t start = TailStart(shape, length);
    if (next > start && written_end_ - shape.tail_rows > start) return false;
  }
  return true;
}

// Why it is enough to begin `window * (depth + 1)` positions before the length:
// keys of the first layer depend on tokens alone, so its rows are right from
// the first position q that is computed again.  An output needs the rows of the
// 127 positions before it, and compressed entries, which are all there: so the
// first layer's outputs, and with them the second layer's rows, are right from
// q + 127 on, and the rows of layer i (from 0) from q + 127 i on.  What is not
// right before that is numbers of other positions, which spoil nothing else: a
// row depends on no other row of its step.  The last window to be right is that
// of whoever reads the last layer's output (a DSpark drafter): with depth layers
// before it, and 128 rows, q + 127 depth <= length - 128 holds if q is
// length - 128 (depth + 1).
int64_t State::BackFrom(int64_t length) const {
  const int64_t window = rules_->window;
  const int64_t back = length - window * (rules_->depth + 1);
  return std::max<int64_t>(0, back / window * window);
}

void State::Rewind() {
  const int64_t window = rules_->window;
  next_ = BackFrom(length_);
  const KeptWindow* kept = BestWindow(length_);
  if (kept != nullptr && kept->position > next_ &&
      CopyWindow(kept->position, kept->bytes(), false).ok()) {
    StandAt(kept->position);
    return;
  }
  rows_from_ = next_ == 0 ? 0 : next_ + (window - 1) * rules_->depth;
  written_end_ = next_;
  tails_from_ = next_;
}

void State::StandAt(int64_t position) {
  next_ = position;
  written_end_ = position;
  tails_from_ = position;
  rows_from_ = WindowStart(position);
}

void State::Truncate(int64_t length, int64_t* replay_from) {
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  length_ = std::clamp<int64_t>(length, 0, length_);
  DropPages(static_cast<size_t>(PageCount(length_)));
  ForgetWindows(length_);
  next_ = std::min(next_, length_);
  if (!CanContinue(next_, length_)) Rewind();
  *replay_from = next_;
}

Status State::CopyRing(StateCopies* copies, int32_t layer, baleen_pool pool,
                       int32_t from, int32_t to, int64_t first, int64_t end,
                       char* bytes) const {
  const baleen_state_shape& shape = store().state(layer).shape;
  const int64_t rows =
      pool == BALEEN_POOL_WINDOW ? shape.ring_rows : shape.tail_rows;
  const uint64_t item = ItemBytes(shape, pool);
  while (first < end) {
    const int64_t place = first % rows;
    const int64_t count = std::min(end - first, rows - place);
    const uint64_t size = static_cast<uint64_t>(count) * item;
    BALEEN_RETURN_IF_ERROR(
        copies->Add(layer, pool, from, to, place, count, bytes, size));
    if (bytes != nullptr) bytes += size;
    first += count;
  }
  return Status();
}

Result<StatePointer> State::ForkAt(int64_t length, int64_t* replay_from) {
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  StatePointer pointer = Create(rules_, memory_);
  State& fork = static_cast<State&>(*pointer);
  length = std::clamp<int64_t>(length, 0, length_);
  if (replay_from != nullptr) *replay_from = 0;
  if (slot_ < 0 || length == 0) return pointer;
  BALEEN_ASSIGN_OR_RETURN(fork.slot_, rules_->store->slots().Take());
  const auto count = static_cast<size_t>(PageCount(length));
  const auto complete = static_cast<size_t>(length / kPagePositions);
  fork.pages_.reserve(length == length_ ? pages_.capacity() : count);
  for (size_t i = 0; i < count; ++i) {
    rules_->store->pages().Share(pages_[i]);
    fork.pages_.push_back(pages_[i]);
  }
  fork.length_ = length;
  if (count > complete) {
    BALEEN_RETURN_IF_ERROR(fork.OwnPage(complete, length % kPagePositions));
  }
  fork.windows_ = windows_;
  fork.single_ = single_;
  fork.ForgetWindows(length);
  const int64_t next = std::min(next_, length);
  // A fork of the whole takes along rows that are being computed again.
  if (length == length_ || HasRows(next)) {
    const int64_t end = std::max<int64_t>(0, next - kForkSlack);
    const int64_t start = WindowStart(end);
    StateCopies copies(rules_->store);
    for (int32_t layer = 0; layer < store().layer_count(); ++layer) {
      const baleen_state_shape& shape = store().state(layer).shape;
      BALEEN_RETURN_IF_ERROR(CopyRing(&copies, layer, BALEEN_POOL_WINDOW, slot_,
                                      fork.slot_, start, next, nullptr));
      if (shape.ratio == 0) continue;
      BALEEN_RETURN_IF_ERROR(CopyRing(&copies, layer, BALEEN_POOL_TAIL, slot_,
                                      fork.slot_, TailStart(shape, end), next,
                                      nullptr));
    }
    BALEEN_RETURN_IF_ERROR(copies.Flush());
    fork.next_ = next;
    // Also where the fork ends before us, so that it does not take rows for
    // its own that ours have overwritten.
    fork.written_end_ = written_end_;
    fork.rows_from_ = std::max(rows_from_, start);
    fork.tails_from_ = std::max(tails_from_, end);
  } else {
    fork.Rewind();
  }
  if (replay_from != nullptr) *replay_from = fork.next_;
  return pointer;
}

int64_t State::ReplayOfFork(int64_t length) {
  const std::lock_guard<std::mutex> lock(rules_->store->mutex());
  length = std::clamp<int64_t>(length, 0, length_);
  if (slot_ < 0 || length == 0) return 0;
  const int64_t next = std::min(next_, length);
  if (length == length_ || HasRows(next)) return next;
  const KeptWindow* kept = BestWindow(length);
  return std::max(BackFrom(length), kept == nullptr ? 0 : kept->position);
}

uint64_t State::byte_count() const {
  uint64_t bytes = slot_ < 0 ? 0 : store().slots().item_bytes();
  for (const Ref<KeptWindow>& kept : windows_) bytes += kept->size();
  if (single_) bytes += single_->size();
  return bytes + pages_.size() * store().pages().item_bytes();
}

uint64_t State::shared_byte_count() const {
  uint64_t shared = 0;
  for (const int32_t page : pages_) {
    if (store().pages().IsShared(page)) ++shared;
  }
  shared *= store().pages().item_bytes();
  for (const Ref<KeptWindow>& kept : windows_) {
    if (kept->IsShared()) shared += kept->size();
  }
  if (single_ && single_->IsShared()) shared += single_->size();
  return shared;
}

uint64_t State::GrowthFor(int64_t position, int64_t count) const {
  if (!store().machine().IsHost(store().side())) return 0;
  const int64_t end = position + count;
  // Pages beyond ours, and those that are shared and will be written to.
  const auto wanted = static_cast<size_t>(PageCount(end));
  const auto first =
      static_cast<size_t>(std::max(position, length_) / kPagePositions);
  size_t pages = wanted > pages_.size() ? wanted - pages_.size() : 0;
  for (size_t i = first; i < std::min(wanted, pages_.size()); ++i) {
    if (store().pages().IsShared(pages_[i])) ++pages;
  }
  uint64_t bytes = slot_ < 0 ? store().slots().slab_bytes() : 0;
  bytes += (pages + StateStore::kSlabPages - 1) / StateStore::kSlabPages *
           store().pages().slab_bytes();
  if (period_ > 0 && end / period_ > position / period_) {
    bytes += WindowBytes(end / period_ * period_);
  }
  return bytes;
}

}  // namespace baleen::deepseek_v4
