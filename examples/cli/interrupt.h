// Ctrl-C: stops what a session computes instead of the program.
#pragma once

#include <baleen/baleen.h>

namespace tool {

// From the first InterruptGuard on, SIGINT is only counted.  While a guard with
// a session lives, it also cancels the call that is inside the session.
class InterruptGuard {
 public:
  explicit InterruptGuard(baleen_session* session);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

// Waits until standard input has something to read; false if SIGINT came
// instead, which is then taken.
bool WaitForInput();

// Whether SIGINT came since the last call.
bool TakeInterrupt();

// Whether SIGINT came, without forgetting it.
bool Interrupted();

}  // namespace tool
