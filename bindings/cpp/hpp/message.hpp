// Messages of a conversation, and how one is written as tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "error.hpp"
#include "span.hpp"

namespace baleen {
inline namespace cpp {

// How long the model thinks before it answers.
enum class Thinking : baleen_thinking {
  kDefault = BALEEN_THINKING_DEFAULT,
  kOff = BALEEN_THINKING_OFF,
  kOn = BALEEN_THINKING_ON,
  kLow = BALEEN_THINKING_LOW,
  kHigh = BALEEN_THINKING_HIGH,
  kMax = BALEEN_THINKING_MAX
};

// Whose way to write a conversation.
enum class Encoder : baleen_encoder {
  kDefault = BALEEN_ENCODER_DEFAULT,
  kPreview = BALEEN_ENCODER_PREVIEW,
  kGa = BALEEN_ENCODER_GA
};

// One message of a conversation; baleen_message says what its members mean.
struct Message {
  std::string role = {};
  std::optional<std::string> content = {};
  std::optional<std::string> reasoning = {};
  std::string tool_calls = {};    // JSON; empty: none.
  std::string tool_call_id = {};  // Of a tool's message.
  std::string extra = {};         // A JSON object; empty: none.
  std::vector<Token> tokens = {};

  static Message System(std::string content) {
    return Of("system", std::move(content));
  }
  static Message User(std::string content) {
    return Of("user", std::move(content));
  }
  static Message Assistant(std::string content) {
    return Of("assistant", std::move(content));
  }
  static Message Tool(std::string call_id, std::string content) {
    Message message = Of("tool", std::move(content));
    message.tool_call_id = std::move(call_id);
    return message;
  }
  static Message Of(std::string role, std::string content) {
    Message message;
    message.role = std::move(role);
    message.content = std::move(content);
    return message;
  }
};

struct ChatOptions {
  Thinking thinking = Thinking::kDefault;
  Encoder encoder = Encoder::kDefault;
  std::string_view tools = {};            // JSON array of those on offer.
  std::string_view response_format = {};  // JSON that the answer must follow.
  size_t context_count = 0;     // How many messages are in the session already.
  bool no_begin = false;        // No token that begins a sequence.
  bool keep_reasoning = false;  // Of earlier turns too.
  bool special = false;  // Special tokens where messages have their names.
};

namespace detail {

inline std::optional<std::string> CopyText(const char* text, size_t size) {
  if (text == nullptr) return std::nullopt;
  return std::string(text, size);
}

inline Message CopyMessage(const baleen_message& c) {
  Message message;
  message.role = View(c.role);
  message.content = CopyText(c.content, c.content_size);
  message.reasoning = CopyText(c.reasoning, c.reasoning_size);
  message.tool_calls = View(c.tool_calls);
  message.tool_call_id = View(c.tool_call_id);
  message.extra = View(c.extra);
  message.tokens.assign(c.tokens, c.tokens + c.token_count);
  return message;
}

// The texts of one message that end in NUL.
inline Names MessageNames(const Message& message) {
  return Names(
      {message.role, message.tool_calls, message.tool_call_id, message.extra});
}

inline baleen_message ViewMessage(const Message& message, const Names& names) {
  baleen_message c{};
  c.role = names[0];
  if (message.content) {
    c.content = message.content->data();
    c.content_size = message.content->size();
  }
  if (message.reasoning) {
    c.reasoning = message.reasoning->data();
    c.reasoning_size = message.reasoning->size();
  }
  c.tool_calls = names.Optional(1);
  c.tool_call_id = names.Optional(2);
  c.extra = names.Optional(3);
  c.tokens = message.tokens.empty() ? nullptr : message.tokens.data();
  c.token_count = message.tokens.size();
  return c;
}

inline baleen_chat_options ReadChatOptions(const ChatOptions& options,
                                           const Names& names) {
  auto c = Sized<baleen_chat_options>();
  c.flags = Flag(options.no_begin, BALEEN_CHAT_NO_BEGIN) |
            Flag(options.keep_reasoning, BALEEN_CHAT_KEEP_REASONING) |
            Flag(options.special, BALEEN_CHAT_SPECIAL);
  c.thinking = static_cast<baleen_thinking>(options.thinking);
  c.encoder = static_cast<baleen_encoder>(options.encoder);
  c.tools = names.Optional(0);
  c.response_format = names.Optional(1);
  c.context_count = options.context_count;
  return c;
}

inline std::vector<Token> EncodeChat(const baleen_model* model,
                                     Span<const Message> messages,
                                     const ChatOptions& options, Error* error) {
  const Names names({options.tools, options.response_format});
  Error failure = names.failure();
  std::vector<Names> texts;
  std::vector<baleen_message> views;
  size_t guess = 64;
  texts.reserve(messages.size());  // The views point into it.
  for (const Message& message : messages) {
    texts.push_back(MessageNames(message));
    if (texts.back().failure()) failure = texts.back().failure();
    views.push_back(ViewMessage(message, texts.back()));
    guess += 16 + views.back().content_size / 2 + message.tokens.size();
  }
  if (failure) {
    Report(failure, error);
    return {};
  }
  const baleen_chat_options c = ReadChatOptions(options, names);
  return Fill<std::vector<Token>>(
      guess, error,
      [&](Token* tokens, size_t capacity, size_t* count, baleen_error* wrong) {
        return baleen_model_encode_chat(model, views.data(), views.size(), &c,
                                        tokens, capacity, count, wrong);
      });
}

}  // namespace detail
}  // namespace cpp
}  // namespace baleen
