// Steps of a model that are asked for at the same time share a pass over the
// weights.
//
// Whoever asks puts its rows into a queue.  If no pass is under way, it leads
// one itself, with its own rows and all those of others that fit; else it waits
// for the pass that takes them.  Rows are taken in the order in which they were
// asked for, and small requests fill what is left of a pass, so a token never
// waits for more than one chunk of another session's prompt.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <span>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "context/backend_host.h"
#include "models/model.h"

namespace baleen {

struct StepRequest {
  StepPart part;  // Its logits have a place of their own.
  baleen_mode mode = BALEEN_MODE_FAST;
  const std::atomic<bool>* cancel = nullptr;
  // Set when it is done.
  Status status;
  double seconds = 0;  // Of its pass; 0 if others had a part in it.
  baleen_session_counters cost = {};

  // The queue's own.
  StepRequest* next = nullptr;
  bool done = false;
};

class StepQueue {
 public:
  // Returns when every request has its status.  A request that is alone in its
  // pass is cancelled within it; in a pass with others only before, since
  // theirs goes on.  The states' owners are the callers, as in Model::Step.
  void Run(Model* model, CancelBoard* cancels,
           std::span<StepRequest* const> requests);

  // How many no pass has taken yet.
  size_t waiting() const;

 private:
  // Sessions in a pass; more of them take another.
  static constexpr size_t kMostParts = 64;
  struct Pass {
    std::array<StepRequest*, kMostParts> requests;
    size_t count = 0;
    std::span<StepRequest* const> all() const {
      return std::span(requests).first(count);
    }
  };

  // Takes the first request, and all behind it that fit into its pass, off the
  // queue.  REQUIRES: mutex_ is held.
  Pass TakePass(const Model& model);
  static void RunPass(Model* model, CancelBoard* cancels,
                      std::span<StepRequest* const> requests);
  static Status RunTogether(Model* model, CancelBoard* cancels,
                            std::span<StepRequest* const> requests);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool leading_ = false;
  StepRequest* first_ = nullptr;
};

}  // namespace baleen
