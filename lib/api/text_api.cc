// Tokens, text and conversations of a model.
#include "api/buffers.h"
#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"
#include "text/chat.h"

namespace baleen {
namespace {

// The most messages that a count can mean; more is a count that was not set.
constexpr size_t kMessageLimit = size_t{1} << 24;

Result<const Tokenizer*> TokenizerOf(const ModelBundle& model) {
  if (model.tokenizer() == nullptr) {
    return Unsupported("the model was loaded without a tokenizer");
  }
  return model.tokenizer();
}

Status CheckKnown(const Tokenizer& tokenizer,
                  std::span<const baleen_token> tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!tokenizer.IsKnown(tokens[i])) {
      return InvalidArgument("tokens[%zu] is %d, which the tokenizer lacks", i,
                             tokens[i]);
    }
  }
  return Status();
}

Status Tokenize(const ModelBundle& model, std::string_view text, bool special,
                Vector<baleen_token>* tokens) {
  BALEEN_ASSIGN_OR_RETURN(const Tokenizer* tokenizer, TokenizerOf(model));
  const TextPart part = {text, special};
  tokenizer->Encode({&part, 1}, tokens);
  return Status();
}

Status Detokenize(const ModelBundle& model,
                  std::span<const baleen_token> tokens, bool special,
                  String* text) {
  BALEEN_ASSIGN_OR_RETURN(const Tokenizer* tokenizer, TokenizerOf(model));
  BALEEN_RETURN_IF_ERROR(CheckKnown(*tokenizer, tokens));
  for (const baleen_token token : tokens) {
    tokenizer->Decode(token, special, text);
  }
  return Status();
}

Status CheckMessage(const baleen_message& message, size_t index) {
  if (message.role == nullptr) {
    return InvalidArgument("messages[%zu].role is NULL", index);
  }
  if ((message.content == nullptr && message.content_size != 0) ||
      (message.reasoning == nullptr && message.reasoning_size != 0) ||
      (message.tokens == nullptr && message.token_count != 0)) {
    return InvalidArgument("messages[%zu] has a size or count without its data",
                           index);
  }
  return Status();
}

Status CheckMessages(std::span<const baleen_message> messages,
                     const ModelBundle& model) {
  for (size_t i = 0; i < messages.size(); ++i) {
    BALEEN_RETURN_IF_ERROR(CheckMessage(messages[i], i));
    if (messages[i].token_count == 0) continue;
    BALEEN_RETURN_IF_ERROR(CheckKnown(
        *model.tokenizer(), {messages[i].tokens, messages[i].token_count}));
  }
  return Status();
}

Status ReadChatOptions(const baleen_chat_options* given,
                       baleen_chat_options* options) {
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_chat_options", options));
  BALEEN_RETURN_IF_ERROR(CheckFlags(
      options->flags,
      BALEEN_CHAT_NO_BEGIN | BALEEN_CHAT_KEEP_REASONING | BALEEN_CHAT_SPECIAL,
      "baleen_chat_options.flags"));
  BALEEN_RETURN_IF_ERROR(
      CheckEnum(options->thinking, BALEEN_THINKING_MAX, "options.thinking"));
  return CheckEnum(options->encoder, BALEEN_ENCODER_GA, "options.encoder");
}

Status Encode(const ModelBundle& model,
              std::span<const baleen_message> messages,
              const baleen_chat_options* given, Vector<baleen_token>* tokens) {
  BALEEN_ASSIGN_OR_RETURN(const Tokenizer* tokenizer, TokenizerOf(model));
  baleen_chat_options options;
  BALEEN_RETURN_IF_ERROR(ReadChatOptions(given, &options));
  if (options.context_count > messages.size()) {
    return InvalidArgument(
        "options.context_count is %zu, but there are %zu messages",
        options.context_count, messages.size());
  }
  BALEEN_RETURN_IF_ERROR(CheckMessages(messages, model));
  return EncodeChat(*tokenizer, model.encoder(), messages, options,
                    model.memory(), tokens);
}

}  // namespace
}  // namespace baleen

using baleen::FromHandle;
using baleen::Guard;
using baleen::GuardValue;
using baleen::Status;

baleen_status baleen_model_tokenize(const baleen_model* model, const char* text,
                                    size_t text_size, uint32_t flags,
                                    baleen_token* tokens, size_t capacity,
                                    size_t* count, baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(model);
    BALEEN_REQUIRE_ARRAY(text, text_size);
    BALEEN_REQUIRE_ARRAY(tokens, capacity);
    BALEEN_REQUIRE(count);
    BALEEN_RETURN_IF_ERROR(
        baleen::CheckFlags(flags, BALEEN_TEXT_SPECIAL, "flags"));
    const auto& bundle = *FromHandle(model);
    baleen::Vector<baleen_token> found(bundle.memory());
    BALEEN_RETURN_IF_ERROR(baleen::Tokenize(
        bundle, {text, text_size}, (flags & BALEEN_TEXT_SPECIAL) != 0, &found));
    return baleen::FillBuffer<baleen_token>(found, "tokens", tokens, capacity,
                                            count);
  });
}

baleen_status baleen_model_detokenize(const baleen_model* model,
                                      const baleen_token* tokens,
                                      size_t token_count, uint32_t flags,
                                      char* text, size_t capacity,
                                      size_t* text_size, baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(model);
    BALEEN_REQUIRE_ARRAY(tokens, token_count);
    BALEEN_REQUIRE_ARRAY(text, capacity);
    BALEEN_REQUIRE(text_size);
    BALEEN_RETURN_IF_ERROR(
        baleen::CheckFlags(flags, BALEEN_TEXT_SPECIAL, "flags"));
    const auto& bundle = *FromHandle(model);
    baleen::String found(bundle.memory());
    BALEEN_RETURN_IF_ERROR(
        baleen::Detokenize(bundle, {tokens, token_count},
                           (flags & BALEEN_TEXT_SPECIAL) != 0, &found));
    return baleen::FillBuffer<char>(found, "text", text, capacity, text_size);
  });
}

baleen_token baleen_model_find_token(const baleen_model* model,
                                     const char* name) {
  if (model == nullptr || name == nullptr) return -1;
  const baleen::Tokenizer* tokenizer = FromHandle(model)->tokenizer();
  if (tokenizer == nullptr) return -1;
  return GuardValue(baleen_token{-1}, [&] { return tokenizer->Find(name); });
}

int32_t baleen_model_is_end(const baleen_model* model, baleen_token token) {
  return model != nullptr && FromHandle(model)->IsEnd(token) ? 1 : 0;
}

baleen_status baleen_model_encode_chat(const baleen_model* model,
                                       const baleen_message* messages,
                                       size_t message_count,
                                       const baleen_chat_options* options,
                                       baleen_token* tokens, size_t capacity,
                                       size_t* count, baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(model);
    BALEEN_REQUIRE_ARRAY(messages, message_count);
    BALEEN_REQUIRE_ARRAY(tokens, capacity);
    BALEEN_REQUIRE(count);
    if (message_count > baleen::kMessageLimit) {
      return baleen::InvalidArgument("message_count is %zu, more than %zu",
                                     message_count, baleen::kMessageLimit);
    }
    const auto& bundle = *FromHandle(model);
    baleen::Vector<baleen_token> found(bundle.memory());
    BALEEN_RETURN_IF_ERROR(
        baleen::Encode(bundle, {messages, message_count}, options, &found));
    return baleen::FillBuffer<baleen_token>(found, "tokens", tokens, capacity,
                                            count);
  });
}
