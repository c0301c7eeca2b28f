// What the functions that write a forward pass down have in common.
//
// A pass is a list of operators (ops/builder.h).  Residual streams run through
// it; a half-layer takes its input out of them and leaves its output in `y`,
// which the next half, or the head, adds to the streams (model.md §4, §5).
#pragma once

#include <cstdint>

#include "models/deepseek_v4/cache.h"
#include "models/deepseek_v4/config.h"
#include "models/deepseek_v4/prepared.h"
#include "models/deepseek_v4/rope.h"
#include "ops/builder.h"

namespace baleen::deepseek_v4 {

// Tensors of the layer written last, for tests that look inside.
struct LayerTaps {
  const Tensor* scores = nullptr;
  const Tensor* selected = nullptr;
  const Tensor* selected_count = nullptr;
  const Tensor* router_input = nullptr;
  const Tensor* experts = nullptr;
};

struct Forward {
  ProgramBuilder* ops = nullptr;
  const Config* config = nullptr;
  const PreparedWeights* weights = nullptr;
  const StateStore* states = nullptr;
  const RopeTables* rope = nullptr;

  int64_t rows = 0;       // T
  int64_t positions = 0;  // No position reaches it.

  Tensor* streams = nullptr;  // bf16 [T, M, D]
  Tensor* y = nullptr;        // Of the half before, or NULL.
  Tensor* post = nullptr;     // f32 [T, M]
  Tensor* mix = nullptr;      // f32 [T, M, M]
  Tensor* plan = nullptr;     // Of the step.
  Tensor* routes = nullptr;   // i32 [1, layers, T, A]: experts of each row
  int64_t routed_layers = 0;  // So many layers have theirs.
  // Where the mean of the streams goes once `y` is in them, or NULL (DSpark).
  Tensor* stream_mean = nullptr;
  // Keys come from a drafter's block and the window before it.
  bool drafts_block = false;
  // Tensors stay as they are until the next run, and `taps` names some.
  bool keeps_all = false;
  LayerTaps taps;

  Tensor* Make(const Tensor& shape) {
    return keeps_all ? ops->MakeKept(shape) : ops->Make(shape);
  }
};

// Makes the streams and what goes with them.
void OpenStreams(Forward& forward);

// Makes room for the routes of so many layers; they are kept, to be counted.
void OpenRoutes(Forward& forward, size_t layers);

// The step's plan, for all kinds of layers among the first `layers`.
void PlanStep(Forward& forward, const Vector<baleen_state_shape>& kinds);

}  // namespace baleen::deepseek_v4
