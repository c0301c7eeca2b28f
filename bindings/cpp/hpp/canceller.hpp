// Ending a session's call from elsewhere.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "error.hpp"

namespace baleen {
inline namespace cpp {
namespace detail {

// What a session and its cancellers share.
class CancelState {
 public:
  // Says which session there is, or with NULL that it goes.
  void Set(baleen_session* session) {
    const std::lock_guard<std::mutex> lock(mutex_);
    session_ = session;
  }

  void Cancel() {
    asked_ = true;
    const std::lock_guard<std::mutex> lock(mutex_);
    baleen_session_cancel(session_);
  }

  // Whether somebody asked for the end of the present call.
  bool asked() const { return asked_; }

  // The same, and forgets it.
  bool Take() { return asked_.exchange(false); }

  // Makes a call, unless its end was asked for before it began.
  template <typename Call>
  Error Run(Call&& call) {
    if (Take()) {
      return Error(Status::kCancelled,
                   "the call was cancelled before it began");
    }
    Error failure = Try(std::forward<Call>(call));
    if (failure.status() == Status::kCancelled) Take();
    return failure;
  }

 private:
  // The library forgets a cancel that comes while no call is inside, and one
  // that comes just before a call is inside would be such.  So it is noted here
  // too, where callbacks see it.
  std::atomic<bool> asked_{false};
  std::mutex mutex_;
  baleen_session* session_ = nullptr;
};

}  // namespace detail

// Ends the call that is inside a session, from any thread; made by
// Session::canceller, and may outlive the session.
class Canceller {
 public:
  explicit Canceller(std::shared_ptr<detail::CancelState> state)
      : state_(std::move(state)) {}

  // Makes the session's call fail with kCancelled within about one layer of one
  // chunk; or, if it has none at the moment, its next one.  It takes a lock, so
  // a signal handler calls baleen_session_cancel instead.
  void Cancel() const {
    if (state_) state_->Cancel();
  }

 private:
  std::shared_ptr<detail::CancelState> state_;
};

}  // namespace cpp
}  // namespace baleen
