// Timings of operators with weights of V4-Flash's shapes, in recorded programs.
//
// Each operator runs over several weights in turn, more than caches hold, so that
// what counts is the bandwidth of memory.
#include "benchmarks/gpu/bench.h"

namespace baleen::gpu {
namespace {

constexpr int64_t kHidden = 4096;
constexpr int64_t kRank = 1024;
constexpr int64_t kInner = 2048;
constexpr int64_t kStreams = 4;
constexpr int64_t kExperts = 8;  // Enough to choose six of.
constexpr int64_t kVisited = 6;

uint64_t BytesOf(const std::vector<const RawMatrix*>& matrices) {
  uint64_t bytes = 0;
  for (const RawMatrix* matrix : matrices) bytes += matrix->bytes();
  return bytes;
}

// What the attention half of a layer with an indexer begins with.
void TimeInProj(Bench& bench) {
  const RawMatrix wq(BALEEN_TYPE_F8_E4M3, kRank, kHidden);
  const RawMatrix wkv(BALEEN_TYPE_F8_E4M3, 512, kHidden);
  const RawMatrix entry(BALEEN_TYPE_BF16, 1024, kHidden);
  const RawMatrix key(BALEEN_TYPE_BF16, 256, kHidden);
  const RawMatrix weight(BALEEN_TYPE_BF16, 64, kHidden);
  const std::vector<const RawMatrix*> all = {&wq,  &wkv, &entry, &entry,
                                             &key, &key, &weight};
  baleen_tensor* u = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), kHidden});
  for (int copy = 0; copy < 10; ++copy) {
    baleen_in_proj_args args = {};
    args.u = args.u_rounded = u;
    args.weight = bench.Open(BALEEN_WEIGHT_LINEAR, all);
    for (size_t i = 0; i < all.size(); ++i) {
      args.out[i] =
          bench.Make(BALEEN_TYPE_F32, {bench.rows(), all[i]->tensor.size[0]});
    }
    bench.Prepare(BALEEN_OP_IN_PROJ, args);
  }
  bench.Time("in_proj", BytesOf(all));
}

void TimeQUp(Bench& bench) {
  const RawMatrix wq(BALEEN_TYPE_F8_E4M3, 32768, kRank);
  const RawMatrix index(BALEEN_TYPE_F8_E4M3, 8192, kRank);
  baleen_q_up_args args = {};
  args.query_rounded = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), kRank});
  args.rope = bench.Make(BALEEN_TYPE_F32, {1, 2, 32});
  args.q = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), 64, 512});
  args.iq = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), 64, 128});
  args.epsilon = 1e-6f;
  args.rope_size = 64;
  for (int copy = 0; copy < 6; ++copy) {
    args.weight = bench.Open(BALEEN_WEIGHT_LINEAR, {&wq, &index});
    bench.Prepare(BALEEN_OP_Q_UP, args);
  }
  bench.Time("q_up", BytesOf({&wq, &index}));
}

void TimeOutput(Bench& bench) {
  const RawMatrix wo_a(BALEEN_TYPE_F8_E4M3, 8192, kHidden);
  const RawMatrix wo_b(BALEEN_TYPE_F8_E4M3, kHidden, 8192);
  baleen_wo_a_args first = {};
  first.in = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), 8, kHidden});
  first.z = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), 8192});
  for (int copy = 0; copy < 8; ++copy) {
    first.weight = bench.Open(BALEEN_WEIGHT_GROUPED, {&wo_a});
    bench.Prepare(BALEEN_OP_WO_A, first);
  }
  bench.Time("wo_a", wo_a.bytes());
  baleen_wo_b_args second = {};
  second.z = first.z;
  second.y = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), kHidden});
  for (int copy = 0; copy < 8; ++copy) {
    second.weight = bench.Open(BALEEN_WEIGHT_LINEAR, {&wo_b});
    bench.Prepare(BALEEN_OP_WO_B, second);
  }
  bench.Time("wo_b", wo_b.bytes());
}

void TimeHead(Bench& bench) {
  const RawMatrix table(BALEEN_TYPE_BF16, 65536, kHidden);
  baleen_head_args args = {};
  args.u = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), kHidden});
  args.weight = bench.Open(BALEEN_WEIGHT_LINEAR, {&table});
  args.logits = bench.Make(BALEEN_TYPE_F32, {bench.rows(), 65536});
  bench.Prepare(BALEEN_OP_HEAD, args);
  bench.Time("head of 65536 tokens", table.bytes());
}

void TimeBoundary(Bench& bench) {
  constexpr int64_t kMixes = (2 + kStreams) * kStreams;
  baleen_mhc_boundary_args args = {};
  const int64_t rows = bench.rows();
  args.y = bench.Make(BALEEN_TYPE_BF16, {rows, kHidden});
  args.post = bench.Make(BALEEN_TYPE_F32, {rows, kStreams});
  args.mix = bench.Make(BALEEN_TYPE_F32, {rows, kStreams, kStreams});
  args.post_in = args.post;
  args.mix_in = args.mix;
  args.fn = bench.Make(BALEEN_TYPE_F32, {kMixes, kStreams * kHidden});
  args.base = bench.Make(BALEEN_TYPE_F32, {kMixes});
  args.scale = bench.Make(BALEEN_TYPE_F32, {3});
  args.norm = bench.Make(BALEEN_TYPE_BF16, {kHidden});
  args.streams = bench.Make(BALEEN_TYPE_BF16, {rows, kStreams, kHidden});
  args.u = args.u_rounded = bench.Make(BALEEN_TYPE_BF16, {rows, kHidden});
  args.hc_epsilon = args.norm_epsilon = 1e-6f;
  args.iterations = 20;
  bench.Prepare(BALEEN_OP_MHC_BOUNDARY, args);
  bench.Time("mhc_boundary", 0);
}

void TimeExperts(Bench& bench) {
  const int64_t rows = bench.rows();
  const RawMatrix up(BALEEN_TYPE_F4_E2M1, kInner, kHidden);
  const RawMatrix down(BALEEN_TYPE_F4_E2M1, kHidden, kInner);
  const RawMatrix shared_up(BALEEN_TYPE_F8_E4M3, kInner, kHidden);
  const RawMatrix shared_down(BALEEN_TYPE_F8_E4M3, kHidden, kInner);
  std::vector<const RawMatrix*> matrices;
  for (int64_t e = 0; e < kExperts; ++e) {
    matrices.insert(matrices.end(), {&up, &up, &down});
  }
  matrices.insert(matrices.end(), {&shared_up, &shared_up, &shared_down});

  baleen_router_args route = {};
  baleen_tensor* u = bench.Make(BALEEN_TYPE_BF16, {rows, kHidden});
  route.u = u;
  route.gate = bench.Make(BALEEN_TYPE_BF16, {kExperts, kHidden});
  route.bias = bench.Make(BALEEN_TYPE_F32, {kExperts});
  route.experts = bench.Make(BALEEN_TYPE_I32, {rows, kVisited});
  route.weights = bench.Make(BALEEN_TYPE_F32, {rows, kVisited});
  route.route_scale = 1.5f;
  bench.Prepare(BALEEN_OP_ROUTER, route);
  bench.Time("router of 8 experts", 0);

  baleen_moe_plan_args plan = {};
  plan.experts = route.experts;
  plan.weights = route.weights;
  plan.visited = bench.Make(BALEEN_TYPE_I32, {kExperts});
  // Room for what any device asks for so few experts and rows.
  constexpr int64_t kPlanBytes = 1 << 16;
  plan.plan = bench.Make(BALEEN_TYPE_BYTE, {kPlanBytes});
  bench.Prepare(BALEEN_OP_MOE_PLAN, plan);
  bench.Time("moe_plan", 0);

  // Of one row six experts are read; of more, as good as all.
  const auto read = static_cast<uint64_t>(rows == 1 ? kVisited : kExperts);
  baleen_moe_gate_up_args first = {};
  first.u = first.u_rounded = u;
  first.plan = plan.plan;
  first.a = bench.Make(BALEEN_TYPE_BF16, {rows * (kVisited + 1), kInner});
  first.limit = first.shared_limit = 10;
  baleen_moe_down_args second = {};
  second.a = first.a;
  second.plan = plan.plan;
  second.y = bench.Make(BALEEN_TYPE_BF16, {rows, kHidden});
  std::vector<const baleen_weight*> copies;
  for (int copy = 0; copy < 4; ++copy) {
    copies.push_back(bench.Open(BALEEN_WEIGHT_EXPERTS, matrices));
    first.weight = copies.back();
    bench.Prepare(BALEEN_OP_MOE_GATE_UP, first);
  }
  bench.Time("moe_gate_up", 2 * (read * up.bytes() + shared_up.bytes()));
  for (const baleen_weight* copy : copies) {
    second.weight = copy;
    bench.Prepare(BALEEN_OP_MOE_DOWN, second);
  }
  bench.Time("moe_down", read * down.bytes() + shared_down.bytes());
}

}  // namespace

void MeasureOperators(const std::string& path,
                      const std::vector<baleen_setting>& settings,
                      double bandwidth, Report* report) {
  const Plugin plugin(path, settings);
  const auto run = [&](int64_t rows, const auto& time) {
    try {
      Bench bench(plugin, bandwidth, rows, report);
      time(bench);
    } catch (const std::exception& error) {
      report->AddError(error.what());
    }
  };
  for (const int64_t rows : {1, 8, 64}) {
    for (void (*const time)(Bench&) : {TimeInProj, TimeQUp, TimeOutput,
                                       TimeHead, TimeExperts, TimeBoundary}) {
      run(rows, time);
    }
  }
  // Products alone have settings that are worth comparing.
  if (!settings.empty()) return;
  for (const int64_t positions : {1 << 12, 1 << 17, 1 << 20}) {
    for (const int64_t rows : {1, 8}) {
      run(rows, [&](Bench& bench) { TimeAttention(bench, positions); });
    }
  }
}

}  // namespace baleen::gpu
