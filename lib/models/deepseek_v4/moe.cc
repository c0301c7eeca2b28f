#include "models/deepseek_v4/moe.h"

#include "models/deepseek_v4/hyper.h"

namespace baleen::deepseek_v4 {
namespace {

struct Routes {
  Tensor* experts = nullptr;  // i32 [T, A]
  Tensor* weights = nullptr;  // f32 [T, A]
};

// By the token in hash-routed layers, by the gate's scores in the others.
Routes Route(Forward& forward, const PreparedLayer& layer, Tensor* u) {
  const int64_t visited = forward.config->experts_per_token;
  Routes out;
  // All layers' lie together, so that counts need one copy (RouteCounts).
  out.experts = forward.ops->View(
      forward.routes, MakeTensor(BALEEN_TYPE_I32, {forward.rows, visited}),
      forward.routed_layers++ * forward.rows * visited);
  out.weights =
      forward.Make(MakeTensor(BALEEN_TYPE_F32, {forward.rows, visited}));
  baleen_router_args args = {};
  args.u = u;
  args.gate = layer.gate;
  args.bias = layer.bias;
  args.table = layer.table;
  args.experts = out.experts;
  args.weights = out.weights;
  args.route_scale = forward.config->route_scale;
  forward.ops->Add(args, layer.index);
  forward.taps.router_input = u;
  forward.taps.experts = out.experts;
  return out;
}

Tensor* PlanExperts(Forward& forward, const PreparedLayer& layer,
                    const Routes& routes) {
  baleen_moe_plan_args args = {};
  args.experts = routes.experts;
  args.weights = routes.weights;
  args.visited =
      forward.Make(MakeTensor(BALEEN_TYPE_I32, {forward.config->experts}));
  args.plan = forward.Make(forward.ops->PlanShape(args, layer.index));
  forward.ops->Add(args, layer.index);
  return args.plan;
}

}  // namespace

void MoeHalf(Forward& forward, const PreparedLayer& layer) {
  const Config& config = *forward.config;
  const HalfInput input =
      BeginHalf(forward, layer.moe_hyper, layer.moe_norm, layer.index);
  const Routes routes = Route(forward, layer, input.u);
  Tensor* plan = PlanExperts(forward, layer, routes);

  // The shared expert is one more that every row visits.
  const int64_t places = forward.rows * (config.experts_per_token + 1);
  baleen_moe_gate_up_args up = {};
  up.u = input.u;
  up.u_rounded = input.u_rounded;
  up.plan = plan;
  up.weight = layer.experts.handle;
  up.a = forward.ops->MakeRounded(BALEEN_OP_MOE_GATE_UP, nullptr,
                                  {places, config.expert_inner});
  up.limit = config.swiglu_limit;
  up.shared_limit = config.swiglu_limit;
  forward.ops->Add(up, layer.index, {&layer.experts.facts});

  baleen_moe_down_args down = {};
  down.a = up.a;
  down.plan = plan;
  down.weight = layer.experts.handle;
  down.y =
      forward.Make(MakeTensor(BALEEN_TYPE_BF16, {forward.rows, config.hidden}));
  const baleen_op_needs needs = forward.ops->Query(down, layer.index);
  if (needs.parts > 0) {
    down.y = forward.Make(MakeTensor(
        BALEEN_TYPE_F32, {needs.parts, forward.rows, config.hidden}));
  }
  forward.ops->Add(down, layer.index, {&layer.experts.facts});
  forward.y = down.y;
}

}  // namespace baleen::deepseek_v4
