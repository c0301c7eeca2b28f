// The way back from tokens to thinking, answer and tool calls.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "message.hpp"

namespace baleen {
inline namespace cpp {

enum class Channel : baleen_channel {
  kAnswer = BALEEN_CHANNEL_ANSWER,
  kThinking = BALEEN_CHANNEL_THINKING,
  kToolCall = BALEEN_CHANNEL_TOOL_CALL
};

// A part of what the model writes.  Its texts are lent.
struct Piece {
  Channel channel = Channel::kAnswer;
  uint32_t call_index = 0;   // Of a tool call: which one, from 0,
  std::string_view call_id;  // its name for Message::Tool,
  std::string_view tool;     // and what is called.
  std::string_view text;     // Of a tool call: of its arguments, JSON.
};

struct ReplyOptions {
  Thinking thinking = Thinking::kDefault;  // Those of the prompt.
  std::string_view tools = {};
  bool strict = false;           // Mends nothing.
  bool no_implicit_end = false;  // A tool call does not end thinking.
};

namespace detail {

inline Piece ViewPiece(const baleen_piece& c) {
  Piece piece;
  piece.channel = static_cast<Channel>(c.channel);
  piece.call_index = c.call_index;
  piece.call_id = View(c.call_id);
  piece.tool = View(c.tool);
  piece.text = std::string_view(c.text, c.text_size);
  return piece;
}

}  // namespace detail

// Reads one turn of the model.  Made by Model::NewReply.
class Reply {
 public:
  Reply() = default;
  // Of a model; `keep` is what must outlive it.
  Reply(baleen_model* model, std::shared_ptr<const void> keep,
        const ReplyOptions& options, Error* error BALEEN_OR_THROW)
      : handle_(nullptr, Release{std::move(keep)}) {
    const detail::Names names({options.tools});
    if (names.failure()) {
      detail::Report(names.failure(), error);
      return;
    }
    auto c = detail::Sized<baleen_reply_options>();
    c.flags =
        detail::Flag(options.strict, BALEEN_REPLY_STRICT) |
        detail::Flag(options.no_implicit_end, BALEEN_REPLY_NO_IMPLICIT_END);
    c.thinking = static_cast<baleen_thinking>(options.thinking);
    c.tools = names.Optional(0);
    baleen_reply* made = nullptr;
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_reply_create(model, &c, &made, wrong);
    });
    handle_.reset(made);
  }

  baleen_reply* get() const { return handle_.get(); }
  explicit operator bool() const { return handle_ != nullptr; }

  // Reads further tokens of the turn.
  void Add(Span<const Token> tokens, Error* error BALEEN_OR_THROW) {
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_reply_add(get(), tokens.data(), tokens.size(), wrong);
    });
  }

  // The same for a model that runs elsewhere.
  void AddText(std::string_view text, Error* error BALEEN_OR_THROW) {
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_reply_add_text(get(), text.data(), text.size(), wrong);
    });
  }

  // Says that the turn is over.
  void Finish(Error* error BALEEN_OR_THROW) {
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_reply_finish(get(), wrong);
    });
  }

  // Takes the next piece, lent until the next call.
  std::optional<Piece> Next() {
    auto c = detail::Sized<baleen_piece>();
    if (!handle_ || baleen_reply_next(get(), &c) == 0) return std::nullopt;
    return detail::ViewPiece(c);
  }

  // The turn so far, with its tokens, fit to be the next prompt's last.
  baleen::Message Message(Error* error BALEEN_OR_THROW) {
    baleen_message c{};
    if (!detail::Check(error, [&](baleen_error* wrong) {
          return baleen_reply_message(get(), &c, wrong);
        })) {
      return {};
    }
    return detail::CopyMessage(c);
  }

 private:
  struct Release {
    std::shared_ptr<const void> keep;  // The release may still log.
    void operator()(baleen_reply* reply) const { baleen_reply_release(reply); }
  };

  std::unique_ptr<baleen_reply, Release> handle_;
};

}  // namespace cpp
}  // namespace baleen
