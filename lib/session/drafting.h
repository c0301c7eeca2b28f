// A session's guesses at its next tokens: by the model's drafter, or from
// earlier tokens.
//
// A guess is verified by choosing, from the logits of the row before it, the
// token that would have been chosen without it: if that is the guess, the next
// row's logits are right as well.  So the tokens, random numbers included, are
// those of a session without guesses, which is more than the same distribution.
// A drafter gives its likeliest tokens, which are accepted as often as the model
// chooses them.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "models/drafter.h"
#include "models/model.h"
#include "session/draft_pace.h"
#include "session/sampler.h"
#include "session/token_line.h"

namespace baleen {

// A session that wants guesses: its state has all its tokens but the last.
struct GuessRequest {
  SessionState* state = nullptr;
  TokenLine* tokens = nullptr;  // Guesses are put behind them.
  size_t limit = 0;
  Sampler* sampler = nullptr;
  uint64_t seed = 0;
  const baleen_sampling* sampling = nullptr;
  Sampler::Defaults defaults;
  const std::atomic<bool>* cancel = nullptr;
  // What the drafter's passes cost is added there; or NULL.
  baleen_session_counters* counters = nullptr;
};

class Drafting {
 public:
  // Whether a session of these options would guess.
  static bool Wanted(const baleen_session_options& options);
  static bool UsesModel(const baleen_session_options& options) {
    return Wanted(options) && options.draft != BALEEN_DRAFT_LOOKUP;
  }
  // Memory that a session takes for it, where the drafter sees so many bytes of
  // each row.
  static uint64_t Bytes(const baleen_session_options& options,
                        uint64_t row_bytes, uint64_t vocabulary);

  // NULL if it would not; BALEEN_NOT_FOUND for a drafter that the model lacks.
  static Result<Owned<Drafting>> Create(Model* model,
                                        const baleen_session_options& options,
                                        Memory* memory);
  // Use Create; public for MakeOwned.
  Drafting(Model* model, const baleen_session_options& options, Memory* memory);

  // Before a pass, and after one that went well: what the drafter has to see
  // of the part's rows.
  void Attach(StepPart* part);
  void Collect(const StepPart& part);
  // The session has no more than so many tokens from now on.
  void Keep(size_t tokens);

  // Puts up to `limit` guesses behind the tokens, which have room for them.  On
  // failure there may be some, which the caller removes.
  Status Guess(const GuessRequest& request);
  // What became of the last guesses, if there were any.  `seconds`: of the pass,
  // 0 if it was shared.
  void Learn(size_t guesses, size_t accepted, double seconds);

 private:
  // Most rows that the MTP block is given before a guess, the latest; and where
  // it has not seen those before them.  To catch up with all 128 of its window
  // after a pause would cost a small model as much as ten tokens, with 16 two,
  // for guesses that may not pay; with 4 half a token, and they come true almost
  // as often.
  static constexpr size_t kFeedRows = 16;
  static constexpr size_t kCatchUpRows = 4;
  // Rows kept for it: so many more that they need not be moved with each step
  // that makes no guess.
  static constexpr size_t kMostSeen = 2 * kFeedRows;

  Status GuessWithMtp(const GuessRequest& request, size_t count);
  Status GuessWithDspark(const GuessRequest& request, size_t count);
  // Gives the block what was collected; then logits_, and the first of streams_,
  // are those of the last row.
  Status Feed(const GuessRequest& request);
  bool sees_streams() const {
    return drafter_ != nullptr && drafter_->block_size() == 0;
  }
  size_t row_size() const {
    return static_cast<size_t>(drafter_->stream_size());
  }

  Model* model_;
  DraftModel* drafter_;  // NULL: none.
  baleen_mode mode_;
  size_t most_;
  bool looks_up_;
  Memory* memory_;

  PassTimes times_;
  DraftPace lookup_pace_;
  DraftPace model_pace_;
  uint32_t since_plain_ = 0;  // Steps since the last one without guesses.
  // Of the last guesses.
  DraftPace* pace_ = nullptr;
  size_t guessed_ = 0;
  double guess_seconds_ = 0;
  bool usual_ = true;  // They took as long as such guesses do.
  bool fed_ = false;   // The drafter was used before.

  // MTP: residual streams, bf16 [.., M, D], of positions that the block has not
  // been given, which are consecutive.
  Vector<uint16_t> seen_;
  int64_t seen_first_ = 0;
  size_t seen_count_ = 0;
  int64_t fed_end_ = 0;  // The block was given positions up to here last.
  Vector<float> logits_;
  Vector<uint16_t> streams_;
};

}  // namespace baleen
