#include "text/reply_tolerant.h"

#include <algorithm>

#include "text/python_json.h"
#include "text/reply_marks.h"

namespace baleen {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(kSpace) == std::string_view::npos;
}

}  // namespace

TolerantReply::TolerantReply(bool thinking, bool implicit_end,
                             const ToolSchemas* schemas, ReplyRecord* record,
                             Memory* memory)
    : schemas_(schemas),
      record_(record),
      state_(thinking ? State::kThinking : State::kAnswer),
      implicit_end_(implicit_end),
      pending_(memory),
      spaces_(memory),
      keys_(memory),
      key_(memory),
      tag_value_(memory),
      value_(memory),
      scratch_(memory) {}

void TolerantReply::Add(std::string_view marked) {
  pending_.Append(marked);
  while (!pending_.rest().empty() && Step()) {
  }
}

bool TolerantReply::Step() {
  switch (state_) {
    case State::kThinking:
    case State::kAnswer:
      return Text();
    case State::kBehindBlock:
      return BehindBlock();
    case State::kBlock:
      return Block();
    case State::kCall:
      return Call();
    case State::kBody:
      return Body();
    case State::kValue:
      return Value();
    case State::kEnd:
      pending_.Take(pending_.rest().size());
      return false;
  }
  return false;
}

unsigned TolerantReply::WantedInText() const {
  if (state_ != State::kThinking) return kBlockBegin | kInvokeBegin;
  return implicit_end_ ? kBlockBegin : kNoTag;
}

baleen_channel TolerantReply::Channel() const {
  return state_ == State::kThinking ? BALEEN_CHANNEL_THINKING
                                    : BALEEN_CHANNEL_ANSWER;
}

void TolerantReply::Emit(size_t size) {
  record_->AddText(Channel(), pending_.rest().substr(0, size));
  pending_.Take(size);
}

bool TolerantReply::Text() {
  const std::string_view rest = pending_.rest();
  const size_t plain = FindMark(rest, "\n<");
  if (plain > 0) {
    Emit(plain);
    return true;
  }
  if (IsMark(rest.front())) return TextMark();
  // The two line feeds before a block belong to it.
  const size_t feeds = rest.find_first_not_of('\n');
  if (feeds == std::string_view::npos) {
    if (rest.size() <= 2) return false;
    Emit(rest.size() - 2);
    return true;
  }
  if (rest[feeds] != '<') {
    Emit(feeds);
    return true;
  }
  if (feeds > 2) {
    Emit(feeds - 2);
    return true;
  }
  const DsmlTag tag = ReadDsmlTag(rest.substr(feeds), WantedInText());
  if (tag.partial) return false;
  if (tag.kind == kNoTag) {
    Emit(feeds + 1);
  } else {
    if (feeds == 1) Emit(1);
    Enter(tag, feeds == 1 ? 0 : feeds);
  }
  return true;
}

// A special token in text.
bool TolerantReply::TextMark() {
  switch (pending_.rest().front()) {
    case kMarkEnd:
      End();
      return true;
    case kMarkDsml:
      Emit(1);
      return true;
    case kMarkThinkEnd:
      if (state_ == State::kThinking) state_ = State::kAnswer;
      break;
    case kMarkThink:
      // Who begins to think on his own also says where it ends.
      if (state_ == State::kThinking) implicit_end_ = false;
      break;
    default:
      break;
  }
  pending_.Take(1);
  return true;
}

// A block, or a call without one, begins; `before` is what lies before its tag.
void TolerantReply::Enter(const DsmlTag& tag, size_t before) {
  in_block_ = tag.kind == kBlockBegin;
  if (in_block_) {
    pending_.Take(before + tag.size);
    state_ = State::kBlock;
  } else {
    pending_.Take(before);
    BeginCall(tag);
  }
}

bool TolerantReply::BehindBlock() {
  const std::string_view rest = pending_.rest();
  const size_t spaces = std::min(rest.find_first_not_of(kSpace), rest.size());
  if (spaces > 0) {
    spaces_.append(rest.substr(0, spaces));
    pending_.Take(spaces);
    return true;
  }
  if (IsMark(rest.front()) && rest.front() != kMarkDsml) return TextMark();
  if (rest.front() == '<') {
    const DsmlTag tag = ReadDsmlTag(rest, WantedInText() | kBlockEnd);
    if (tag.partial) return false;
    if (tag.kind == kBlockEnd) {  // Of a block that did not begin.
      pending_.Take(tag.size);
      return true;
    }
    if (tag.kind != kNoTag) {
      spaces_.clear();
      Enter(tag, 0);
      return true;
    }
  }
  state_ = State::kAnswer;
  record_->AddText(Channel(), spaces_);
  spaces_.clear();
  return true;
}

bool TolerantReply::Block() {
  const std::string_view rest = pending_.rest();
  const size_t plain = FindMark(rest, "<");
  if (plain > 0) {
    pending_.Take(plain);
    return true;
  }
  if (rest.front() == kMarkEnd) {
    End();
    return true;
  }
  if (rest.front() == '<') {
    const DsmlTag tag = ReadDsmlTag(rest, kInvokeBegin | kBlockEnd);
    if (tag.partial) return false;
    if (tag.kind == kInvokeBegin) {
      BeginCall(tag);
      return true;
    }
    if (tag.kind == kBlockEnd) {
      pending_.Take(tag.size);
      state_ = State::kBehindBlock;
      return true;
    }
  }
  pending_.Take(1);
  return true;
}

void TolerantReply::BeginCall(const DsmlTag& tag) {
  scratch_.assign(tag.name);
  const bool closed = tag.closed;
  pending_.Take(tag.size);
  record_->BeginCall(scratch_, pending_.hash());
  keys_.clear();
  state_ = State::kCall;
  if (closed) CloseCall();
}

void TolerantReply::CloseCall() {
  record_->AddArguments(keys_.empty() ? "{}" : "}");
  record_->EndCall();
  state_ = in_block_ ? State::kBlock : State::kBehindBlock;
}

bool TolerantReply::Call() {
  const std::string_view rest = pending_.rest();
  const char first = rest.front();
  if (first == kMarkEnd) {
    record_->DropCall();
    End();
    return true;
  }
  if (first == '{' && keys_.empty()) {
    value_.clear();
    state_ = State::kBody;
    return true;
  }
  if (first != '<') {
    pending_.Take(1);
    return true;
  }
  const DsmlTag tag = ReadDsmlTag(
      rest, kParameterBegin | kInvokeEnd | kInvokeBegin | kBlockEnd);
  if (tag.partial) return false;
  switch (tag.kind) {
    case kParameterBegin:
      BeginParameter(tag);
      break;
    case kInvokeEnd:
      pending_.Take(tag.size);
      CloseCall();
      break;
    case kBlockEnd:
      in_block_ = true;
      [[fallthrough]];
    case kInvokeBegin:
      CloseCall();
      break;  // Then the tag is read again.
    default:
      pending_.Take(1);
      break;
  }
  return true;
}

bool TolerantReply::Body() {
  const std::string_view rest = pending_.rest();
  const size_t plain = FindMark(rest, "<");
  if (plain == 0 && rest.front() == kMarkEnd) {
    record_->DropCall();
    End();
    return true;
  }
  if (plain == 0 && rest.front() == '<') {
    const DsmlTag tag = ReadDsmlTag(rest, kInvokeEnd);
    if (tag.partial) return false;
    if (tag.kind == kInvokeEnd) {
      pending_.Take(tag.size);
      EndBody();
      return true;
    }
  }
  const size_t size = std::max<size_t>(plain, 1);
  AppendUnmarked(rest.substr(0, size), &value_);
  pending_.Take(size);
  return true;
}

void TolerantReply::EndBody() {
  const size_t last = value_.find_last_not_of(kSpace);
  value_.resize(last + 1);
  const Result<JsonDocument> parsed = JsonDocument::Parse(
      value_, "arguments", value_.get_allocator().resource());
  if (parsed.ok() && parsed->root().IsObject()) {
    scratch_.clear();
    AppendPythonJson(parsed->root(), value_.get_allocator().resource(),
                     &scratch_);
    record_->AddArguments(scratch_);
    record_->EndCall();
  } else {
    record_->DropCall();
  }
  state_ = in_block_ ? State::kBlock : State::kBehindBlock;
}

void TolerantReply::BeginParameter(const DsmlTag& tag) {
  key_.clear();
  AppendUnmarked(tag.name, &key_);
  tag_value_.clear();
  AppendUnmarked(tag.value, &tag_value_);
  mark_ = tag.mark;
  value_.clear();
  const bool closed = tag.closed;
  pending_.Take(tag.size);
  state_ = State::kValue;
  skipped_ = !keys_.insert(key_).second;
  if (!skipped_) {
    scratch_.assign(keys_.size() == 1 ? "{" : ", ");
    AppendPythonString(key_, &scratch_);
    scratch_.append(mark_ == ValueMark::kString ? ": \"" : ": ");
    record_->AddArguments(scratch_);
  }
  if (closed) EndParameter();
}

// Strings are said as they come; what must be JSON, once it is whole.
void TolerantReply::AddValue(std::string_view marked) {
  if (skipped_) return;
  if (mark_ != ValueMark::kString) {
    AppendUnmarked(marked, &value_);
    return;
  }
  value_.clear();
  AppendUnmarked(marked, &value_);
  scratch_.clear();
  AppendPythonCharacters(value_, &scratch_);
  record_->AddArguments(scratch_);
}

bool TolerantReply::Value() {
  const std::string_view rest = pending_.rest();
  const size_t plain = FindMark(rest, "<");
  if (plain == 0 && rest.front() == kMarkEnd) {
    record_->DropCall();
    End();
    return true;
  }
  if (plain == 0 && rest.front() == '<') {
    const DsmlTag tag = ReadDsmlTag(rest, kParameterEnd);
    if (tag.partial) return false;
    if (tag.kind == kParameterEnd) {
      pending_.Take(tag.size);
      EndParameter();
      return true;
    }
  }
  const size_t size = std::max<size_t>(plain, 1);
  AddValue(rest.substr(0, size));
  pending_.Take(size);
  return true;
}

void TolerantReply::EndParameter() {
  state_ = State::kCall;
  if (skipped_) return;
  scratch_.clear();
  if (mark_ == ValueMark::kString) {
    scratch_.push_back('"');
  } else {
    const String& value =
        IsBlank(value_) && !tag_value_.empty() ? tag_value_ : value_;
    schemas_->AppendValue(record_->CallName(), key_, value, mark_, &scratch_);
  }
  record_->AddArguments(scratch_);
}

void TolerantReply::End() {
  pending_.Take(pending_.rest().size());
  state_ = State::kEnd;
}

void TolerantReply::Finish() {
  const std::string_view rest = pending_.rest();
  const size_t tag = rest.find('<');
  const bool cut =
      tag != std::string_view::npos && IsCutDsmlTag(rest.substr(tag));
  switch (state_) {
    case State::kThinking:
    case State::kAnswer:
      if (!cut) Emit(rest.size());
      break;
    case State::kBehindBlock:
      if (rest.empty() || cut) break;
      record_->AddText(BALEEN_CHANNEL_ANSWER, spaces_);
      record_->AddText(BALEEN_CHANNEL_ANSWER, rest);
      break;
    case State::kCall:
    case State::kBody:
    case State::kValue:
      record_->DropCall();
      break;
    case State::kBlock:
    case State::kEnd:
      break;
  }
}

}  // namespace baleen
