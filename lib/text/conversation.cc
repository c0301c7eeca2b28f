#include "text/conversation.h"

#include <algorithm>
#include <cstdio>
#include <unordered_map>
#include <utility>

#include "text/python_json.h"

namespace baleen {
namespace {

Role RoleOf(std::string_view name) {
  if (name == "system") return Role::kSystem;
  if (name == "developer") return Role::kDeveloper;
  if (name == "user") return Role::kUser;
  if (name == "assistant") return Role::kAssistant;
  if (name == "tool") return Role::kTool;
  if (name == "latest_reminder") return Role::kReminder;
  if (name == "direct_search_results") return Role::kSearchResults;
  return Role::kUnknown;
}

std::string_view View(const char* text, size_t size) {
  return text == nullptr ? std::string_view() : std::string_view(text, size);
}

Status BadMember(size_t number, std::string_view key, const char* what) {
  return InvalidArgument("\"%.*s\" in extra of message %zu is %s",
                         PrintLength(key), key.data(), number, what);
}

// The id of a call in either place where clients put it.
std::string_view CallId(Json call) {
  const Json id = call.Find("id");
  if (id.IsString() && !id.text().empty()) return id.text();
  return call.Find("function").Find("id").text();
}

}  // namespace

Status Conversation::ParseJson(const char* text, const char* what,
                               size_t number, Json* value) {
  char name[64];
  std::snprintf(name, sizeof(name), "%s of message %zu", what, number);
  Result<JsonDocument> parsed = JsonDocument::Parse(text, name, memory_, true);
  if (!parsed.ok()) {
    return InvalidArgument("%s", parsed.status().message());
  }
  documents_.push_back(*std::move(parsed));
  *value = documents_.back().root();
  return Status();
}

Status Conversation::ReadExtra(const baleen_message& message, size_t number,
                               Turn* turn, Json* content_parts) {
  if (message.extra == nullptr) return Status();
  Json extra;
  BALEEN_RETURN_IF_ERROR(ParseJson(message.extra, "extra", number, &extra));
  if (!extra.IsObject()) {
    return InvalidArgument("extra of message %zu is no JSON object", number);
  }
  for (const auto& [key, value] : UniqueMembers(extra, memory_)) {
    if (value.IsNull()) continue;
    if (key == "tools") {
      if (!value.IsArray()) return BadMember(number, key, "no array");
      if (value.size() > 0) turn->tools = value;
    } else if (key == "response_format") {
      turn->response_format = value;
    } else if (key == "task") {
      if (!value.IsString()) return BadMember(number, key, "no string");
      turn->task = value;
    } else if (key == "prefix" || key == "wo_eos") {
      if (!value.IsBool())
        return BadMember(number, key, "neither true nor false");
      turn->no_end = turn->no_end || IsTruthy(value);
    } else if (key == "content") {
      if (!value.IsArray()) return BadMember(number, key, "no array");
      if (turn->has_content) {
        return BadMember(number, key, "there though the message has a content");
      }
      *content_parts = value;
    } else if (key != "mask") {  // Of use in training only.
      return BadMember(number, key, "not known");
    }
  }
  return Status();
}

Status Conversation::ReadMessage(const baleen_message& message, size_t number,
                                 Turn* turn, Json* content_parts) {
  if (message.role == nullptr) {
    return InvalidArgument("message %zu has no role", number);
  }
  turn->number = number;
  turn->role_name = message.role;
  turn->role = RoleOf(turn->role_name);
  turn->content = View(message.content, message.content_size);
  turn->has_content = message.content != nullptr;
  turn->reasoning = View(message.reasoning, message.reasoning_size);
  turn->has_reasoning = message.reasoning != nullptr;
  if (message.tokens != nullptr) {
    if (turn->role != Role::kAssistant) {
      return InvalidArgument(
          "message %zu has tokens, but is not the assistant's", number);
    }
    turn->tokens = {message.tokens, message.token_count};
  }
  if (message.tool_calls != nullptr && turn->role == Role::kAssistant) {
    Json calls;
    BALEEN_RETURN_IF_ERROR(
        ParseJson(message.tool_calls, "tool_calls", number, &calls));
    if (!calls.IsArray() && !calls.IsNull()) {
      return InvalidArgument("tool_calls of message %zu are no JSON array",
                             number);
    }
    if (calls.size() > 0) turn->tool_calls = calls;
  }
  return ReadExtra(message, number, turn, content_parts);
}

// Tools' messages become part of the user's turn that follows their calls; the
// user's own messages are joined to it, and to each other, up to one that asks
// for a task.
void Conversation::Join(const Turn& turn, const UserPart& part) {
  if (turn.role != Role::kUser && turn.role != Role::kTool) {
    turns_.push_back(turn);
    return;
  }
  Turn* last = turns_.empty() ? nullptr : &turns_.back();
  const bool joins = last != nullptr && last->role == Role::kUser &&
                     last->in_context == turn.in_context &&
                     (turn.role == Role::kTool || !last->task);
  if (!joins) {
    Turn user;
    user.role = Role::kUser;
    user.in_context = turn.in_context;
    user.number = turn.number;
    user.first_part = user_parts_.size();
    if (turn.role == Role::kUser) user.task = turn.task;
    turns_.push_back(user);
    last = &turns_.back();
  }
  user_parts_.push_back(part);
  ++last->part_count;
}

Status Conversation::ReadOffer(const baleen_chat_options& options) {
  Json tools;
  Json format;
  const auto parse = [&](const char* text, const char* name, Json* value) {
    if (text == nullptr) return Status();
    Result<JsonDocument> parsed =
        JsonDocument::Parse(text, name, memory_, true);
    if (!parsed.ok()) {
      return InvalidArgument("%s", parsed.status().message());
    }
    documents_.push_back(*std::move(parsed));
    *value = documents_.back().root();
    return Status();
  };
  BALEEN_RETURN_IF_ERROR(parse(options.tools, "tools", &tools));
  BALEEN_RETURN_IF_ERROR(
      parse(options.response_format, "response_format", &format));
  if (tools && !tools.IsArray() && !tools.IsNull()) {
    return InvalidArgument("tools are no JSON array");
  }
  if (tools.size() == 0) tools = Json();
  if (!tools && !IsTruthy(format)) return Status();
  if (turns_.empty() || turns_.front().role != Role::kSystem) {
    Turn system;
    system.role = Role::kSystem;
    system.in_context = options.context_count > 0;
    turns_.insert(turns_.begin(), system);
  }
  Turn& system = turns_.front();
  if (tools && system.tools) {
    return InvalidArgument(
        "tools are given both in the options and in message 0");
  }
  if (format && system.response_format) {
    return InvalidArgument(
        "response_format is given both in the options and in message 0");
  }
  if (tools) system.tools = tools;
  if (format) system.response_format = format;
  has_tools_ = has_tools_ || tools;
  return Status();
}

// Puts the results of parallel calls in the order of the calls.  Results of
// unknown calls come first, as in the authors' encoder.
void Conversation::SortResults() {
  struct Answer {
    size_t call;   // Its place among the calls.
    size_t place;  // And among the results.
    UserPart part;
  };
  std::pmr::unordered_map<std::string_view, size_t> order(memory_);
  Vector<Answer> results(memory_);
  for (const Turn& turn : turns_) {
    if (turn.tool_calls) {
      order.clear();
      size_t place = 0;
      for (const Json call : turn.tool_calls) {
        const std::string_view id = CallId(call);
        if (!id.empty()) order[id] = place;
        ++place;
      }
    }
    if (turn.part_count < 2 || order.empty()) continue;
    const std::span<UserPart> all =
        std::span(user_parts_).subspan(turn.first_part, turn.part_count);
    results.clear();
    for (const UserPart& part : all) {
      if (!part.is_result) continue;
      const auto found = order.find(part.call_id);
      const size_t call = found == order.end() ? 0 : found->second;
      results.push_back({call, results.size(), part});
    }
    // Not std::stable_sort, whose memory is not the host's.
    std::sort(results.begin(), results.end(),
              [](const Answer& a, const Answer& b) {
                return a.call != b.call ? a.call < b.call : a.place < b.place;
              });
    auto next = results.begin();
    for (UserPart& part : all) {
      if (part.is_result) part = (next++)->part;
    }
  }
}

Status Conversation::Read(std::span<const baleen_message> messages,
                          const baleen_chat_options& options) {
  if (options.context_count > messages.size()) {
    return InvalidArgument("context_count is %zu, but there are %zu messages",
                           options.context_count, messages.size());
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    Turn turn;
    Json parts;
    BALEEN_RETURN_IF_ERROR(ReadMessage(messages[i], i, &turn, &parts));
    turn.in_context = i < options.context_count;
    has_tools_ = has_tools_ || turn.tools;
    UserPart part;
    part.is_result = turn.role == Role::kTool;
    part.text = turn.content;
    if (part.is_result) {
      part.parts = parts;
      if (messages[i].tool_call_id != nullptr) {
        part.call_id = messages[i].tool_call_id;
      }
    } else if (parts) {
      return BadMember(i, "content", "for messages of tools only");
    } else if (turn.role == Role::kUser && !turn.has_content) {
      return InvalidArgument("message %zu, of the user, has no content", i);
    }
    Join(turn, part);
  }
  BALEEN_RETURN_IF_ERROR(ReadOffer(options));
  SortResults();
  return Status();
}

ptrdiff_t Conversation::LastUser() const {
  auto i = static_cast<ptrdiff_t>(turns_.size()) - 1;
  while (i >= 0 && !turns_[static_cast<size_t>(i)].IsUser()) --i;
  return i;
}

void Conversation::DropReasoning() {
  const ptrdiff_t last_user = LastUser();
  size_t kept = 0;
  for (size_t i = 0; i < turns_.size(); ++i) {
    const Role role = turns_[i].role;
    const bool dropped = static_cast<ptrdiff_t>(i) < last_user &&
                         (role == Role::kDeveloper || role == Role::kUnknown);
    if (!dropped) turns_[kept++] = turns_[i];
  }
  turns_.resize(kept);
}

}  // namespace baleen
