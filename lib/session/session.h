// One timeline of tokens: its state in the model, its logits, its random
// numbers.
//
// Work is put off until it is needed: a token chosen by Step is computed with
// the next question for logits, so that ending a turn costs nothing.  Three
// numbers say how far the work has come:
//
//   tokens_.size()     tokens of the timeline,
//   state_->length()   of those, how many the state holds,
//   replay_from_       where computing must begin: below the state's length
//                      while a truncated window has to be filled again.
//
// An idle session may be evicted by another thread: its state goes to a file and
// its pages are freed; the next call that needs them brings them back.
//
// Not thread-safe but for Cancel; lib/api refuses a second caller, and enters
// with a Use, which keeps those out who evict.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "context/state_budget.h"
#include "models/model.h"
#include "session/call_counts.h"
#include "session/model_bundle.h"
#include "session/prefix_index.h"
#include "session/sampler.h"
#include "session/saved_state.h"
#include "session/token_line.h"
#include "session/token_log.h"

namespace baleen {

// Positions between the windows that a session with these options keeps: FULL
// keeps enough for at most 127 positions to be computed again.
int64_t PeriodOf(baleen_window window, uint32_t period);

class Session final : public Evictable {
 public:
  // Being inside a session.
  class Use {
   public:
    // `works`: it is no longer idle; else somebody only looks.
    explicit Use(Session* session, bool works = true)
        : session_(session), lock_(session->use_mutex_) {
      session_->inside_.store(true, std::memory_order_relaxed);
      if (works) session_->bundle_->context().state_budget().Touch(session_);
    }
    ~Use() { session_->inside_.store(false, std::memory_order_relaxed); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Session* session_;
    std::lock_guard<std::mutex> lock_;
  };

  // `options` has been read by lib/api; the rest of its checks are here.
  static Result<Owned<Session>> Create(Ref<ModelBundle> bundle,
                                       const baleen_session_options& options);

  // Use Create; public for MakeOwned.
  Session(Ref<ModelBundle> bundle, const baleen_session_options& options);
  ~Session();

  ModelBundle& bundle() const { return *bundle_; }
  std::span<const baleen_token> tokens() const { return tokens_; }
  uint64_t capacity() const { return options_.capacity; }

  Status Append(std::span<const baleen_token> tokens);
  // One score for each token; zeros for the first of an empty session.
  Status AppendScored(std::span<const baleen_token> tokens,
                      baleen_token_score* scores);
  // *reused: how many leading tokens cost nothing.
  Status SetTokens(std::span<const baleen_token> tokens, size_t* reused);
  Status Truncate(size_t keep);

  // Lent until the next change.  BALEEN_NOT_FOUND if the session is empty.
  Status Logits(std::span<const float>* logits);
  Status TopTokens(std::span<baleen_token_score> scores, size_t* count);

  // All-zero `sampling` is what the model's authors advise.
  Status Sample(const baleen_sampling& sampling, baleen_token* token);
  Status Step(const baleen_sampling& sampling, std::span<baleen_token> tokens,
              size_t* count);
  Result<Owned<Session>> Fork();

  // Makes the call that is inside fail with BALEEN_CANCELLED.  From any thread
  // and from a signal handler.
  void Cancel() { cancel_.store(true, std::memory_order_relaxed); }
  // What lib/api does before each call: an older Cancel is forgotten.
  void BeginCall() {
    cancel_.store(false, std::memory_order_relaxed);
    counts_.BeginCall();
  }

  Status Save(const baleen_save_options& options, void* buffer, size_t capacity,
              size_t* size);
  Status Load(const void* buffer, size_t size);
  Status SaveFile(const baleen_save_options& options, const char* path);
  Status LoadFile(const char* path);

  void GetStats(baleen_session_stats* stats) const;
  const CallCounts& counts() const { return counts_; }

  // Gives the log, if there is one, the tokens that it does not have yet.
  Status FlushLog();

  // eviction.cc
  bool TryEnter() override {
    // Whoever holds a mutex must not try it.
    return !inside_.load(std::memory_order_relaxed) && use_mutex_.try_lock();
  }
  void Leave() override { use_mutex_.unlock(); }
  Status Evict(bool* evicted) override;

 private:
  // While it lives, no other session shares our state; then they may share what
  // it has become.
  class Hidden {
   public:
    explicit Hidden(Session* session) : session_(session) {
      session->bundle_->prefixes().Show(&session->entry_, nullptr);
    }
    ~Hidden() { session_->ShowState(); }

   private:
    Session* session_;
  };
  Status CheckTokens(std::span<const baleen_token> tokens) const;
  Status CheckRoom(size_t count) const;
  // Computes what is put off, and `tokens` after it.  Tokens are part of the
  // timeline as soon as they are computed.
  Status Compute(std::span<const baleen_token> tokens);
  // Computes until the logits are those after the last token.
  Status ComputeLogits();
  // One step of the model; `output_count` rows of logits go to `logits`.
  Status RunRows(std::span<const baleen_token> rows, int64_t position,
                 int64_t output_count, float* logits);
  int64_t ChunkRows(int64_t position, int64_t left) const;
  Status ReportProgress(uint64_t done, uint64_t total) const;

  // Known to the budget and to other sessions from now on.
  void Register();
  bool shares() const {
    return (options_.flags & BALEEN_SESSION_PRIVATE) == 0 &&
           !bundle_->shapes_only();
  }
  void ShowState();
  Status OpenLog(const char* path);
  // Positions between windows that are kept; 0: none.
  int64_t window_period() const;
  Result<StatePointer> NewState() const;

  // Room for a new state of so many positions.
  Status ReserveState(int64_t positions, StateBudget::Room* room);

  // sharing.cc
  // The beginning of `tokens` that another session has, or a saved state, if it
  // spares clearly more than the `own` first.
  Result<PrefixMatch> FindShared(std::span<const baleen_token> tokens,
                                 int64_t own);
  Result<PrefixMatch> FindSaved(std::span<const baleen_token> tokens,
                                std::span<const uint64_t> chain, int64_t least);
  // Makes the session hold the match, which begins `tokens`.
  void TakeShared(PrefixMatch match, std::span<const baleen_token> tokens);

  // eviction.cc
  // Brings an evicted state back.
  Status Restore();
  Status ReadEvicted(StatePointer* state, int64_t* replay_from);
  void DropEvicted();

  // snapshot.cc
  Status FillPutOff();
  // Positions of the windows that a saved state has, ascending.
  Vector<int64_t> WindowsToSave(baleen_window window) const;
  SavedParts PartsToSave() const;
  Status LoadFrom(SavedInput* input, const char* name);

  Ref<ModelBundle> bundle_;
  baleen_session_options options_;  // Zeros replaced by their meaning.
  StatePointer state_;
  TokenLine tokens_;
  int64_t replay_from_ = 0;
  Vector<float> logits_;
  bool logits_valid_ = false;
  Sampler sampler_;
  std::atomic<bool> cancel_{false};
  baleen_session_stats stats_ = {};
  CallCounts counts_;
  Owned<TokenLog> log_;
  String evicted_path_;  // Of the file that the state is in; "": it is here.
  PrefixIndex::Entry entry_;
  bool registered_ = false;
  std::mutex use_mutex_;
  std::atomic<bool> inside_{false};  // A call of the host's.
};

}  // namespace baleen
