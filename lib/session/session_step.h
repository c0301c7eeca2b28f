// A session's part in a pass that it may share with others: tokens that it
// reads, and tokens that it chooses then.
//
// Input and guesses are put behind the session's tokens before the pass, so that
// its rows are one piece.  A step that is left before its end, by a failure or
// an exception, takes back what was not read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "session/step_queue.h"

namespace baleen {

class Session;

struct SessionStep {
  SessionStep() = default;
  ~SessionStep() { Undo(); }
  SessionStep(const SessionStep&) = delete;
  SessionStep& operator=(const SessionStep&) = delete;

  bool chooses() const { return !tokens.empty(); }
  // Leaves the session with what it had before, and what was read.
  void Undo();

  std::span<const baleen_token> input;  // To be read first.
  const baleen_sampling* sampling = nullptr;
  std::span<baleen_token> tokens;  // Chosen ones; none: read only.
  baleen_token_score* scores = nullptr;
  bool guesses = false;  // Further tokens, as many as pay.

  // Results.
  size_t input_done = 0;
  size_t count = 0;

  // The session's own.
  int64_t rows = 0;       // All that are needed,
  StepRequest request;    // and those of this pass.
  bool complete = true;   // They are the same.
  size_t input_size = 0;  // How much of the input is among them.
  size_t guessed = 0;
  Session* session = nullptr;  // Has them behind its tokens,
  size_t keep = 0;             // of which so many stay.
};

}  // namespace baleen
