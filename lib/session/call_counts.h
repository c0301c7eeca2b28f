// What a session's steps cost: since it was made, and in the last call that
// computed.
#pragma once

#include <baleen/baleen.h>

#include "ops/cost.h"

namespace baleen {

class CallCounts {
 public:
  CallCounts() {
    total_.struct_size = sizeof total_;
    last_.struct_size = sizeof last_;
  }

  // What is added next begins the counts of a call.
  void BeginCall() { fresh_ = true; }
  void Add(const baleen_session_counters& step) {
    if (fresh_) {
      last_ = {};
      last_.struct_size = sizeof last_;
      fresh_ = false;
    }
    AddCounters(step, &total_);
    AddCounters(step, &last_);
  }

  const baleen_session_counters& total() const { return total_; }
  const baleen_session_counters& last() const { return last_; }

 private:
  baleen_session_counters total_ = {};
  baleen_session_counters last_ = {};
  bool fresh_ = true;
};

}  // namespace baleen
