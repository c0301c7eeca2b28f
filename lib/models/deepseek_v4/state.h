// The attention state of one timeline: a slot, pages, windows kept aside, and
// how far all that is right.
//
// Rows of the window rings and tails are kept for some positions behind the end
// only.  Which of them can be relied on follows from five numbers:
//
//   length        compressed entries are there for positions below it,
//   next          rows are there for positions below it; less than the length
//                 while a truncated window is computed again,
//   rows_from     the first position whose rows are right,
//   written_end   rows of positions below it were written, so those of
//                 written_end - ring rows and older are overwritten,
//   tails_from    tails are there for lengths from it on: those of shorter ones
//                 were not taken along.
//
// A kept window is a copy of the rows that a position needs: those of the
// window before it, and those that the next compressed entries are made of.  It
// lies in host memory in the form of saved states, is counted, and never
// changes, so that forks share it.
//
// The state's own thread changes these numbers, the pages and the windows only
// with the store's mutex held, so that ForkAt may read them from another.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/byte_meter.h"
#include "base/memory.h"
#include "base/ref_count.h"
#include "base/status.h"
#include "models/deepseek_v4/cache.h"
#include "models/model.h"

namespace baleen::deepseek_v4 {

// What the states of a model share.
struct StateRules {
  const Model* model = nullptr;  // Kept alive by its states.
  StateStore* store = nullptr;
  int64_t window = 128;
  // Layers through which a row's error can spread: the main ones.
  int64_t depth = 0;
  int64_t position_limit = 0;
};

class KeptWindow final : public RefCounted {
 public:
  // Has room for `size` bytes, which `meter` counts.
  static Ref<KeptWindow> Create(ByteMeter* meter, Memory* memory,
                                uint64_t size);

  int64_t position = 0;
  char* bytes() const { return static_cast<char*>(block_.data()); }
  uint64_t size() const { return block_.size(); }

 private:
  KeptWindow(ByteMeter* meter, Memory* memory, uint64_t size);
  ~KeptWindow();
  void Destroy() const override;

  ByteMeter* meter_;
  Memory* memory_;
  Block block_;
};

class State final : public SessionState {
 public:
  // Use Create; public for MakeOwned.
  State(const StateRules* rules, Memory* memory);
  static StatePointer Create(const StateRules* rules, Memory* memory);

  void Destroy() override;
  int64_t length() const override { return length_; }
  void Truncate(int64_t length, int64_t* replay_from) override;
  Result<StatePointer> ForkAt(int64_t length, int64_t* replay_from) override;
  int64_t ReplayOfFork(int64_t length) override;
  void KeepWindowsEach(int64_t period) override { period_ = period; }
  void ReserveWindow() override;
  uint64_t ReserveWindowBytes() const override;
  void KeepWindowAt(int64_t position) override;
  Vector<int64_t> KeptWindows() const override;
  uint64_t byte_count() const override;
  uint64_t shared_byte_count() const override;
  uint64_t GrowthFor(int64_t position, int64_t count) const override;
  uint64_t PageBytes(int64_t positions) const override;
  uint64_t WindowBytes(int64_t position) const override;
  Status SavePage(int64_t page, void* bytes) override;
  bool HasWindow(int64_t position) const override;
  Status SaveWindow(int64_t position, void* bytes) override;
  Status StartLoad(int64_t length) override;
  Status LoadPages(int64_t page, int64_t positions, const void* bytes) override;
  Status LoadWindow(int64_t position, const void* bytes) override;
  Status FinishLoad(int64_t* replay_from) override;

  // For steps.  REQUIRES: the store's mutex is held.

  // Where the next row goes.
  int64_t next() const { return next_; }
  // Takes the slot, and pages for the rows [position, position + count) whose
  // entries will be written from `frozen` on; those that are shared become our
  // own.
  Status Prepare(int64_t position, int64_t count, int64_t frozen);
  // The rows were computed.
  void Commit(int64_t position, int64_t count);
  // The rows may have been written, in part.
  void Abandon(int64_t position, int64_t count);

  int32_t slot() const { return slot_; }
  const Vector<int32_t>& pages() const { return pages_; }

  // What a state of so many positions takes of host memory itself.
  static uint64_t ObjectBytes(int64_t positions);
  // What windows kept for each `period` of so many positions take, and the one
  // of KeepWindowAt.
  uint64_t WindowNeed(int64_t positions, int64_t period) const;
  uint64_t OneWindowNeed() const;

 private:
  // Rows that a position needs begin here, and those that are saved, or copied
  // to a fork.
  int64_t WindowStart(int64_t end) const;
  static int64_t TailStart(const baleen_state_shape& shape, int64_t end);
  // Can rows be computed from `next` on, and be right from `length` on?
  bool CanContinue(int64_t next, int64_t length) const;
  // Are the rows there that `position` needs?
  bool HasRows(int64_t position) const;
  // Where computing must begin again, without a window, for rows to be right at
  // `length`.
  int64_t BackFrom(int64_t length) const;
  // Moves `next` to where computing must begin for rows to be right at the
  // length: to a kept window, or as far back as errors reach.
  void Rewind();
  // The numbers of a state whose rows are exactly those of a window.
  void StandAt(int64_t position);

  const StateStore& store() const { return *rules_->store; }
  void DropPages(size_t keep);
  Status TakePages(size_t count);
  Status OwnPage(size_t index, int64_t positions);
  // Rows of positions [first, end) of a ring.
  Status CopyRing(StateCopies* copies, int32_t layer, baleen_pool pool,
                  int32_t from, int32_t to, int64_t first, int64_t end,
                  char* bytes) const;
  // Adds the copies of a page's entries to or from `bytes`.
  Status CopyPage(int64_t page, int64_t positions, char* bytes, bool save,
                  StateCopies* copies) const;
  // The rows that `position` needs, to or from `bytes`.
  Status CopyWindow(int64_t position, char* bytes, bool save) const;

  // state_windows.cc
  const KeptWindow* FindWindow(int64_t position) const;
  const KeptWindow* BestWindow(int64_t limit) const;
  Status PrepareWindow(int64_t position, int64_t count);
  void TakeWindow();
  void ForgetWindows(int64_t length);
  void ReserveWindows(size_t count);

  const StateRules* rules_;
  Memory* memory_;
  int32_t slot_ = -1;
  Vector<int32_t> pages_;
  int64_t length_ = 0;
  int64_t next_ = 0;
  int64_t rows_from_ = 0;
  int64_t written_end_ = 0;
  int64_t tails_from_ = 0;

  int64_t period_ = 0;
  Vector<Ref<KeptWindow>> windows_;  // Of multiples of a period, ascending.
  Ref<KeptWindow> single_;           // KeepWindowAt; its position may be -1.
  Ref<KeptWindow> prepared_;         // For a step that is under way.
};

}  // namespace baleen::deepseek_v4
