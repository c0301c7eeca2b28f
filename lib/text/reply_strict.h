// Reads a reply as the authors' own parser does, and refuses what it refuses
// (text.md §2.1).
//
// Theirs reads a whole turn; this one says as much as is certain as it comes,
// and the same in the end.  It refuses as soon as nothing that may follow could
// make the turn right.
#pragma once

#include <set>
#include <string_view>

#include "base/memory.h"
#include "base/status.h"
#include "text/reply_pending.h"
#include "text/reply_record.h"

namespace baleen {

class StrictReply {
 public:
  StrictReply(bool thinking, ReplyRecord* record, Memory* memory);

  // Reads text with marks.  Once it has failed it goes on failing.
  Status Add(std::string_view marked);
  Status Finish();
  bool ended() const { return state_ == State::kEnd; }

 private:
  enum class State {
    kThinking,
    kContent,
    kBlock,   // Behind "<DSML tool_calls" or "</DSML invoke".
    kInvoke,  // Behind "<DSML invoke".
    kParameter,
    kValue,
    kBehindValue,
    kBehindBlock,
    kEnd
  };
  // Each takes what it can; *more: something may be left for another step.
  Status Step(bool* more);
  Status Thinking(bool* more);
  Status Content(bool* more);
  Status BetweenTags(std::string_view open, State open_state,
                     std::string_view close, bool* more);
  Status Invoke(bool* more);
  Status Parameter(bool* more);
  Status Value(bool* more);
  Status BehindBlock(bool* more);
  void BeginParameter(std::string_view marked_key, bool is_string);
  void AddValue(std::string_view marked);
  void EndValue();
  void EndCall();
  void GoTo(State state);

  ReplyRecord* record_;
  State state_;
  Status status_;
  PendingText pending_;
  size_t searched_ = 0;  // How much of the rest was searched in vain.
  bool is_string_ = false;
  bool after_slash_ = false;                 // Of the value.
  std::pmr::set<String, std::less<>> keys_;  // Of the call.
  String scratch_;
  String json_;
};

}  // namespace baleen
