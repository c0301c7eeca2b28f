// Text that comes in pieces, such as token by token, as whole characters.
//
// A token may end inside a character; what is handed on never does.  Bytes that
// cannot be part of any become U+FFFD, one for each beginning of a character
// that breaks off, but not before that is certain.
#pragma once

#include <string_view>

#include "base/memory.h"

namespace baleen {

class Utf8Stream {
 public:
  // Appends the characters that `bytes` completes or holds to *text, and keeps
  // the beginning of one at the end.  Left by an exception, neither the stream
  // nor *text has changed.
  void Write(std::string_view bytes, String* text);

  // The end: what is still held back is no character.
  void Finish(String* text);

  size_t held_size() const { return held_size_; }

 private:
  // The beginning of a character.
  char held_[4];
  size_t held_size_ = 0;
};

}  // namespace baleen
