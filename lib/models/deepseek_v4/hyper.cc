#include "models/deepseek_v4/hyper.h"

namespace baleen::deepseek_v4 {

void Embed(Forward& forward) {
  baleen_embed_args args = {};
  const CountedWeight& embed = forward.weights->embed;
  args.table = embed.handle;
  args.streams = forward.streams;
  forward.ops->Add(args, -1, {&embed.facts});
}

HalfInput BeginHalf(Forward& forward, const PreparedHyper& hyper,
                    const Tensor* norm, int32_t layer) {
  const Config& config = *forward.config;
  HalfInput input;
  input.u =
      forward.Make(MakeTensor(BALEEN_TYPE_BF16, {forward.rows, config.hidden}));
  input.u_rounded = forward.ops->MakeRounded(BALEEN_OP_MHC_BOUNDARY, input.u,
                                             {forward.rows, config.hidden});
  baleen_mhc_boundary_args args = {};
  if (forward.y != nullptr) {
    args.y = forward.y;
    args.post_in = forward.post;
    args.mix_in = forward.mix;
  }
  args.fn = hyper.fn;
  args.base = hyper.base;
  args.scale = hyper.scale;
  args.norm = norm;
  args.streams = forward.streams;
  args.u = input.u;
  args.u_rounded = input.u_rounded == input.u ? nullptr : input.u_rounded;
  args.post = forward.post;
  args.mix = forward.mix;
  args.stream_mean = forward.stream_mean;
  args.hc_epsilon = config.hc_epsilon;
  args.norm_epsilon = config.norm_epsilon;
  args.iterations = static_cast<uint32_t>(config.sinkhorn_iterations);
  forward.ops->Add(args, layer);
  forward.y = nullptr;
  forward.stream_mean = nullptr;
  return input;
}

JoinedStreams JoinStreams(Forward& forward, const PreparedHead& head,
                          bool wants_joined) {
  const Config& config = *forward.config;
  const Tensor shape = MakeTensor(
      BALEEN_TYPE_BF16, {forward.ops->batch().limits().outputs, config.hidden});
  JoinedStreams result;
  result.u = forward.ops->MakeKept(shape);
  if (wants_joined) result.joined = forward.Make(shape);
  baleen_hc_head_args args = {};
  if (forward.y != nullptr) {
    args.y = forward.y;
    args.post_in = forward.post;
    args.mix_in = forward.mix;
  }
  args.fn = head.hyper.fn;
  args.base = head.hyper.base;
  args.scale = head.hyper.scale;
  args.norm = head.norm;
  args.streams = forward.streams;
  args.joined = result.joined;
  args.u = result.u;
  args.stream_mean = forward.stream_mean;
  args.hc_epsilon = config.hc_epsilon;
  args.norm_epsilon = config.norm_epsilon;
  forward.ops->Add(args, -1);
  forward.y = nullptr;
  forward.stream_mean = nullptr;
  return result;
}

}  // namespace baleen::deepseek_v4
