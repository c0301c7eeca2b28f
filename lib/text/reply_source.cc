#include "text/reply_source.h"

#include <iterator>

namespace baleen {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kNameBegin = "<｜";
constexpr std::string_view kNameEnd = "｜>";
constexpr std::string_view kBar = "｜";
constexpr size_t kNameLimit = 96;  // The longest of the V4 files has 38 bytes.

struct Character {
  size_t size = 1;  // Of it, or of what is to be replaced.
  bool valid = false;
  bool partial = false;  // More bytes are needed to tell.
};

// The character that `text` begins with.  What is none is cut where Python cuts
// it: behind the longest part that could have begun one.
Character ReadCharacter(std::string_view text) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned>(static_cast<unsigned char>(text[i]));
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true, false};
  if (lead < 0xC2 || lead > 0xF4) return {1, false, false};
  const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  for (size_t i = 1; i < size; ++i) {
    if (i == text.size()) return {i, false, true};
    unsigned low = 0x80;
    unsigned high = 0xBF;
    if (i == 1 && lead == 0xE0) low = 0xA0;   // Overlong.
    if (i == 1 && lead == 0xED) high = 0x9F;  // Surrogates.
    if (i == 1 && lead == 0xF0) low = 0x90;
    if (i == 1 && lead == 0xF4) high = 0x8F;  // Beyond U+10FFFF.
    if (byte(i) < low || byte(i) > high) return {i, false, false};
  }
  return {size, true, false};
}

bool IsBarName(std::string_view name) {
  return name.starts_with(kNameBegin) && name.ends_with(kNameEnd);
}

}  // namespace

ReplySource::ReplySource(const Tokenizer* tokenizer, bool keep_names,
                         Memory* memory)
    : tokenizer_(tokenizer),
      keep_names_(keep_names),
      bytes_(memory),
      text_(memory),
      decoded_(memory),
      scratch_(memory) {
  for (size_t i = 0; i < std::size(kMarkNames); ++i) {
    marks_[i] = tokenizer->Find(kMarkNames[i].name);
  }
}

void ReplySource::AddToken(baleen_token token, String* out) {
  FlushText(out);
  for (size_t i = 0; i < std::size(kMarkNames); ++i) {
    if (token != marks_[i]) continue;
    FlushBytes(out);
    out->push_back(kMarkNames[i].mark);
    return;
  }
  decoded_.clear();
  const bool added = tokenizer_->IsAdded(token);
  tokenizer_->Decode(token, added, &decoded_);
  if (added && IsBarName(decoded_)) {
    AddOther(decoded_, out);
  } else {
    AddBytes(decoded_, out);
  }
}

void ReplySource::AddOther(std::string_view name, String* out) {
  FlushBytes(out);
  if (keep_names_) out->append(name);
}

void ReplySource::AddBytes(std::string_view bytes, String* out) {
  if (!bytes_.empty()) {
    bytes_.append(bytes);
    bytes = bytes_;
  }
  while (!bytes.empty()) {
    const Character character = ReadCharacter(bytes);
    if (character.partial) break;
    out->append(character.valid ? bytes.substr(0, character.size)
                                : kReplacement);
    bytes.remove_prefix(character.size);
  }
  scratch_.assign(bytes);
  bytes_.swap(scratch_);
}

void ReplySource::FlushBytes(String* out) {
  if (bytes_.empty()) return;
  out->append(kReplacement);
  bytes_.clear();
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
      text.substr(kNameBegin.size(), kNameLimit - kNameBegin.size());
  const size_t bar = inside.find(kBar);
  if (inside.substr(0, bar).find_first_of("<>\n") != std::string_view::npos) {
    return {};
  }
  if (bar == std::string_view::npos) {
    return {text.size() < kNameLimit ? NameKind::kPartial : NameKind::kNone, 0,
            0};
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
      AddBytes(run, out);
      at += run.size();
      continue;
    }
    const Name name = FindName(rest);
    if (name.kind == NameKind::kPartial) break;
    if (name.kind == NameKind::kMark) {
      FlushBytes(out);
      out->push_back(name.mark);
    } else if (name.kind == NameKind::kOther) {
      AddOther(rest.substr(0, name.size), out);
    } else {
      AddBytes(rest.substr(0, 1), out);
    }
    at += name.kind == NameKind::kNone ? 1 : name.size;
  }
  text_.erase(0, at);
}

// Text that turned out to be no name.
void ReplySource::FlushText(String* out) {
  if (text_.empty()) return;
  AddBytes(text_, out);
  text_.clear();
}

void ReplySource::Finish(String* out) {
  const bool cut = text_.starts_with(kNameBegin) || text_.starts_with("｜D");
  if (cut && !keep_names_) text_.clear();
  FlushText(out);
  FlushBytes(out);
}

}  // namespace baleen
