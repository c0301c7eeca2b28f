// The first step of reading a reply: tokens or text become text with marks
// (reply_marks.h), whole characters of it at a time.
//
// Bytes that are no UTF-8 become U+FFFD, as in Python.  Names of special tokens
// that are not the grammars' business, such as "<｜User｜>", vanish: models leak
// them (text.md §2.2); or stay, for the strict grammar.
#pragma once

#include <iterator>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "text/reply_marks.h"
#include "text/tokenizer.h"
#include "text/utf8_stream.h"

namespace baleen {

class ReplySource {
 public:
  ReplySource(const Tokenizer* tokenizer, bool keep_names, Memory* memory);

  // Append what is certain to `out`.  REQUIRES: a known token.
  void AddToken(baleen_token token, String* out);
  void AddText(std::string_view text, String* out);
  // Appends what was held back, but for a name that was cut off.
  void Finish(String* out);

 private:
  // Whether the text begins with a special token's name.
  enum class NameKind { kNone, kPartial, kMark, kOther };
  struct Name {
    NameKind kind = NameKind::kNone;
    char mark = 0;
    size_t size = 0;
  };
  Name FindName(std::string_view text) const;
  void AddOther(std::string_view name, String* out);
  void FlushText(String* out);

  const Tokenizer* tokenizer_;
  const bool keep_names_;
  baleen_token marks_[std::size(kMarkNames)];
  Utf8Stream stream_;
  String text_;  // What may be the beginning of a name.
  String decoded_;
};

}  // namespace baleen
