// Writes the turns of a conversation out (text.md §1.4).
#pragma once

#include <string_view>

#include "base/memory.h"
#include "base/status.h"
#include "text/chat.h"
#include "text/conversation.h"
#include "text/prompt.h"

namespace baleen {

struct ChatMode {
  bool thinking = false;
  bool drop_reasoning = false;  // Of what came before the last user.
  std::string_view effort;      // The text before the first message.
};

// Writes the turns that are not in the context.
Status RenderTurns(const Conversation& conversation, const ChatMode& mode,
                   const TurnTokens& turn_tokens, Memory* memory,
                   Prompt* prompt);

}  // namespace baleen
