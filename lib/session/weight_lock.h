// Keeps weights out of swap (BALEEN_MODEL_LOCK_MEMORY).
#pragma once

#include "base/memory.h"
#include "base/status.h"
#include "format/checkpoint.h"
#include "session/load_progress.h"

namespace baleen {

class WeightLock {
 public:
  explicit WeightLock(Memory* memory) : ranges_(memory) {}
  // Unlocks.  The weights must still be there.
  ~WeightLock();
  WeightLock(const WeightLock&) = delete;
  WeightLock& operator=(const WeightLock&) = delete;

  // Reads the checkpoint's tensors into memory and locks them there; adds their
  // bytes to `progress`.
  Status Lock(const Checkpoint& checkpoint, LoadProgress* progress);

 private:
  struct Range {
    uintptr_t begin;  // Of a page.
    uintptr_t end;
  };

  Vector<Range> ranges_;
};

}  // namespace baleen
