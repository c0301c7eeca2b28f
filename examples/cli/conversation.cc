// A conversation; see conversation.h.
//
// The file is a JSON array of messages, as the public service's API has them,
// with one member more: the tokens the model wrote a message with.  Reading it
// back therefore gives the same prompt, token for token.
#include "conversation.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

namespace tool {
namespace {

using Json = nlohmann::ordered_json;

std::optional<std::string> CopyText(const char* text, size_t size) {
  if (text == nullptr) return std::nullopt;
  return std::string(text, size);
}

baleen_message View(const Message& message) {
  baleen_message view = {};
  view.role = message.role.c_str();
  if (message.content) {
    view.content = message.content->data();
    view.content_size = message.content->size();
  }
  if (message.reasoning) {
    view.reasoning = message.reasoning->data();
    view.reasoning_size = message.reasoning->size();
  }
  if (!message.tool_calls.empty()) {
    view.tool_calls = message.tool_calls.c_str();
  }
  if (!message.tokens.empty()) {
    view.tokens = message.tokens.data();
    view.token_count = message.tokens.size();
  }
  return view;
}

Json ToJson(const Message& message) {
  Json json = {{"role", message.role}};
  json["content"] = message.content ? Json(*message.content) : Json();
  if (message.reasoning) json["reasoning_content"] = *message.reasoning;
  if (!message.tool_calls.empty()) {
    json["tool_calls"] = Json::parse(message.tool_calls);
  }
  if (!message.tokens.empty()) json["tokens"] = message.tokens;
  return json;
}

Message FromJson(const Json& json) {
  Message message;
  message.role = json.at("role").get<std::string>();
  const Json& content = json.at("content");
  if (!content.is_null()) message.content = content.get<std::string>();
  if (json.contains("reasoning_content")) {
    message.reasoning = json["reasoning_content"].get<std::string>();
  }
  if (json.contains("tool_calls")) {
    message.tool_calls = json["tool_calls"].dump();
  }
  if (json.contains("tokens")) message.tokens = json["tokens"].get<Tokens>();
  return message;
}

}  // namespace

Message CopyMessage(const baleen_message& message) {
  Message copy;
  copy.role = message.role;
  copy.content = CopyText(message.content, message.content_size);
  copy.reasoning = CopyText(message.reasoning, message.reasoning_size);
  if (message.tool_calls != nullptr) copy.tool_calls = message.tool_calls;
  if (message.tokens != nullptr) {
    copy.tokens.assign(message.tokens, message.tokens + message.token_count);
  }
  return copy;
}

void Conversation::SetSystem(const std::string& text) {
  const bool has = !messages_.empty() && messages_.front().role == "system";
  if (has) messages_.erase(messages_.begin());
  if (text.empty()) return;
  Message message;
  message.role = "system";
  message.content = text;
  messages_.insert(messages_.begin(), std::move(message));
}

void Conversation::Reset() {
  const bool has = !messages_.empty() && messages_.front().role == "system";
  messages_.resize(has ? 1 : 0);
}

Tokens Conversation::Encode(const Engine& engine,
                            baleen_thinking thinking) const {
  std::vector<baleen_message> views;
  for (const Message& message : messages_) views.push_back(View(message));
  baleen_chat_options options = {};
  options.struct_size = sizeof options;
  options.thinking = thinking;
  size_t count = 0;
  baleen_error error;
  const baleen_status status =
      baleen_model_encode_chat(engine.model(), views.data(), views.size(),
                               &options, nullptr, 0, &count, &error);
  if (status != BALEEN_BUFFER_TOO_SMALL) Check(status, error);
  Tokens tokens(count);
  Check(baleen_model_encode_chat(engine.model(), views.data(), views.size(),
                                 &options, tokens.data(), tokens.size(), &count,
                                 &error),
        error);
  return tokens;
}

void Conversation::Save(const std::string& path) const {
  Json json = Json::array();
  for (const Message& message : messages_) json.push_back(ToJson(message));
  std::ofstream file(path, std::ios::binary);
  // What people type need not be UTF-8, but JSON must.
  file << json.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
  file.close();
  if (!file) {
    throw Failure(path + " cannot be written: " + std::strerror(errno) + ".");
  }
}

void Conversation::Load(const std::string& path) {
  std::vector<Message> messages;
  try {
    for (const Json& json : Json::parse(ReadInput(path))) {
      messages.push_back(FromJson(json));
    }
  } catch (const Json::exception&) {
    throw Failure(path + " is not a saved conversation.");
  }
  messages_ = std::move(messages);
}

}  // namespace tool
