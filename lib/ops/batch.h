// The tensors of a baleen_batch, on every side: the host fills the arrays, and
// one upload brings them to where operators read them.
#pragma once

#include <cstdint>
#include <span>

#include <baleen/backend.h>

#include "ops/machine.h"

namespace baleen {

struct BatchLimits {
  int64_t rows = 0;
  int64_t sessions = 0;
  int64_t outputs = 0;
  int64_t positions = 0;  // A multiple of 256.
};

// How many of each a step has.
struct BatchCounts {
  int64_t rows = 0;
  int64_t sessions = 0;
  int64_t outputs = 0;
};

class Batch {
 public:
  // Entries below a bound are frozen, one bound for each compression ratio.
  enum Frozen { kFrozen4 = 0, kFrozen128 = 1, kFrozenCount = 2 };
  static constexpr int64_t kPagePositions = 256;

  // With `measure`, no memory is taken; `bytes` says how much would be.
  static Result<Owned<Batch>> Create(const Machine* machine,
                                     const BatchLimits& limits, bool measure);
  // Use Create; public for MakeOwned.
  Batch(const Machine* machine, const BatchLimits& limits);

  const BatchLimits& limits() const { return limits_; }

  // To be filled before Upload.
  std::span<int32_t> tokens() { return Array(kTokens); }
  std::span<int32_t> positions() { return Array(kPositions); }
  std::span<int32_t> sessions() { return Array(kSessions); }
  std::span<int32_t> starts() { return Array(kStarts); }
  std::span<int32_t> slots() { return Array(kSlots); }
  std::span<int32_t> outputs() { return Array(kOutputs); }
  std::span<int32_t> frozen(Frozen which) { return Array(FrozenIndex(which)); }
  // Of one session.
  std::span<int32_t> pages(int64_t session);

  Status Upload(const BatchCounts& counts);

  const baleen_batch* on(Side side) const { return &batches_[side]; }
  // Handles, for operators that take them as operands.
  const Tensor* tokens_tensor() const { return homes_[kTokens].handle(); }
  const Tensor* frozen_tensor(Frozen which) const {
    return homes_[FrozenIndex(which)].handle();
  }

  // Memory on a side.
  uint64_t bytes(Side side) const;

 private:
  enum {
    kCounts,
    kTokens,
    kPositions,
    kSessions,
    kStarts,
    kSlots,
    kOutputs,
    kFrozenBounds,
    kPages = kFrozenBounds + 2,  // Last: a step needs few of its rows.
    kArrayCount
  };

  static constexpr int FrozenIndex(Frozen which) {
    return static_cast<int>(kFrozenBounds) + static_cast<int>(which);
  }
  std::span<int32_t> Array(int which);
  // Makes the tensors of a side point into its block.
  void Place(Side side, void* block);

  const Machine* machine_;
  BatchLimits limits_;
  Homes homes_[kArrayCount];
  uint64_t offsets_[kArrayCount] = {};
  uint64_t total_bytes_ = 0;
  baleen_batch batches_[kSideCount] = {};
  Block host_;
  DeviceBlock device_;
};

}  // namespace baleen
