// The V3-style multi-token prediction block (model.md §13).
#include "models/deepseek_v4/hyper.h"
#include "models/deepseek_v4/layer.h"
#include "models/deepseek_v4/pass.h"

namespace baleen::deepseek_v4 {
namespace {

// X_k = e_proj(norm(embedding of the next token)) + h_proj(norm(X_k before)).
void MixIn(Forward& forward, const Tensor* streams_in) {
  const Config& config = *forward.config;
  const PreparedMtp& mtp = forward.weights->mtp;
  const int64_t streams = config.streams;
  const Tensor row_shape =
      MakeTensor(BALEEN_TYPE_BF16, {forward.rows, config.hidden});

  baleen_linear_args embed = {};
  embed.in = forward.ops->batch().tokens_tensor();
  embed.weight = mtp.embed.handle;
  embed.out = forward.Make(row_shape);
  embed.repeat = 1;
  forward.ops->Add(embed, mtp.layer.index, {&mtp.embed.facts});

  baleen_linear_args project = {};
  project.in = embed.out;
  project.norm_in = mtp.enorm;
  project.weight = mtp.e_proj.handle;
  project.out = forward.Make(row_shape);
  project.epsilon = config.norm_epsilon;
  project.repeat = 1;
  forward.ops->Add(project, mtp.layer.index, {&mtp.e_proj.facts});

  baleen_linear_args mix = {};
  mix.in = streams_in;
  mix.norm_in = mtp.hnorm;
  mix.weight = mtp.h_proj.handle;
  mix.add = project.out;
  mix.out = forward.ops->View(
      forward.streams,
      MakeTensor(BALEEN_TYPE_BF16, {forward.rows * streams, config.hidden}));
  mix.epsilon = config.norm_epsilon;
  mix.repeat = static_cast<uint32_t>(streams);
  forward.ops->Add(mix, mtp.layer.index, {&mtp.h_proj.facts});
}

}  // namespace

Result<Owned<Pass>> BuildMtp(const PassParts& parts, const PassShape& shape,
                             const PassBuild& build) {
  PassWriter writer(parts, shape, shape.rows, build);
  BALEEN_RETURN_IF_ERROR(writer.Begin());
  Forward& forward = writer.forward();
  writer.StartDrafter();
  OpenStreams(forward);
  OpenRoutes(forward, 1);
  PlanStep(forward, *parts.kinds);
  Pass& pass = writer.pass();
  pass.streams_in = writer.ops().MakeKept(
      MakeTensor(BALEEN_TYPE_BF16,
                 {shape.rows * parts.config->streams, parts.config->hidden}));
  MixIn(forward, pass.streams_in);
  Layer(forward, parts.weights->mtp.layer);
  pass.u = JoinStreams(forward, parts.weights->mtp.head, false).u;
  return writer.Finish();
}

}  // namespace baleen::deepseek_v4
