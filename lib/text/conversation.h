// A conversation as the encoder sees it: the messages read, those of tools
// joined to the user's, results put in the order of their calls, old reasoning
// dropped (text.md §1.3, §1.8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>

#include <baleen/baleen.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"

namespace baleen {

enum class Role : uint8_t {
  kSystem,
  kDeveloper,
  kUser,
  kAssistant,
  kTool,  // None is left once messages are joined.
  kReminder,
  kSearchResults,  // Known to the drop rule only.
  kUnknown
};

// A piece of a user's turn: what the user says, or what a tool answers.
struct UserPart {
  bool is_result = false;
  std::string_view text;
  Json parts;                // A result's content parts, instead of text.
  std::string_view call_id;  // Of a result.
};

struct Turn {
  Role role = Role::kUnknown;
  bool in_context = false;  // Already in the session.
  bool has_content = false;
  bool no_end = false;  // The end token is left out: "wo_eos", "prefix".
  size_t number = 0;    // Of its first message, for errors.
  std::string_view role_name;
  std::string_view content;
  std::string_view reasoning;
  bool has_reasoning = false;
  Json tool_calls;  // A non-empty array, or nothing.
  Json tools;       // A non-empty array, or nothing.
  Json response_format;
  Json task;  // A string, or nothing.
  std::span<const baleen_token> tokens;
  size_t first_part = 0;  // Of a user: what it is made of.
  size_t part_count = 0;

  bool IsUser() const {
    return role == Role::kUser || role == Role::kDeveloper;
  }
};

class Conversation {
 public:
  explicit Conversation(Memory* memory)
      : memory_(memory),
        documents_(memory),
        turns_(memory),
        user_parts_(memory) {}

  // Reads the messages, which must outlive the conversation, and the tools and
  // response format of the options, which go to the leading system message; if
  // there is none, an empty one is put there.
  Status Read(std::span<const baleen_message> messages,
              const baleen_chat_options& options);

  // Takes away what a thinking model is not shown again once the user has
  // spoken: the reasoning of earlier turns, and earlier developer messages.
  void DropReasoning();

  const Vector<Turn>& turns() const { return turns_; }
  std::span<const UserPart> user_parts(const Turn& turn) const {
    return std::span(user_parts_).subspan(turn.first_part, turn.part_count);
  }
  // Whether any message offers tools.
  bool has_tools() const { return has_tools_; }
  // Of the last user or developer; -1 if there is none.
  ptrdiff_t LastUser() const;

 private:
  Status ParseJson(const char* text, const char* what, size_t number,
                   Json* value);
  Status ReadMessage(const baleen_message& message, size_t number, Turn* turn,
                     Json* content_parts);
  Status ReadExtra(const baleen_message& message, size_t number, Turn* turn,
                   Json* content_parts);
  Status ReadOffer(const baleen_chat_options& options);
  void Join(const Turn& turn, const UserPart& part);
  void SortResults();

  Memory* memory_;
  std::pmr::deque<JsonDocument> documents_;  // Json refers to its document.
  Vector<Turn> turns_;
  Vector<UserPart> user_parts_;
  bool has_tools_ = false;
};

}  // namespace baleen
