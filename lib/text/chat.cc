#include "text/chat.h"

#include "text/chat_render.h"
#include "text/chat_texts.h"
#include "text/conversation.h"

namespace baleen {
namespace {

Status ReadMode(baleen_encoder encoder, const baleen_chat_options& options,
                ChatMode* mode) {
  if (options.encoder != BALEEN_ENCODER_DEFAULT) encoder = options.encoder;
  if (encoder < BALEEN_ENCODER_DEFAULT || encoder > BALEEN_ENCODER_GA) {
    return InvalidArgument("there is no encoder %d", encoder);
  }
  const bool is_ga = encoder == BALEEN_ENCODER_GA;
  mode->thinking = options.thinking != BALEEN_THINKING_OFF;
  switch (options.thinking) {
    case BALEEN_THINKING_DEFAULT:
    case BALEEN_THINKING_OFF:
    case BALEEN_THINKING_ON:
      return Status();
    case BALEEN_THINKING_LOW:
      if (is_ga) return Status();
      return Unsupported("the preview encoder has no low thinking effort");
    case BALEEN_THINKING_HIGH:
      if (is_ga) mode->effort = kEffortAbsolute;
      return Status();
    case BALEEN_THINKING_MAX:
      mode->effort = is_ga ? kEffortBeyond : kEffortAbsolute;
      return Status();
    default:
      return InvalidArgument("there is no way of thinking %d",
                             options.thinking);
  }
}

}  // namespace

TurnTokens TurnTokens::Of(const Tokenizer& tokenizer) {
  return {tokenizer.Find(kThinkEndText), tokenizer.Find(kEndText)};
}

Status RenderChat(const TurnTokens& turn_tokens, baleen_encoder encoder,
                  std::span<const baleen_message> messages,
                  const baleen_chat_options& options, Memory* memory,
                  Prompt* prompt) {
  constexpr uint32_t kKnownFlags =
      BALEEN_CHAT_NO_BEGIN | BALEEN_CHAT_KEEP_REASONING | BALEEN_CHAT_SPECIAL;
  if ((options.flags & ~kKnownFlags) != 0) {
    return Unsupported("the chat options have flags that are not known: 0x%x",
                       options.flags & ~kKnownFlags);
  }
  ChatMode mode;
  BALEEN_RETURN_IF_ERROR(ReadMode(encoder, options, &mode));
  Conversation conversation(memory);
  BALEEN_RETURN_IF_ERROR(conversation.Read(messages, options));
  // A conversation with tools is one long train of thought.
  mode.drop_reasoning = (options.flags & BALEEN_CHAT_KEEP_REASONING) == 0 &&
                        !conversation.has_tools();
  if (mode.thinking && mode.drop_reasoning) conversation.DropReasoning();
  if ((options.flags & BALEEN_CHAT_NO_BEGIN) == 0 &&
      options.context_count == 0) {
    prompt->Template(kBeginText);
  }
  return RenderTurns(conversation, mode, turn_tokens, memory, prompt);
}

Status EncodeChat(const Tokenizer& tokenizer, baleen_encoder encoder,
                  std::span<const baleen_message> messages,
                  const baleen_chat_options& options, Memory* memory,
                  Vector<baleen_token>* tokens) {
  Prompt prompt(memory);
  BALEEN_RETURN_IF_ERROR(RenderChat(TurnTokens::Of(tokenizer), encoder,
                                    messages, options, memory, &prompt));
  for (const Prompt::Part& part : prompt.parts()) {
    for (const baleen_token token : part.tokens) {
      if (token < 0 || token >= tokenizer.size() || !tokenizer.IsKnown(token)) {
        return InvalidArgument("a message has the token %d, which is not one",
                               token);
      }
    }
  }
  Vector<baleen_token> encoded(memory);
  prompt.Encode(tokenizer, (options.flags & BALEEN_CHAT_SPECIAL) != 0, memory,
                &encoded);
  tokens->insert(tokens->end(), encoded.begin(), encoded.end());
  return Status();
}

bool FolderTextIsGa(std::string_view encoding_dsv4_py) {
  return encoding_dsv4_py.find("Reasoning Effort: Beyond maximum") !=
         std::string_view::npos;
}

}  // namespace baleen
