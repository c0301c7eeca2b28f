// Reads one turn of the model back: tokens or text in, thinking, answer and
// tool calls out (text.md §2).
//
// Whatever the pieces it is fed in, what it says is the same: a piece may come
// sooner or later, but the pieces of a turn, joined, depend on the turn alone.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "text/tokenizer.h"

namespace baleen {

class ReplyData;

class Reply {
 public:
  // `options` has been read by lib/api; `tokenizer` must outlive the reply.
  static Result<Owned<Reply>> Create(const Tokenizer* tokenizer,
                                     const baleen_reply_options& options,
                                     Memory* memory);
  explicit Reply(Owned<ReplyData> data);  // Create calls it.
  ~Reply();
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  // Read further tokens, or text with special tokens under their names.  If
  // they fail, or are left by std::bad_alloc, nothing was added; but a strict
  // reply that found the turn to be corrupt stays so.
  Status AddTokens(std::span<const baleen_token> tokens);
  Status AddText(std::string_view text);

  // The turn is over; nothing can be added any more.
  Status Finish();

  // Takes the next piece, if there is one.  All members of `piece` are set.
  // What it points to is lent until the next call on the reply.
  bool Next(baleen_piece* piece);

  // The turn so far.  Its tokens are there if all of it came as tokens.
  Status Message(baleen_message* message);

  // The model ended its turn: its end token was read.
  bool ended() const;
  // The turn has at least one whole tool call.
  bool called_tools() const;
  bool finished() const;

 private:
  Owned<ReplyData> data_;
};

}  // namespace baleen
