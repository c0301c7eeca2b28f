#include "text/reply_strict.h"

#include <algorithm>

#include "text/python_json.h"
#include "text/reply_marks.h"

namespace baleen {
namespace {

constexpr std::string_view kBlockBegin = "\n\n<\xFFtool_calls";
constexpr std::string_view kSpace = " \t\n\r\f\v\x1c\x1d\x1e\x1f";

Status MisplacedToken() {
  return Corrupt("the reply has a special token where text should be");
}

Status MalformedParameter() {
  return Corrupt("the reply has a tool call with a malformed parameter");
}

// `name="NAME">`, a line feed, and perhaps a second one: the authors' `$` also
// matches before it, which is how a call without parameters gets by.
bool ReadInvokeHead(std::string_view head, std::string_view* name) {
  constexpr std::string_view kBegin = "name=\"";
  constexpr std::string_view kEnd = "\">\n";
  head.remove_prefix(std::min(head.find_first_not_of(kSpace), head.size()));
  if (!head.starts_with(kBegin)) return false;
  head.remove_prefix(kBegin.size());
  if (head.ends_with("\">\n\n")) head.remove_suffix(1);
  if (!head.ends_with(kEnd)) return false;
  head.remove_suffix(kEnd.size());
  *name = head;
  return true;
}

}  // namespace

StrictReply::StrictReply(bool thinking, ReplyRecord* record, Memory* memory)
    : record_(record),
      state_(thinking ? State::kThinking : State::kContent),
      pending_(memory),
      keys_(memory),
      scratch_(memory),
      json_(memory) {}

void StrictReply::GoTo(State state) {
  state_ = state;
  searched_ = 0;
}

Status StrictReply::Add(std::string_view marked) {
  if (!status_.ok()) return status_;
  pending_.Append(marked);
  bool more = true;
  while (more && status_.ok()) {
    more = false;
    status_ = Step(&more);
  }
  return status_;
}

Status StrictReply::Step(bool* more) {
  if (pending_.rest().empty()) return Status();
  switch (state_) {
    case State::kThinking:
      return Thinking(more);
    case State::kContent:
      return Content(more);
    case State::kBlock:
      return BetweenTags(">\n<\xFFinvoke", State::kInvoke,
                         ">\n</\xFFtool_calls>", more);
    case State::kInvoke:
      return Invoke(more);
    case State::kParameter:
      return Parameter(more);
    case State::kValue:
      return Value(more);
    case State::kBehindValue:
      return BetweenTags(">\n<\xFFparameter", State::kParameter,
                         ">\n</\xFFinvoke", more);
    case State::kBehindBlock:
      return BehindBlock(more);
    case State::kEnd:
      return Corrupt("the reply goes on after its end");
  }
  return Status();
}

Status StrictReply::Thinking(bool* more) {
  const std::string_view rest = pending_.rest();
  const size_t plain = FindMark(rest);
  record_->AddText(BALEEN_CHANNEL_THINKING, rest.substr(0, plain));
  if (plain == rest.size()) {
    pending_.Take(plain);
    return Status();
  }
  if (rest[plain] != kMarkThinkEnd) return MisplacedToken();
  pending_.Take(plain + 1);
  GoTo(State::kContent);
  *more = true;
  return Status();
}

Status StrictReply::Content(bool* more) {
  const std::string_view rest = pending_.rest();
  const size_t plain = FindMark(rest, "\n");
  record_->AddText(BALEEN_CHANNEL_ANSWER, rest.substr(0, plain));
  pending_.Take(plain);
  if (plain == rest.size()) return Status();
  const std::string_view next = pending_.rest();
  if (next.front() == '\n') {
    const Match match = MatchBegin(next, kBlockBegin);
    if (match == Match::kPartial) return Status();
    if (match == Match::kFull) {
      pending_.Take(kBlockBegin.size());
      GoTo(State::kBlock);
    } else {
      record_->AddText(BALEEN_CHANNEL_ANSWER, next.substr(0, 1));
      pending_.Take(1);
    }
  } else if (next.front() == kMarkEnd) {
    pending_.Take(1);
    GoTo(State::kEnd);
  } else {
    return MisplacedToken();
  }
  *more = true;
  return Status();
}

// Exactly `open` or `close` must follow.
Status StrictReply::BetweenTags(std::string_view open, State open_state,
                                std::string_view close, bool* more) {
  const std::string_view rest = pending_.rest();
  const Match opens = MatchBegin(rest, open);
  const Match closes = MatchBegin(rest, close);
  if (opens == Match::kFull) {
    pending_.Take(open.size());
    GoTo(open_state);
  } else if (closes == Match::kFull) {
    pending_.Take(close.size());
    if (state_ == State::kBlock) {
      GoTo(State::kBehindBlock);
    } else {
      EndCall();
    }
  } else if (opens == Match::kPartial || closes == Match::kPartial) {
    return Status();
  } else {
    return Corrupt("the reply has a tool call with text between its tags");
  }
  *more = true;
  return Status();
}

Status StrictReply::Invoke(bool* more) {
  constexpr std::string_view kParameterName = "parameter";
  constexpr std::string_view kInvokeName = "invoke";
  const std::string_view rest = pending_.rest();
  for (;; ++searched_) {
    const size_t mark = rest.find(kMarkDsml, searched_);
    searched_ = std::min(mark, rest.size());
    if (mark == std::string_view::npos) return Status();
    const std::string_view before = rest.substr(0, mark);
    const std::string_view behind = rest.substr(mark + 1);
    const bool closes = before.ends_with("</");
    if (!closes && !before.ends_with('<')) continue;
    const std::string_view name = closes ? kInvokeName : kParameterName;
    const Match match = MatchBegin(behind, name);
    if (match == Match::kPartial) return Status();
    if (match == Match::kNo) continue;
    std::string_view tool;
    if (!ReadInvokeHead(before.substr(0, mark - (closes ? 2 : 1)), &tool)) {
      return Corrupt("the reply has a tool call whose name is malformed");
    }
    scratch_.assign(tool);
    pending_.Take(mark + 1 + name.size());
    record_->BeginCall(scratch_, pending_.hash());
    keys_.clear();
    if (closes) {
      EndCall();
    } else {
      GoTo(State::kParameter);
    }
    *more = true;
    return Status();
  }
}

Status StrictReply::Parameter(bool* more) {
  constexpr std::string_view kBegin = " name=\"";
  constexpr std::string_view kTrue = "\" string=\"true\">";
  constexpr std::string_view kFalse = "\" string=\"false\">";
  const std::string_view rest = pending_.rest();
  const Match begins = MatchBegin(rest, kBegin);
  if (begins == Match::kPartial) return Status();
  if (begins == Match::kNo) return MalformedParameter();
  const size_t from = std::max(searched_, kBegin.size());
  const size_t true_at = rest.find(kTrue, from);
  const size_t false_at = rest.find(kFalse, from);
  const size_t at = std::min(true_at, false_at);
  if (rest.substr(0, at).find("/\xFFparameter", searched_) !=
      std::string_view::npos) {
    return MalformedParameter();
  }
  if (at == std::string_view::npos) {
    // Behind this, neither can have begun.
    searched_ = rest.size() - std::min(rest.size(), kFalse.size());
    return Status();
  }
  const std::string_view key = rest.substr(kBegin.size(), at - kBegin.size());
  scratch_.clear();
  AppendUnmarked(key, &scratch_);
  if (!keys_.insert(scratch_).second) {
    return Corrupt("the reply has a tool call with a parameter twice");
  }
  const bool is_string = at == true_at;
  pending_.Take(at + (is_string ? kTrue.size() : kFalse.size()));
  BeginParameter(scratch_, is_string);
  GoTo(State::kValue);
  *more = true;
  return Status();
}

void StrictReply::BeginParameter(std::string_view key, bool is_string) {
  json_.assign(keys_.size() == 1 ? "{" : ", ");
  AppendPythonString(key, &json_);
  json_.append(is_string ? ": \"" : ": ");
  record_->AddArguments(json_);
  is_string_ = is_string;
  after_slash_ = false;
}

void StrictReply::AddValue(std::string_view marked) {
  if (marked.empty()) return;
  after_slash_ = marked.back() == '/';
  scratch_.clear();
  AppendUnmarked(marked, &scratch_);
  if (is_string_) {
    json_.clear();
    AppendPythonCharacters(scratch_, &json_);
    record_->AddArguments(json_);
  } else {
    record_->AddArguments(scratch_);
  }
}

// The value ends before the first "/DSML parameter", which must follow a "<",
// or that and a line feed (the authors' `$` again).
Status StrictReply::Value(bool* more) {
  constexpr std::string_view kEnds[] = {"</\xFFparameter", "<\n/\xFFparameter"};
  const std::string_view rest = pending_.rest();
  const size_t plain = FindMark(rest, "<");
  AddValue(rest.substr(0, plain));
  pending_.Take(plain);
  if (plain == rest.size()) return Status();
  const std::string_view next = pending_.rest();
  bool partial = false;
  for (const std::string_view end : kEnds) {
    const Match match = MatchBegin(next, end);
    partial = partial || match == Match::kPartial;
    if (match != Match::kFull) continue;
    pending_.Take(end.size());
    if (is_string_) record_->AddArguments("\"");
    GoTo(State::kBehindValue);
    *more = true;
    return Status();
  }
  if (after_slash_ && next.front() == kMarkDsml) {
    const Match match = MatchBegin(next.substr(1), "parameter");
    partial = partial || match == Match::kPartial;
    if (match == Match::kFull) {
      return MalformedParameter();
    }
  }
  if (partial) return Status();
  AddValue(next.substr(0, 1));
  pending_.Take(1);
  *more = true;
  return Status();
}

void StrictReply::EndCall() {
  record_->AddArguments(keys_.empty() ? "{}" : "}");
  record_->EndCall();
  GoTo(State::kBlock);
}

Status StrictReply::BehindBlock(bool* more) {
  if (pending_.rest().front() != kMarkEnd) {
    return Corrupt("the reply has text behind its tool calls");
  }
  pending_.Take(1);
  GoTo(State::kEnd);
  *more = true;
  return Status();
}

Status StrictReply::Finish() {
  if (!status_.ok()) return status_;
  const std::string_view rest = pending_.rest();
  const Status cut = Corrupt("the reply has a tool call that was cut off");
  switch (state_) {
    case State::kThinking:
      status_ = Corrupt("the reply does not end its thinking");
      break;
    case State::kContent:
      if (rest.find(kMarkDsml) == std::string_view::npos) {
        record_->AddText(BALEEN_CHANNEL_ANSWER, rest);
      }
      status_ = Corrupt("the reply has no end");
      break;
    case State::kBlock:
      if (!rest.empty()) status_ = cut;
      break;
    case State::kBehindValue:
      // Cut exactly here it is good enough for the authors.
      if (rest != ">\n") {
        status_ = cut;
      } else {
        EndCall();
      }
      break;
    case State::kInvoke:
    case State::kParameter:
    case State::kValue:
      status_ = cut;
      break;
    case State::kBehindBlock:
    case State::kEnd:
      break;
  }
  return status_;
}

}  // namespace baleen
