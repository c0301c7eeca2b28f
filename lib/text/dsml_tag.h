// Reads one tag of a tool call, as models write it and as they get it wrong:
// with other spaces, closed in itself, without the first bar, with the value
// where "true" or "false" should be (text.md §2.2).
#pragma once

#include <cstddef>
#include <string_view>

#include "text/tool_schema.h"

namespace baleen {

// Kinds of tags, as bits.
enum DsmlTagKind : unsigned {
  kNoTag = 0,
  kBlockBegin = 1u << 0,
  kBlockEnd = 1u << 1,
  kInvokeBegin = 1u << 2,
  kInvokeEnd = 1u << 3,
  kParameterBegin = 1u << 4,
  kParameterEnd = 1u << 5
};

struct DsmlTag {
  DsmlTagKind kind = kNoTag;
  bool partial = false;  // More text is needed to tell.
  size_t size = 0;       // Of the whole tag.
  bool closed = false;   // In itself: "/>".
  // What is called, or the parameter's name; with marks.
  std::string_view name;
  // Of a parameter:
  ValueMark mark = ValueMark::kNone;
  std::string_view value;  // What stood in place of "true" or "false".
};

// The tag of one of the kinds `wanted` that the text, which has marks, begins
// with.  REQUIRES: the text begins with "<".
DsmlTag ReadDsmlTag(std::string_view text, unsigned wanted);

// Whether the text, of a reply that is over, is the beginning of a tag rather
// than a "<" that somebody wrote.
bool IsCutDsmlTag(std::string_view text);

}  // namespace baleen
