// A conversation: its messages in our own memory, and as a file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <baleen/baleen.h>

#include "engine.h"

namespace tool {

// A baleen_message that owns what it points to.
struct Message {
  std::string role;
  std::optional<std::string> content;
  std::optional<std::string> reasoning;
  std::string tool_calls;  // JSON; empty: none.
  Tokens tokens;           // Of an assistant's message.
};

Message CopyMessage(const baleen_message& message);

class Conversation {
 public:
  std::vector<Message>& messages() { return messages_; }

  // Replaces the system message; empty: there is none.
  void SetSystem(const std::string& text);

  // Drops all messages but the system's.
  void Reset();

  // The prompt of the model's next turn.
  Tokens Encode(const Engine& engine, baleen_thinking thinking) const;

  // To and from a JSON file.
  void Save(const std::string& path) const;
  void Load(const std::string& path);

 private:
  std::vector<Message> messages_;
};

}  // namespace tool
