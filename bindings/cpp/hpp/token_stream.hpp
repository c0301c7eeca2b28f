// Tokens as a range, chosen as one asks for them.
#pragma once

#include <array>
#include <cstddef>
#include <iterator>
#include <utility>

#include "session.hpp"

namespace baleen {
inline namespace cpp {

// Chooses and reads one token after another, until the model ends its turn, or
// one stops asking:
//
//   for (baleen::Token token : session.Stream()) { ... }
//
// Guesses that came true make the session run ahead of the iterator; when the
// stream ends, the session goes back to what was taken.  The session stays
// where it is meanwhile.  With an Error*, a failure ends the range.
class TokenStream {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Token;
    using difference_type = std::ptrdiff_t;
    using pointer = const Token*;
    using reference = Token;

    Iterator() = default;
    explicit Iterator(TokenStream* stream) : stream_(stream) { ++*this; }

    Token operator*() const { return token_; }
    Iterator& operator++() {
      if (!stream_->Next(&token_)) stream_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.stream_ == b.stream_;
    }
    friend bool operator!=(const Iterator& a, const Iterator& b) {
      return !(a == b);
    }

   private:
    TokenStream* stream_ = nullptr;
    Token token_ = -1;
  };

  TokenStream(Session* session, Sampling sampling, Error* error BALEEN_OR_THROW)
      : session_(session),
        sampling_(std::move(sampling)),
        error_(error),
        taken_(session->tokens().size()) {
    if (error != nullptr) *error = Error();
  }
  TokenStream(const TokenStream&) = delete;
  TokenStream& operator=(const TokenStream&) = delete;
  ~TokenStream() {
    if (session_->tokens().size() > taken_) {
      // A cancel that has been asked for is for the next call.
      baleen_session_truncate(session_->get(), taken_, nullptr);
    }
  }

  // Goes on where the range was left.
  Iterator begin() { return Iterator(this); }
  Iterator end() { return Iterator(); }

  // Takes the next token; false if there is none.
  bool Next(Token* token) {
    if (ended_) return false;
    if (next_ == count_) {
      ended_ = true;  // Should this throw.
      next_ = 0;
      count_ = session_->Step(sampling_, Span<Token>(chosen_), error_).size();
      ended_ = count_ == 0;
      if (ended_) return false;
    }
    *token = chosen_[next_++];
    ++taken_;
    ended_ = baleen_model_is_end(session_->parts().model.get(), *token) != 0;
    return !ended_;
  }

 private:
  // More than any drafter guesses at once.
  static constexpr size_t kChosen = 16;

  Session* session_;
  Sampling sampling_;
  Error* error_;
  std::array<Token, kChosen> chosen_{};
  size_t next_ = 0;
  size_t count_ = 0;
  size_t taken_;  // Of the session's tokens.
  bool ended_ = false;
};

inline TokenStream Session::Stream(Sampling sampling, Error* error) {
  return TokenStream(this, std::move(sampling), error);
}

}  // namespace cpp
}  // namespace baleen
