// Programs of a model with the batches that they read: a step through the
// layers, parts of one for tests, the head, and the drafters' passes.
//
// Each is built for a mode and for limits of rows and positions, and serves
// every step within them.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "models/deepseek_v4/forward.h"
#include "ops/batch.h"
#include "ops/program.h"

namespace baleen::deepseek_v4 {

// What programs of a model are built from.  All of it outlives them.
struct PassParts {
  const Machine* machine = nullptr;
  const Config* config = nullptr;
  const PreparedWeights* weights = nullptr;
  const StateStore* states = nullptr;
  const RopeTables* rope = nullptr;
  const Vector<baleen_state_shape>* kinds = nullptr;
  bool shapes_only = false;
};

struct PassShape {
  baleen_mode mode = BALEEN_MODE_FAST;
  int64_t rows = 0;
  int64_t positions = 0;

  // Whether a pass of this shape can do the work of one of `other`.
  bool Covers(const PassShape& other) const {
    return mode == other.mode && rows >= other.rows &&
           positions >= other.positions;
  }
};

struct Pass {
  PassShape shape;
  Owned<Batch> batch;
  Owned<Program> program;
  // Handles into the program, kept from run to run.
  const Tensor* streams = nullptr;  // bf16 [T, M, D]: after the last layer
  const Tensor* u = nullptr;        // bf16 [R, D]: for the head
  const Tensor* routes = nullptr;   // i32 [1, layers, T, A]: experts
  // MTP: bf16 [T * M, D], the streams it is given.
  const Tensor* streams_in = nullptr;
  // DSpark.
  const Tensor* means = nullptr;        // bf16 [T, targets * D], given
  const Tensor* first = nullptr;        // i32 [1]: the token before the block
  const Tensor* sample_rows = nullptr;  // byte [R, 32]
  const Tensor* logits = nullptr;       // f32 [R, V]
  const Tensor* tokens = nullptr;       // i32 [R]
  const Tensor* confidence = nullptr;   // f32 [R]
  LayerTaps taps;

  uint64_t bytes(Side side) const {
    return batch->bytes(side) + program->bytes(side);
  }
};

// Layers [first, end); with `embeds` from tokens on, else the streams are given.
struct LayerRange {
  int32_t first = 0;
  int32_t end = 0;
  bool embeds = true;
  bool keeps_all = false;  // For tests: LayerTaps.
};

// `assignment` is changed where a device refuses an operator; then the status is
// BALEEN_UNSUPPORTED, *refused true, and weights and state must be made anew.
// With `measure`, no memory is taken for tensors.
struct PassBuild {
  Assignment* assignment = nullptr;
  bool* refused = nullptr;
  bool measure = false;
  CostSheet* costs = nullptr;  // What the pass costs is added there.
};

Result<Owned<Pass>> BuildLayers(const PassParts& parts, const PassShape& shape,
                                const LayerRange& range,
                                const PassBuild& build);
// The logits of so many rows at a time, whatever the vocabulary: 16 MB of them
// for V4-Flash.
inline constexpr int64_t kHeadRows = 32;
Result<Owned<Pass>> BuildHead(const PassParts& parts, baleen_mode mode,
                              const PassBuild& build);
Result<Owned<Pass>> BuildMtp(const PassParts& parts, const PassShape& shape,
                             const PassBuild& build);
// The drafter's windows alone, from means of the target layers that are given.
Result<Owned<Pass>> BuildContexts(const PassParts& parts,
                                  const PassShape& shape,
                                  const PassBuild& build);
// One block; shape.rows is its size.
Result<Owned<Pass>> BuildDspark(const PassParts& parts, const PassShape& shape,
                                const PassBuild& build);

// Shared by the functions above.
class PassWriter {
 public:
  PassWriter(const PassParts& parts, const PassShape& shape,
             int64_t output_limit, const PassBuild& build);

  // Before anything else.
  Status Begin();
  Forward& forward() { return forward_; }
  ProgramBuilder& ops() { return *ops_; }
  // What is written from now on is counted as the drafter's.
  void StartDrafter() const {
    if (build_.costs != nullptr) build_.costs->StartDrafter();
  }
  Pass& pass() { return *pass_; }
  Result<Owned<Pass>> Finish();

 private:
  PassParts parts_;
  BatchLimits limits_;
  PassBuild build_;
  Owned<Pass> pass_;
  Owned<ProgramBuilder> ops_;
  Forward forward_;
};

// f32 [R, V] of the rows u.
const Tensor* WriteHead(Forward& forward, const Tensor* u, int64_t rows);

}  // namespace baleen::deepseek_v4
