// Special tokens in the text of a reply, as single bytes.
//
// Once text is repaired UTF-8 it has no byte above 0xF4, so bytes from 0xFB on
// can stand for the few special tokens that the grammars look for.  A grammar
// then cannot mistake the name of a token for the token, and sees the same text
// whether the turn came as tokens or as text.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/memory.h"
#include "text/chat_texts.h"

namespace baleen {

inline constexpr char kMarkDsml = '\xFF';
inline constexpr char kMarkThinkEnd = '\xFE';
inline constexpr char kMarkThink = '\xFD';
inline constexpr char kMarkEnd = '\xFC';
inline constexpr char kMarkBegin = '\xFB';

struct MarkName {
  char mark;
  std::string_view name;
};
inline constexpr MarkName kMarkNames[] = {
    {kMarkDsml, kDsmlText},   {kMarkThinkEnd, kThinkEndText},
    {kMarkThink, kThinkText}, {kMarkEnd, kEndText},
    {kMarkBegin, kBeginText},
};

inline bool IsMark(char c) { return static_cast<unsigned char>(c) >= 0xFB; }

// Where the first mark is, or one of `others`; the size if there is none.
inline size_t FindMark(std::string_view text, std::string_view others = {}) {
  size_t i = 0;
  while (i < text.size() && !IsMark(text[i]) &&
         others.find(text[i]) == std::string_view::npos) {
    ++i;
  }
  return i;
}

// Appends the text with the names of its marks.
inline void AppendUnmarked(std::string_view text, String* out) {
  while (!text.empty()) {
    const size_t plain = FindMark(text);
    out->append(text.substr(0, plain));
    if (plain == text.size()) return;
    for (const MarkName& mark : kMarkNames) {
      if (mark.mark == text[plain]) out->append(mark.name);
    }
    text.remove_prefix(plain + 1);
  }
}

}  // namespace baleen
