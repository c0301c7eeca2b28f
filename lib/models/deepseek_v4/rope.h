// Tables of the rotary embedding (model.md §3.6): layers of ratio 0 use one
// base, those with compressed entries another, with YaRN.
#pragma once

#include <cstdint>
#include <span>

#include "models/deepseek_v4/config.h"
#include "ops/machine.h"

namespace baleen::deepseek_v4 {

enum class RopeKind { kWindow = 0, kCompressed = 1 };
inline constexpr int kRopeKinds = 2;

// rope_size / 2 frequencies, rounded to float32 at each step as the reference
// does.
void RopeFrequencies(const Config& config, RopeKind kind,
                     std::span<float> frequencies);

// Cosines, then sines, of one position: [2, frequencies.size()].  The angle is
// rounded to float32 before the cosine is taken of it, which at a million
// positions moves it by up to 0.03; the model was trained with that.
void RopeRow(int64_t position, std::span<const float> frequencies, float* row);

// The tables on each side, for all positions below a limit that grows.  Not
// thread-safe.
class RopeTables {
 public:
  RopeTables(const Config& config, const Machine* machine);

  // Makes the tables reach to `positions`.  Programs keep their handles.
  Status Reserve(int64_t positions);
  // f32 [positions, 2, rope_size / 2], once reserved; a model whose layers all
  // are of one kind has an empty one for the other.
  const Tensor* table(RopeKind kind) const {
    return homes_[static_cast<int>(kind)].handle();
  }
  // The shape alone, before there is memory.
  void SetShape(int64_t positions);

  // Memory on a side for so many positions.
  uint64_t Bytes(Side side, int64_t positions) const;

 private:
  static constexpr int kLargestHalf = 2048;

  const Config* config_;
  const Machine* machine_;
  int64_t positions_ = 0;
  bool wanted_[kRopeKinds] = {};
  Homes homes_[kRopeKinds];
  DeviceBlock blocks_[kRopeKinds][kSideCount];
};

}  // namespace baleen::deepseek_v4
