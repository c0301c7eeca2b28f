// The attention state of one timeline: a slot, pages, and how far they are
// right.
//
// Rows of the window rings and tails are kept for some positions behind the end
// only.  Which of them can be relied on follows from four numbers:
//
//   length        compressed entries are there for positions below it,
//   next          rows are there for positions below it; less than the length
//                 while a truncated window is computed again,
//   rows_from     the first position whose rows are right,
//   written_end   rows of positions below it were written, so those of
//                 written_end - ring rows and older are overwritten.
#pragma once

#include <cstdint>

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

class State final : public SessionState {
 public:
  // Use Create; public for MakeOwned.
  State(const StateRules* rules, Memory* memory);
  static StatePointer Create(const StateRules* rules, Memory* memory);

  void Destroy() override;
  int64_t length() const override { return length_; }
  void Truncate(int64_t length, int64_t* replay_from) override;
  Result<StatePointer> Fork() override;
  uint64_t byte_count() const override;
  uint64_t shared_byte_count() const override;
  uint64_t SavedSize() const override;
  Status Save(void* buffer, uint64_t size) const override;
  Status Load(const void* buffer, uint64_t size, int64_t length) override;

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

 private:
  // Rows that are saved, or copied to a fork, end at `end` and begin here.
  int64_t WindowStart(int64_t end) const;
  static int64_t TailStart(const baleen_state_shape& shape, int64_t end);
  // Can rows be computed from `next` on, and be right from `length` on?
  bool CanContinue(int64_t next, int64_t length) const;

  const StateStore& store() const { return *rules_->store; }
  void DropPages(size_t keep);
  Status TakePages(size_t count);
  Status OwnPage(size_t index, int64_t positions);
  // Rows of positions [first, end) of a ring.
  Status CopyRing(StateCopies* copies, int32_t layer, baleen_pool pool,
                  int32_t from, int32_t to, int64_t first, int64_t end,
                  char* bytes) const;
  // All that is saved, in its order, to or from `bytes`.
  Status Transfer(char* bytes, bool save) const;
  Status TransferPages(StateCopies* copies, int32_t layer, baleen_pool pool,
                       char* bytes, bool save) const;

  const StateRules* rules_;
  Memory* memory_;
  int32_t slot_ = -1;
  Vector<int32_t> pages_;
  int64_t length_ = 0;
  int64_t next_ = 0;
  int64_t rows_from_ = 0;
  int64_t written_end_ = 0;
};

}  // namespace baleen::deepseek_v4
