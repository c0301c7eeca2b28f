#include "session/generate.h"

#include <algorithm>
#include <array>

#include "session/stop_filter.h"

namespace baleen {
namespace {

// What the generation loop keeps between tokens.
class Listener {
 public:
  Listener(const baleen_generation& generation, Memory* memory)
      : generation_(generation),
        filter_({generation.stops, generation.stop_count}, memory),
        text_(memory) {}

  // Hands the pieces that `reply` has to the host; stop texts are looked for
  // in the answer.
  baleen_finish Drain(Reply* reply) {
    baleen_piece piece = {};
    while (reply->Next(&piece)) {
      if (piece.channel != BALEEN_CHANNEL_ANSWER) {
        // A stop text does not reach across a change of channel.
        if (!Flush() || !Tell(piece)) return BALEEN_FINISH_CALLBACK;
        continue;
      }
      text_.clear();
      const bool stop = filter_.Add(
          {piece.text, static_cast<size_t>(piece.text_size)}, &text_);
      if (!TellAnswer(piece)) return BALEEN_FINISH_CALLBACK;
      if (stop) return BALEEN_FINISH_STOP;
    }
    return BALEEN_FINISH_NONE;
  }

  // What the filter held back is part of the answer after all.
  bool Flush() {
    text_.clear();
    filter_.Flush(&text_);
    baleen_piece piece = {};
    piece.struct_size = sizeof piece;
    piece.channel = BALEEN_CHANNEL_ANSWER;
    return TellAnswer(piece);
  }

 private:
  // False if the host wants no more.
  bool TellAnswer(baleen_piece piece) {
    if (text_.empty()) return true;
    piece.text = text_.c_str();
    piece.text_size = text_.size();
    return Tell(piece);
  }

  bool Tell(const baleen_piece& piece) {
    return generation_.on_piece == nullptr ||
           generation_.on_piece(generation_.user_data, &piece) == 0;
  }

  const baleen_generation& generation_;
  StopFilter filter_;
  String text_;
};

// A prompt that leaves thinking open ends with the tag that opens it.
baleen_thinking ThinkingOfPrompt(const Session& session) {
  const baleen_token open = session.bundle().tokenizer()->Find("<think>");
  const auto tokens = session.tokens();
  return open >= 0 && !tokens.empty() && tokens.back() == open
             ? BALEEN_THINKING_ON
             : BALEEN_THINKING_OFF;
}

bool IsFull(const Session& session) {
  return session.tokens().size() >= session.capacity();
}

// Lets the reply and the host hear of a token.
Status Hear(const Session& session, baleen_token token, Reply* reply,
            Listener* listener, baleen_finish* finish) {
  BALEEN_RETURN_IF_ERROR(reply->AddTokens({&token, 1}));
  if (session.bundle().IsEnd(token)) {
    BALEEN_RETURN_IF_ERROR(reply->Finish());
    *finish =
        reply->called_tools() ? BALEEN_FINISH_TOOL_CALL : BALEEN_FINISH_END;
  }
  const baleen_finish heard = listener->Drain(reply);
  if (heard != BALEEN_FINISH_NONE) *finish = heard;
  return Status();
}

// Chooses tokens until there is a reason to stop.
Status Run(Session* session, const baleen_generation& generation,
           const baleen_sampling& sampling, Reply* reply, Listener* listener,
           baleen_finish* finish) {
  for (uint64_t count = 0;;) {
    if (generation.max_tokens > 0 && count == generation.max_tokens) {
      *finish = BALEEN_FINISH_LIMIT;
      return Status();
    }
    if (IsFull(*session)) {
      *finish = BALEEN_FINISH_FULL;
      return Status();
    }
    std::array<baleen_token, kMostGuesses + 1> tokens;
    size_t room = tokens.size();
    if (generation.max_tokens > 0) {
      room = static_cast<size_t>(
          std::min<uint64_t>(room, generation.max_tokens - count));
    }
    size_t chosen = 0;
    BALEEN_RETURN_IF_ERROR(
        session->Step(sampling, std::span(tokens).first(room), &chosen));
    for (size_t i = 0; i < chosen; ++i) {
      const Status heard = Hear(*session, tokens[i], reply, listener, finish);
      if (heard.ok() && *finish == BALEEN_FINISH_NONE) continue;
      // Guesses that came true behind the end were not asked for.
      session->TakeBack(chosen - i - 1);
      return heard;
    }
    count += chosen;
  }
}

}  // namespace

Status Generate(Session* session, const baleen_generation& generation,
                const baleen_sampling& sampling, Reply* reply,
                baleen_finish* finish) {
  if (session->bundle().tokenizer() == nullptr) {
    return Unsupported("the model has no tokenizer, so it cannot write text");
  }
  if (session->tokens().empty()) {
    return NotFound("the session is empty, so nothing follows from it");
  }
  Memory* memory = session->bundle().memory();
  Owned<Reply> own_reply;
  if (reply == nullptr) {
    baleen_reply_options options = {};
    options.struct_size = sizeof options;
    options.thinking = ThinkingOfPrompt(*session);
    BALEEN_ASSIGN_OR_RETURN(
        own_reply,
        Reply::Create(session->bundle().tokenizer(), options, memory));
    reply = own_reply.get();
  }
  Listener listener(generation, memory);
  baleen_finish reason = BALEEN_FINISH_NONE;
  BALEEN_RETURN_IF_ERROR(
      Run(session, generation, sampling, reply, &listener, &reason));
  // The host wants no more after its own request or a stop text; otherwise what
  // was held back belongs to it.
  if (reason != BALEEN_FINISH_CALLBACK && reason != BALEEN_FINISH_STOP) {
    if (own_reply && !reply->finished()) {
      BALEEN_RETURN_IF_ERROR(reply->Finish());
      listener.Drain(reply);
    }
    listener.Flush();
  }
  *finish = reason;
  return Status();
}

}  // namespace baleen
