#include "models/deepseek_v4/dspark.h"

#include <algorithm>

#include "models/deepseek_v4/attention.h"
#include "models/deepseek_v4/hyper.h"
#include "models/deepseek_v4/layer.h"
#include "models/deepseek_v4/pass.h"

namespace baleen::deepseek_v4 {

namespace {

// The stages' windows from the means, bf16 [T, targets * D].
void FillContexts(Forward& forward, const Tensor* means) {
  const PreparedDspark& dspark = forward.weights->dspark;
  baleen_linear_args project = {};
  project.in = means;
  project.weight = dspark.main_proj.handle;
  project.norm_out = dspark.main_norm;
  project.out = forward.Make(
      MakeTensor(BALEEN_TYPE_BF16, {forward.rows, forward.config->hidden}));
  project.epsilon = forward.config->norm_epsilon;
  project.repeat = 1;
  forward.ops->Add(project, -1, {&dspark.main_proj.facts});
  for (size_t i = 0; i < dspark.stages.size(); ++i) {
    FillWindow(forward, dspark.stages[i], dspark.context_kv[i], project.out);
  }
}

Tensor MeansShape(const Forward& forward) {
  const auto targets =
      static_cast<int64_t>(forward.config->dspark_target_layers.size());
  return MakeTensor(BALEEN_TYPE_BF16,
                    {forward.rows, targets * forward.config->hidden});
}

}  // namespace

ContextTaps::ContextTaps(Forward& forward) : forward_(forward) {
  if (forward.weights->dspark.stages.empty()) return;
  means_ = forward.Make(MeansShape(forward));
}

void ContextTaps::AfterLayer(int32_t layer) {
  if (means_ == nullptr) return;
  const Vector<int32_t>& targets = forward_.config->dspark_target_layers;
  const auto found = std::find(targets.begin(), targets.end(), layer);
  if (found == targets.end()) return;
  const int64_t hidden = forward_.config->hidden;
  const Tensor column = ColumnsOf(*means_, 0, hidden);
  forward_.stream_mean =
      forward_.ops->View(means_, column, (found - targets.begin()) * hidden);
  ++collected_;
}

void ContextTaps::Fill() {
  if (means_ == nullptr ||
      collected_ != forward_.config->dspark_target_layers.size()) {
    return;
  }
  const PreparedDspark& dspark = forward_.weights->dspark;
  baleen_linear_args project = {};
  project.in = means_;
  project.weight = dspark.main_proj.handle;
  project.norm_out = dspark.main_norm;
  project.out = forward_.Make(
      MakeTensor(BALEEN_TYPE_BF16, {forward_.rows, forward_.config->hidden}));
  project.epsilon = forward_.config->norm_epsilon;
  project.repeat = 1;
  forward_.ops->Add(project, -1, {&dspark.main_proj.facts});
  for (size_t i = 0; i < dspark.stages.size(); ++i) {
    FillWindow(forward_, dspark.stages[i], dspark.context_kv[i], project.out);
  }
}

Result<Owned<Pass>> BuildContexts(const PassParts& parts,
                                  const PassShape& shape,
                                  const PassBuild& build) {
  PassWriter writer(parts, shape, shape.rows, build);
  BALEEN_RETURN_IF_ERROR(writer.Begin());
  Forward& forward = writer.forward();
  writer.StartDrafter();
  writer.pass().means = writer.ops().MakeKept(MeansShape(forward));
  FillContexts(forward, writer.pass().means);
  return writer.Finish();
}

Result<Owned<Pass>> BuildDspark(const PassParts& parts, const PassShape& shape,
                                const PassBuild& build) {
  const Config& config = *parts.config;
  const PreparedDspark& dspark = parts.weights->dspark;
  PassWriter writer(parts, shape, shape.rows, build);
  BALEEN_RETURN_IF_ERROR(writer.Begin());
  Forward& forward = writer.forward();
  writer.StartDrafter();
  forward.drafts_block = true;
  OpenStreams(forward);
  OpenRoutes(forward, dspark.stages.size());
  PlanStep(forward, *parts.kinds);
  Embed(forward);
  for (const PreparedLayer& stage : dspark.stages) Layer(forward, stage);
  const JoinedStreams joined = JoinStreams(forward, dspark.head, true);

  ProgramBuilder& ops = writer.ops();
  baleen_draft_head_args args = {};
  args.base = WriteHead(forward, joined.u, shape.rows);
  args.joined = joined.joined;
  args.first = ops.MakeKept(MakeTensor(BALEEN_TYPE_I32, {1}));
  args.rows = ops.MakeKept(MakeTensor(
      BALEEN_TYPE_BYTE,
      {shape.rows, static_cast<int64_t>(sizeof(baleen_sample_row))}));
  args.w1 = dspark.markov_w1.handle;
  args.w2 = dspark.markov_w2.handle;
  args.confidence_weight = dspark.confidence;
  args.logits = ops.MakeKept(
      MakeTensor(BALEEN_TYPE_F32, {shape.rows, config.vocabulary}));
  args.tokens = ops.MakeKept(MakeTensor(BALEEN_TYPE_I32, {shape.rows}));
  args.confidence = ops.MakeKept(MakeTensor(BALEEN_TYPE_F32, {shape.rows}));
  args.block = static_cast<uint32_t>(shape.rows);
  ops.Add(args, -1, {&dspark.markov_w1.facts, &dspark.markov_w2.facts});

  Pass& pass = writer.pass();
  pass.first = args.first;
  pass.sample_rows = args.rows;
  pass.logits = args.logits;
  pass.tokens = args.tokens;
  pass.confidence = args.confidence;
  return writer.Finish();
}

}  // namespace baleen::deepseek_v4
