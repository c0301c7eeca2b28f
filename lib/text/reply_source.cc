#include "text/reply_source.h"

#include <iterator>

namespace baleen {
namespace {

constexpr std::string_view kNameBegin = "<｜";
constexpr std::string_view kNameEnd = "｜>";
constexpr std::string_view kBar = "｜";
constexpr size_t kNameLimit = 96;  // The longest of the V4 files has 38 bytes.

bool IsBarName(std::string_view name) {
  return name.starts_with(kNameBegin) && name.ends_with(kNameEnd);
}

}  // namespace

ReplySource::ReplySource(const Tokenizer* tokenizer, bool keep_names,
                         Memory* memory)
    : tokenizer_(tokenizer),
      keep_names_(keep_names),
      text_(memory),
      decoded_(memory) {
  for (size_t i = 0; i < std::size(kMarkNames); ++i) {
    marks_[i] = tokenizer->Find(kMarkNames[i].name);
  }
}

void ReplySource::AddToken(baleen_token token, String* out) {
  FlushText(out);
  for (size_t i = 0; i < std::size(kMarkNames); ++i) {
    if (token != marks_[i]) continue;
    stream_.Finish(out);
    out->push_back(kMarkNames[i].mark);
    return;
  }
  decoded_.clear();
  const bool added = tokenizer_->IsAdded(token);
  tokenizer_->Decode(token, added, &decoded_);
  if (added && IsBarName(decoded_)) {
    AddOther(decoded_, out);
  } else {
    stream_.Write(decoded_, out);
  }
}

void ReplySource::AddOther(std::string_view name, String* out) {
  stream_.Finish(out);
  if (keep_names_) out->append(name);
}

ReplySource::Name ReplySource::FindName(std::string_view text) const {
  bool partial = false;
  for (const MarkName& mark : kMarkNames) {
    if (text.starts_with(mark.name)) {
      return {NameKind::kMark, mark.mark, mark.name.size()};
    }
    partial = partial || mark.name.starts_with(text);
  }
  if (partial) return {NameKind::kPartial, 0, 0};
  if (!text.starts_with(kNameBegin)) return {};
  const std::string_view inside =
      text.substr(kNameBegin.size(), kNameLimit + kNameEnd.size());
  const size_t bar = inside.find(kBar);
  if (inside.substr(0, bar).find_first_of("<>\n") != std::string_view::npos ||
      (bar != std::string_view::npos && bar > kNameLimit)) {
    return {};
  }
  if (bar == std::string_view::npos) {
    const bool whole = inside.size() == kNameLimit + kNameEnd.size();
    return {whole ? NameKind::kNone : NameKind::kPartial, 0, 0};
  }
  const std::string_view end = inside.substr(bar);
  if (end.size() < kNameEnd.size()) return {NameKind::kPartial, 0, 0};
  if (!end.starts_with(kNameEnd)) return {};
  const size_t size = kNameBegin.size() + bar + kNameEnd.size();
  const baleen_token token = tokenizer_->Find(text.substr(0, size));
  if (token < 0 || !tokenizer_->IsAdded(token)) return {};
  return {NameKind::kOther, 0, size};
}

void ReplySource::AddText(std::string_view text, String* out) {
  text_.append(text);
  size_t at = 0;
  while (at < text_.size()) {
    const std::string_view rest = std::string_view(text_).substr(at);
    const size_t plain = rest.find_first_of("<\xEF");
    if (plain != 0) {
      const std::string_view run = rest.substr(0, plain);
      stream_.Write(run, out);
      at += run.size();
      continue;
    }
    const Name name = FindName(rest);
    if (name.kind == NameKind::kPartial) break;
    if (name.kind == NameKind::kMark) {
      stream_.Finish(out);
      out->push_back(name.mark);
    } else if (name.kind == NameKind::kOther) {
      AddOther(rest.substr(0, name.size), out);
    } else {
      stream_.Write(rest.substr(0, 1), out);
    }
    at += name.kind == NameKind::kNone ? 1 : name.size;
  }
  text_.erase(0, at);
}

// Text that turned out to be no name.
void ReplySource::FlushText(String* out) {
  if (text_.empty()) return;
  stream_.Write(text_, out);
  text_.clear();
}

void ReplySource::Finish(String* out) {
  const bool cut = text_.starts_with(kNameBegin) || text_.starts_with("｜D");
  if (cut && !keep_names_) text_.clear();
  FlushText(out);
  stream_.Finish(out);
}

}  // namespace baleen
