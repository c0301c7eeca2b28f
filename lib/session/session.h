// One timeline of tokens: its state in the model, its logits, its random
// numbers.
//
// Not thread-safe but for Cancel; lib/api refuses a second caller.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "models/model.h"
#include "session/model_bundle.h"

namespace baleen {

class Session {
 public:
  // `options` has been read by lib/api; the rest of its checks are here.
  static Result<Owned<Session>> Create(Ref<ModelBundle> bundle,
                                       const baleen_session_options& options);

  // Use Create; public for MakeOwned.
  Session(Ref<ModelBundle> bundle, const baleen_session_options& options);

  ModelBundle& bundle() const { return *bundle_; }
  std::span<const baleen_token> tokens() const { return tokens_; }

  Status Append(std::span<const baleen_token> tokens);
  Status AppendScored(std::span<const baleen_token> tokens,
                      baleen_token_score* scores);
  Status SetTokens(std::span<const baleen_token> tokens, size_t* reused);
  Status Truncate(size_t keep);

  Status Logits(std::span<const float>* logits);
  Status TopTokens(std::span<baleen_token_score> scores, size_t* count);

  // All-zero `sampling` is what the model's authors advise.
  Status Sample(const baleen_sampling& sampling, baleen_token* token);
  Status Step(const baleen_sampling& sampling, std::span<baleen_token> tokens,
              size_t* count);
  Result<Owned<Session>> Fork();

  // Makes the call that is inside fail with BALEEN_CANCELLED.  From any thread
  // and from a signal handler.
  void Cancel();
  // What lib/api does around each call: a Cancel before it is forgotten.
  void BeginCall() { cancel_.store(false, std::memory_order_relaxed); }

  Status Save(const baleen_save_options& options, void* buffer,
              size_t capacity, size_t* size);
  Status Load(const void* buffer, size_t size);
  Status SaveFile(const baleen_save_options& options, const char* path);
  Status LoadFile(const char* path);

  void GetStats(baleen_session_stats* stats) const;

 private:
  // ... (session.cc)
};

}  // namespace baleen
