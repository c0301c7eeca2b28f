// The turns of a conversation, answered by a model.
#pragma once

#include <string>

#include "conversation.h"
#include "engine.h"
#include "interrupt.h"
#include "sampling.h"

namespace tool {

struct ChatOptions {
  ModelOptions model;
  SessionOptions session;
  GenerationOptions generation;
  std::string system;
  baleen_thinking thinking = BALEEN_THINKING_ON;
};

// Nobody reads the answers any more.
class OutputClosed : public Failure {
 public:
  using Failure::Failure;
};

class ChatSession {
 public:
  explicit ChatSession(const ChatOptions& options);

  // Says something to the model and prints its answer.  Ctrl-C ends the answer,
  // and what came so far stays in the conversation; while the prompt is still
  // being read, it takes the question back.
  void Say(const std::string& text);

  void Reset();
  void SetSystem(const std::string& text);
  void set_thinking(baleen_thinking thinking) { thinking_ = thinking; }

  // The conversation goes to `path`, the model's state beside it.  Without the
  // state, or if it does not fit, loading reads the conversation anew.
  void Save(const std::string& path);
  void Load(const std::string& path);

  void CountFailure() { ++failures_; }
  int failures() const { return failures_; }

 private:
  // False if it was interrupted.
  bool ReadPrompt(const Tokens& prompt);
  void Answer();
  Reply NewReply() const;

  GenerationOptions generation_;
  baleen_thinking thinking_;
  Engine engine_;
  ProgressBar bar_;
  Session session_;
  Conversation conversation_;
  int failures_ = 0;
};

}  // namespace tool
