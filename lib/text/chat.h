// From the messages of a conversation to the tokens of a prompt (text.md §1).
//
// Follows the encoder that DeepSeek ships with the checkpoints byte for byte,
// but for two things: arguments of a tool call that are a JSON object, not the
// text of one, are taken as what they are (text.md §1.7), and new messages are
// never lost because developer messages of the context were dropped.
#pragma once

#include <span>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace baleen {

// The tokens that a turn of the model is cut at; -1: the vocabulary has none.
struct TurnTokens {
  baleen_token think_end = -1;  // "</think>"
  baleen_token end = -1;        // "<｜end▁of▁sentence｜>"

  static TurnTokens Of(const Tokenizer& tokenizer);
};

// Writes the conversation to `prompt`.  `encoder` is the checkpoint's own, used
// if the options leave it open.  The messages must outlive the prompt.
Status RenderChat(const TurnTokens& turn_tokens, baleen_encoder encoder,
                  std::span<const baleen_message> messages,
                  const baleen_chat_options& options, Memory* memory,
                  Prompt* prompt);

// The same as tokens, appended to `tokens`.
Status EncodeChat(const Tokenizer& tokenizer, baleen_encoder encoder,
                  std::span<const baleen_message> messages,
                  const baleen_chat_options& options, Memory* memory,
                  Vector<baleen_token>* tokens);

// Whether a checkpoint whose folder has this encoding/encoding_dsv4.py (empty:
// none) was trained with the GA encoder (text.md §0).
bool FolderTextIsGa(std::string_view encoding_dsv4_py);

}  // namespace baleen
