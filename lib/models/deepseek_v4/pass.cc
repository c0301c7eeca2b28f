#include "models/deepseek_v4/pass.h"

#include "models/deepseek_v4/dspark.h"
#include "models/deepseek_v4/hyper.h"
#include "models/deepseek_v4/layer.h"

namespace baleen::deepseek_v4 {

PassWriter::PassWriter(const PassParts& parts, const PassShape& shape,
                       int64_t output_limit, const PassBuild& build)
    : parts_(parts), build_(build) {
  limits_.rows = shape.rows;
  // Any row may be a session's only one.
  limits_.sessions = shape.rows;
  limits_.outputs = output_limit;
  limits_.positions = shape.positions;
  forward_.rows = shape.rows;
  forward_.positions = shape.positions;
  pass_ = MakeOwned<Pass>(parts.machine->memory());
  pass_->shape = shape;
}

Status PassWriter::Begin() {
  const Machine* machine = parts_.machine;
  BALEEN_ASSIGN_OR_RETURN(pass_->batch,
                          Batch::Create(machine, limits_, build_.measure));
  ops_ =
      MakeOwned<ProgramBuilder>(machine->memory(), machine, build_.assignment,
                                pass_->batch.get(), pass_->shape.mode);
  if (parts_.shapes_only) ops_->AllowMissingWeights();
  ops_->SetCosts(build_.costs);
  forward_.ops = ops_.get();
  forward_.config = parts_.config;
  forward_.weights = parts_.weights;
  forward_.states = parts_.states;
  forward_.rope = parts_.rope;
  return Status();
}

Result<Owned<Pass>> PassWriter::Finish() {
  Result<Owned<Program>> program = ops_->Finish(build_.measure);
  if (!program.ok()) {
    if (build_.refused != nullptr) *build_.refused = ops_->refused();
    return program.status();
  }
  pass_->program = *std::move(program);
  pass_->streams = forward_.streams;
  pass_->routes = forward_.routes;
  pass_->taps = forward_.taps;
  return std::move(pass_);
}

const Tensor* WriteHead(Forward& forward, const Tensor* u, int64_t rows) {
  baleen_head_args args = {};
  args.u = u;
  const CountedWeight& head = forward.weights->head_weight;
  args.weight = head.handle;
  args.logits = forward.ops->MakeKept(
      MakeTensor(BALEEN_TYPE_F32, {rows, forward.config->vocabulary}));
  forward.ops->Add(args, -1, {&head.facts});
  return args.logits;
}

Result<Owned<Pass>> BuildLayers(const PassParts& parts, const PassShape& shape,
                                const LayerRange& range,
                                const PassBuild& build) {
  PassWriter writer(parts, shape, shape.rows, build);
  BALEEN_RETURN_IF_ERROR(writer.Begin());
  Forward& forward = writer.forward();
  forward.keeps_all = range.keeps_all;
  OpenStreams(forward);
  OpenRoutes(forward, static_cast<size_t>(range.end - range.first));
  PlanStep(forward, *parts.kinds);
  if (range.embeds) Embed(forward);
  ContextTaps contexts(forward);
  for (int32_t i = range.first; i < range.end; ++i) {
    Layer(forward, parts.weights->layers[static_cast<size_t>(i)]);
    contexts.AfterLayer(i);
  }
  writer.pass().u = JoinStreams(forward, parts.weights->head, false).u;
  writer.StartDrafter();
  contexts.Fill();
  return writer.Finish();
}

Result<Owned<Pass>> BuildHead(const PassParts& parts, baleen_mode mode,
                              const PassBuild& build) {
  const PassShape shape = {mode, kHeadRows, Batch::kPagePositions};
  PassWriter writer(parts, shape, kHeadRows, build);
  BALEEN_RETURN_IF_ERROR(writer.Begin());
  Forward& forward = writer.forward();
  Tensor* u = writer.ops().MakeKept(
      MakeTensor(BALEEN_TYPE_BF16, {kHeadRows, parts.config->hidden}));
  writer.pass().u = u;
  writer.pass().logits = WriteHead(forward, u, kHeadRows);
  return writer.Finish();
}

}  // namespace baleen::deepseek_v4
