#include "models/deepseek_v4/forward.h"

namespace baleen::deepseek_v4 {

void OpenStreams(Forward& forward) {
  const int64_t rows = forward.rows;
  const int64_t streams = forward.config->streams;
  // What is left in the streams after the last layer is the drafter's input.
  forward.streams = forward.ops->MakeKept(
      MakeTensor(BALEEN_TYPE_BF16, {rows, streams, forward.config->hidden}));
  forward.post = forward.Make(MakeTensor(BALEEN_TYPE_F32, {rows, streams}));
  forward.mix =
      forward.Make(MakeTensor(BALEEN_TYPE_F32, {rows, streams, streams}));
}

void OpenRoutes(Forward& forward, size_t layers) {
  forward.routes = forward.ops->MakeKept(MakeTensor(
      BALEEN_TYPE_I32, {1, static_cast<int64_t>(layers), forward.rows,
                        forward.config->experts_per_token}));
}

void PlanStep(Forward& forward, const Vector<baleen_state_shape>& kinds) {
  const Config& config = *forward.config;
  baleen_step_plan_args args = {};
  args.kinds = kinds.data();
  args.kind_count = static_cast<uint32_t>(kinds.size());
  args.heads = static_cast<uint32_t>(config.heads);
  args.index_heads = static_cast<uint32_t>(config.index_heads);
  args.selected = static_cast<uint32_t>(config.index_top);
  forward.plan = forward.Make(forward.ops->PlanShape(args, -1));
  args.plan = forward.plan;
  forward.ops->Add(args, -1);
}

}  // namespace baleen::deepseek_v4
