// What a session asks of a model, whatever its architecture: memory for the
// state of a timeline, and steps that take timelines further.
//
// Thread safety: every function may be called from any thread; steps of one
// model and mode run one after another.  A SessionState belongs to one session
// and is used by one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include <baleen/backend.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/ref_count.h"
#include "base/status.h"
#include "ops/device.h"
#include "ops/trace.h"

namespace baleen {

class DraftModel;
class SessionState;

struct StateDeleter {
  void operator()(SessionState* state) const;
};
using StatePointer = std::unique_ptr<SessionState, StateDeleter>;

// The attention state of one timeline: a slot (window rings and compressor
// tails) and pages of compressed entries, each page 256 positions of all layers.
// Made by Model::CreateState.
class SessionState {
 public:
  static constexpr int64_t kPagePositions = 256;
  static constexpr int64_t kWindowSlack = 8;

  // Gives pages, slot and the object's own memory back.
  virtual void Destroy() = 0;

  // Positions whose compressed entries are there: 0 .. length() - 1.
  virtual int64_t length() const = 0;

  // Forgets all positions from `length` on.  Complete entries below stay.  The
  // window may have been overwritten: `replay_from` says from which position
  // on rows must be computed again (without writing compressed entries below
  // `length`) before the next new one; it equals `length` if none.
  virtual void Truncate(int64_t length, int64_t* replay_from) = 0;

  // A second state that goes on from here: shares complete pages, copies the
  // rest.
  Result<StatePointer> Fork() { return ForkAt(length(), nullptr); }
  // The same of the first `length` positions, or as many as there are; as after
  // Truncate, rows from *replay_from on must be computed.  Any thread may call
  // it while a step of the state's own session runs; it waits for that.
  virtual Result<StatePointer> ForkAt(int64_t length, int64_t* replay_from) = 0;
  // The replay_from that ForkAt would give.
  virtual int64_t ReplayOfFork(int64_t length) = 0;

  // Windows kept aside: what a state needs besides its entries to go on from a
  // position.  Truncate, ForkAt and FinishLoad use them instead of computing
  // rows again.
  //
  // From now on one is kept for each multiple of `period`, where a step ends
  // there or at most kWindowSlack rows behind it; 0: none.
  virtual void KeepWindowsEach(int64_t period) = 0;
  // Keeps one more, in place of the last that was kept so; unless its rows are
  // there no more, or there is no memory from ReserveWindow.
  virtual void ReserveWindow() = 0;
  virtual uint64_t ReserveWindowBytes() const = 0;
  virtual void KeepWindowAt(int64_t position) = 0;
  // Their positions, in no order.
  virtual Vector<int64_t> KeptWindows() const = 0;

  // Bytes held now: all, and those of pages and windows that other states hold
  // too.
  virtual uint64_t byte_count() const = 0;
  virtual uint64_t shared_byte_count() const = 0;
  // Upper bound of what the host's memory grows by when `count` rows are
  // computed from `position` on.
  virtual uint64_t GrowthFor(int64_t position, int64_t count) const = 0;

  // The state as bytes, the same on every device, in pieces: pages, of which
  // the last may be incomplete, and windows.
  virtual uint64_t PageBytes(int64_t positions) const = 0;
  virtual uint64_t WindowBytes(int64_t position) const = 0;
  // The first positions of the page, up to the length.
  virtual Status SavePage(int64_t page, void* bytes) = 0;
  // One that is kept, or that of the length if no rows must be computed again.
  virtual bool HasWindow(int64_t position) const = 0;
  virtual Status SaveWindow(int64_t position, void* bytes) = 0;
  // Into a state that is empty: its length, then pieces in any order, where
  // pages may have entries beyond the length; then from where rows must be
  // computed.
  virtual Status StartLoad(int64_t length) = 0;
  // Complete pages from the first of `positions` on, and a last, one after
  // another.
  virtual Status LoadPages(int64_t page, int64_t positions,
                           const void* bytes) = 0;
  virtual Status LoadWindow(int64_t position, const void* bytes) = 0;
  virtual Status FinishLoad(int64_t* replay_from) = 0;

 protected:
  ~SessionState() = default;
};

inline void StateDeleter::operator()(SessionState* state) const {
  state->Destroy();
}

// A session's share in a step: consecutive tokens of one timeline.
struct StepPart {
  SessionState* state = nullptr;
  std::span<const baleen_token> tokens;
  int64_t position = 0;  // Of the first token.
  // Compressed entries that end at a position below are there already and are
  // read, not written: while a truncated window is computed again.
  int64_t frozen = 0;
  // How many of the last rows' logits are wanted, and where they go,
  // f32 [output_count, V]; NULL: to the step's own place.
  int64_t output_count = 0;
  float* logits = nullptr;
  // How many of the last rows' residual streams are wanted, for a drafter, and
  // where they go: bf16 [stream_count, M, D].
  int64_t stream_count = 0;
  uint16_t* streams = nullptr;
  // What the part costs is added there, once the step has succeeded; or NULL.
  baleen_session_counters* counters = nullptr;
};

// Where memory goes; see baleen_memory_plan.
struct MemoryNeed {
  uint64_t session_host = 0;
  uint64_t session_device = 0;
  uint64_t scratch_host = 0;
  uint64_t scratch_device = 0;
  // Of the weights: what was allocated beside the files' mapping, and what all
  // of them take by part.
  uint64_t weights_host = 0;
  uint64_t weights_device = 0;
  uint64_t weights_by_part[16] = {};
  // Of the drafter's pass, which is scratch once a session guesses with it, and
  // of a row of streams that such a session keeps.
  uint64_t draft_host = 0;
  uint64_t draft_device = 0;
  uint64_t draft_row = 0;
};

class Model : public RefCounted {
 public:
  virtual const baleen_model_info& info() const = 0;

  // Most rows that one step takes at positions below `position_limit`.
  virtual int64_t RowLimit(int64_t position_limit) const = 0;

  virtual Result<StatePointer> CreateState() = 0;

  // Each part begins where its state's rows end: at `replay_from` after
  // Truncate, else at the length.  A model of shapes only (no checkpoint) takes
  // the memory, counts, and answers BALEEN_UNSUPPORTED where outputs have a
  // place to go to.
  //
  // Computes the parts' rows in one pass over the weights; the sum of their
  // tokens is at most RowLimit.  `logits` gets [sum of output_count, V] floats
  // in the parts' order, those of parts with a place of their own left as they
  // were.  *cancel, unless NULL, is looked at between operators;
  // BALEEN_CANCELLED leaves each state at its length before the step, and what
  // the step has overwritten is recomputed by the replay that Truncate asks
  // for (call it with the old length).
  virtual Status Step(baleen_mode mode, std::span<const StepPart> parts,
                      const std::atomic<bool>* cancel, float* logits) = 0;

  // What a session of `capacity` positions and the shared scratch take.
  virtual Result<MemoryNeed> Need(baleen_mode mode, int64_t capacity,
                                  int64_t rows) const = 0;
  // Upper bound of what a new state of so many positions takes of the host's
  // memory.
  virtual uint64_t StateGrowth(int64_t positions) const = 0;
  // What windows kept each `period` positions (0: none), and one more if `one`,
  // add to the host's memory of a session.
  virtual uint64_t WindowNeed(int64_t capacity, int64_t period,
                              bool one) const = 0;

  // A number that differs for models whose states do not fit each other.
  virtual uint64_t fingerprint() const = 0;

  // What guesses further tokens; NULL if the model has nothing that does.
  virtual DraftModel* drafter() = 0;

  // From now on, times of operators are added to *trace; NULL: no more.
  virtual void SetTrace(Trace* trace) = 0;
};

}  // namespace baleen
