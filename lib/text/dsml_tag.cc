#include "text/dsml_tag.h"

#include <algorithm>

#include "text/reply_marks.h"

namespace baleen {
namespace {

// Longer ones are no tags: nothing is held back for ever.
constexpr size_t kTagLimit = 1024;
constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kPlainMark = "DSML｜";

struct TagName {
  std::string_view name;
  DsmlTagKind begin;
  DsmlTagKind end;
};
constexpr TagName kTagNames[] = {
    {"tool_calls", kBlockBegin, kBlockEnd},
    {"invoke", kInvokeBegin, kInvokeEnd},
    {"parameter", kParameterBegin, kParameterEnd},
};

void TrimLeft(std::string_view* text) {
  text->remove_prefix(std::min(text->find_first_not_of(kSpace), text->size()));
}

void TrimRight(std::string_view* text) {
  const size_t last = text->find_last_not_of(kSpace);
  text->remove_suffix(text->size() -
                      (last == std::string_view::npos ? 0 : last + 1));
}

bool Skip(std::string_view expected, std::string_view* text) {
  if (!text->starts_with(expected)) return false;
  text->remove_prefix(expected.size());
  return true;
}

// `name="`
bool SkipName(std::string_view* text) {
  TrimLeft(text);
  if (!Skip("name", text)) return false;
  TrimLeft(text);
  if (!Skip("=", text)) return false;
  TrimLeft(text);
  return Skip("\"", text);
}

// `name="NAME"`.  Nothing escapes quotes, so a name may have them.
bool ReadInvoke(std::string_view head, DsmlTag* tag) {
  if (!SkipName(&head)) return false;
  size_t quote = head.find('"');
  if (quote == std::string_view::npos) return false;
  const std::string_view behind = head.substr(quote + 1);
  if (!behind.empty() &&
      kSpace.find(behind.front()) == std::string_view::npos) {
    if (!head.ends_with('"')) return false;
    quote = head.size() - 1;
  }
  tag->name = head.substr(0, quote);
  return !tag->name.empty();
}

// `name="KEY" string="true"`, or another value, or without it.
bool ReadParameter(std::string_view head, DsmlTag* tag) {
  if (!SkipName(&head)) return false;
  for (const std::string_view mark : {"string=\"true\"", "string=\"false\""}) {
    if (!head.ends_with(mark)) continue;
    std::string_view key = head.substr(0, head.size() - mark.size());
    TrimRight(&key);
    if (!key.ends_with('"')) return false;
    tag->name = key.substr(0, key.size() - 1);
    tag->mark =
        mark.ends_with("true\"") ? ValueMark::kString : ValueMark::kJson;
    return true;
  }
  const size_t quote = head.find('"');
  if (quote == std::string_view::npos) return false;
  tag->name = head.substr(0, quote);
  head.remove_prefix(quote + 1);
  if (head.empty()) return true;
  TrimLeft(&head);
  if (!Skip("string", &head)) return false;
  TrimLeft(&head);
  if (!Skip("=", &head)) return false;
  TrimLeft(&head);
  if (!Skip("\"", &head) || !head.ends_with('"')) return false;
  tag->value = head.substr(0, head.size() - 1);
  return true;
}

bool ReadHead(std::string_view head, DsmlTag* tag) {
  TrimRight(&head);
  tag->closed = head.ends_with('/');
  if (tag->closed) {
    head.remove_suffix(1);
    TrimRight(&head);
  }
  return tag->kind == kInvokeBegin ? ReadInvoke(head, tag)
                                   : ReadParameter(head, tag);
}

DsmlTag Partial(std::string_view text) {
  DsmlTag tag;
  tag.partial = text.size() < kTagLimit;
  return tag;
}

// The rest of a tag behind its name.
DsmlTag ReadRest(std::string_view text, size_t at, DsmlTagKind kind) {
  DsmlTag tag;
  tag.kind = kind;
  if (kind != kInvokeBegin && kind != kParameterBegin) {
    at = std::min(text.find_first_not_of(kSpace, at), text.size());
    if (at == text.size()) return Partial(text);
    tag.size = at + 1;
    return text[at] == '>' ? tag : DsmlTag();
  }
  if (at == text.size()) return Partial(text);
  if (kSpace.find(text[at]) == std::string_view::npos) return {};
  // A name may have a ">", so the tag ends where what is before makes sense.
  const size_t limit = std::min(text.size(), kTagLimit);
  for (size_t i = at; i < limit && !IsMark(text[i]); ++i) {
    if (text[i] != '>' || !ReadHead(text.substr(at, i - at), &tag)) continue;
    tag.size = i + 1;
    return tag;
  }
  return FindMark(text.substr(at)) + at < limit ? DsmlTag() : Partial(text);
}

}  // namespace

DsmlTag ReadDsmlTag(std::string_view text, unsigned wanted) {
  size_t at = 1;
  if (at == text.size()) return Partial(text);
  const bool ends = text[at] == '/';
  if (ends && ++at == text.size()) return Partial(text);
  const std::string_view behind = text.substr(at);
  if (behind.front() == kMarkDsml) {
    at += 1;
  } else if (behind.starts_with(kPlainMark)) {
    at += kPlainMark.size();
  } else {
    return kPlainMark.starts_with(behind) ? Partial(text) : DsmlTag();
  }
  const std::string_view name = text.substr(at);
  bool partial = false;
  for (const TagName& known : kTagNames) {
    const DsmlTagKind kind = ends ? known.end : known.begin;
    if ((kind & wanted) == 0) continue;
    if (name.starts_with(known.name)) {
      return ReadRest(text, at + known.name.size(), kind);
    }
    partial = partial || known.name.starts_with(name);
  }
  return partial ? Partial(text) : DsmlTag();
}

bool IsCutDsmlTag(std::string_view text) {
  return FindMark(text) < text.size() || text.starts_with("<DSML") ||
         text.starts_with("</DSML");
}

}  // namespace baleen
