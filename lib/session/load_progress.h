// Tells the host how much of a load is done, and hears whether to go on.
#pragma once

#include <algorithm>
#include <cstdint>

#include <baleen/baleen.h>

#include "base/status.h"

namespace baleen {

class LoadProgress {
 public:
  // `function` may be NULL.
  LoadProgress(baleen_progress_fn function, void* user_data)
      : function_(function), user_data_(user_data) {}

  void set_total(uint64_t total) { total_ = total; }
  Status Add(uint64_t amount) {
    done_ = std::min(done_ + amount, total_);
    if (function_ == nullptr || function_(user_data_, done_, total_) == 0) {
      return Status();
    }
    return Status::Error(BALEEN_CANCELLED,
                         "the progress callback cancelled the load");
  }
  Status Finish() { return Add(total_); }

 private:
  baleen_progress_fn function_;
  void* user_data_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace baleen
