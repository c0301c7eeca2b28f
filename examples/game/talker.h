// A character that talks: a conversation with the model, a little each frame.
//
// The game calls Work once a frame, and everything that takes time happens
// there: a prompt is read in pieces, then the answer comes token by token, and
// the frame's budget says when to stop.  The logits do not depend on how
// a sequence is cut into calls, so the character says the same at any speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <baleen/baleen.h>

#include "frame_budget.h"
#include "job_system.h"
#include "pool.h"

namespace game {

// What the engine said when it could not do something.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Releaser {
  void operator()(baleen_context* context) const {
    baleen_context_release(context);
  }
  void operator()(baleen_model* model) const { baleen_model_release(model); }
  void operator()(baleen_session* session) const {
    baleen_session_release(session);
  }
  void operator()(baleen_reply* reply) const { baleen_reply_release(reply); }
};

struct TalkerOptions {
  std::string model;  // Folder.
  double budget_milliseconds = 8;
  size_t most_answer_tokens = 96;
  // How many tokens the character can remember.
  size_t memory_tokens = 768;
  uint64_t seed = 0;  // 0: a fresh one.
  Clock clock;        // Empty: the system's.
};

class Talker {
 public:
  enum class State {
    kQuiet,
    kListening,  // Reads what it was told.
    kTalking,
  };

  // Loads the model, which takes longer than a frame: do it on another thread,
  // or behind a title.  `jobs` and `pool` must outlive the talker.
  Talker(const TalkerOptions& options, JobSystem* jobs, Pool* pool);

  // Says something to it.  REQUIRES: state() is kQuiet.
  void Hear(const std::string& text);

  // Goes on with whatever there is to do, for one frame's budget.
  void Work();

  // What it has said since the last call.
  std::string TakeText();

  State state() const { return state_; }
  // How much of the prompt is read, from 0 to 1.
  double heard() const;

  // Of the last call of Work:
  double work_milliseconds() const { return work_milliseconds_; }
  size_t work_tokens() const { return work_tokens_; }

  size_t session_tokens() const;
  size_t forgotten_turns() const { return forgotten_turns_; }
  double tokens_per_second() const;

 private:
  struct Turn {
    bool mine;
    std::string text;
    std::vector<baleen_token> tokens;  // Of its own turns.
  };

  // Reads and says something that is forgotten at once: what happens in a
  // session's first calls only, such as memory being taken, happens here.
  void WarmUp();
  // Encodes the conversation and finds what of it is to be read.  False if it
  // was too long: then a turn is forgotten, and the next frame tries again.
  bool BeginTurn();
  bool ReadPiece(size_t most);
  bool Say();
  void EndTurn();
  std::vector<baleen_token> Encode() const;

  FrameBudget budget_;
  PieceSize piece_size_;
  StepCost step_cost_;
  size_t most_answer_tokens_;
  size_t memory_tokens_;

  std::unique_ptr<baleen_context, Releaser> context_;
  std::unique_ptr<baleen_model, Releaser> model_;
  std::unique_ptr<baleen_session, Releaser> session_;
  std::unique_ptr<baleen_reply, Releaser> reply_;

  std::vector<Turn> turns_;
  State state_ = State::kQuiet;
  bool turn_begun_ = false;
  bool forgetting_ = false;
  std::vector<baleen_token> prompt_;
  size_t read_ = 0;  // Of prompt_.
  size_t answer_tokens_ = 0;
  std::string text_;

  double work_milliseconds_ = 0;
  size_t work_tokens_ = 0;
  size_t forgotten_turns_ = 0;
};

}  // namespace game
