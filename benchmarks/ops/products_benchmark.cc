// The operators that multiply by weights, in V4-Flash's shapes: one row is
// decoding, where GB/s should be the memory's; 64 are prefill, where GFLOP/s
// should be the processor's.
#include <array>

#include "ops/bench_device.h"

namespace baleen::bench {
namespace {

constexpr int64_t kHidden = 4096;

// One matrix of a type, through `linear` with input as the device rounds it.
void Linear(benchmark::State& state, BenchDevice& device, baleen_mode mode,
            int64_t rows, BenchTensor& matrix) {
  const int64_t outer = matrix.get()->size[0];
  BenchWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix});
  BenchTensor in = Rounded(mode, {rows, matrix.get()->size[1]});
  BenchTensor out(BALEEN_TYPE_BF16, {rows, outer});
  baleen_linear_args args{};
  args.common = Common(sizeof(args), mode);
  args.in = in.get();
  args.weight = weight.get();
  args.out = out.get();
  if (!device.Prepare(BALEEN_OP_LINEAR, &args)) {
    state.SkipWithError("refused");
    return;
  }
  for (auto _ : state) device.ops().linear(device.queue(), &args);
  Report(state, static_cast<double>(weight.bytes()),
         2.0 * static_cast<double>(rows * outer * matrix.get()->size[1]));
}

void LinearBf16(benchmark::State& state, BenchDevice& device, baleen_mode mode,
                int64_t rows) {
  BenchTensor matrix(BALEEN_TYPE_BF16, {2048, kHidden});
  Linear(state, device, mode, rows, matrix);
}

void LinearFp8(benchmark::State& state, BenchDevice& device, baleen_mode mode,
               int64_t rows) {
  BenchTensor matrix(BALEEN_TYPE_F8_E4M3, {4096, kHidden}, 128, 128);
  Linear(state, device, mode, rows, matrix);
}

void LinearFp4(benchmark::State& state, BenchDevice& device, baleen_mode mode,
               int64_t rows) {
  BenchTensor matrix(BALEEN_TYPE_F4_E2M1, {8192, kHidden}, 1, 32);
  Linear(state, device, mode, rows, matrix);
}

// Of so few rows that they stay in the second cache: the speed of the kernel itself.
template <baleen_type type, uint32_t block_rows, uint32_t block_columns>
void Cached(benchmark::State& state, BenchDevice& device, baleen_mode mode,
            int64_t rows) {
  BenchTensor matrix(type, {type == BALEEN_TYPE_BF16 ? 128 : 256, kHidden},
                     block_rows, block_columns);
  Linear(state, device, mode, rows, matrix);
}

void QUp(benchmark::State& state, BenchDevice& device, baleen_mode mode,
         int64_t rows) {
  constexpr int64_t kRank = 1024;
  constexpr int64_t kHeads = 64;
  constexpr int64_t kSize = 512;
  BenchTensor matrix(BALEEN_TYPE_F8_E4M3, {kHeads * kSize, kRank}, 128, 128);
  BenchWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix});
  BenchTensor query = Rounded(mode, {rows, kRank});
  BenchTensor rope(BALEEN_TYPE_F32, {1, 2, 32});
  BenchTensor positions(BALEEN_TYPE_I32, {rows});
  BenchTensor q(BALEEN_TYPE_BF16, {rows, kHeads, kSize});
  baleen_batch batch{};
  batch.struct_size = sizeof(batch);
  batch.positions = positions.get();
  baleen_q_up_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = &batch;
  args.query_rounded = query.get();
  args.weight = weight.get();
  args.rope = rope.get();
  args.q = q.get();
  args.epsilon = 1e-6f;
  args.rope_size = 64;
  if (!device.Prepare(BALEEN_OP_Q_UP, &args)) {
    state.SkipWithError("refused");
    return;
  }
  for (auto _ : state) device.ops().q_up(device.queue(), &args);
  Report(state, static_cast<double>(weight.bytes()),
         2.0 * static_cast<double>(rows * kHeads * kSize * kRank));
}

// Six routed experts of FP4 and the shared one of FP8: all rows visit the same,
// as one row does, so bytes do not depend on the rows.
void Moe(benchmark::State& state, BenchDevice& device, baleen_mode mode,
         int64_t rows, bool down) {
  constexpr int64_t kExperts = 6;
  constexpr int64_t kInner = 2048;
  std::vector<std::unique_ptr<BenchTensor>> tensors;
  for (int64_t e = 0; e <= kExperts; ++e) {
    const bool fp4 = e < kExperts;
    for (int which = 0; which < 3; ++which) {
      const int64_t outer = which == 2 ? kHidden : kInner;
      const int64_t inner = which == 2 ? kInner : kHidden;
      tensors.push_back(
          fp4 ? std::make_unique<BenchTensor>(
                    BALEEN_TYPE_F4_E2M1,
                    std::initializer_list<int64_t>{outer, inner}, 1, 32)
              : std::make_unique<BenchTensor>(
                    BALEEN_TYPE_F8_E4M3,
                    std::initializer_list<int64_t>{outer, inner}, 128, 128));
    }
  }
  std::vector<BenchTensor*> list;
  for (const auto& tensor : tensors) list.push_back(tensor.get());
  BenchWeight weight(device, BALEEN_WEIGHT_EXPERTS, list);

  BenchTensor ids(BALEEN_TYPE_I32, {rows, kExperts});
  for (int64_t i = 0; i < rows * kExperts; ++i) {
    ids.as<int32_t>()[i] = static_cast<int32_t>(i % kExperts);
  }
  BenchTensor route(BALEEN_TYPE_F32, {rows, kExperts});
  BenchTensor visited(BALEEN_TYPE_I32, {kExperts});
  baleen_moe_plan_args plan_args{};
  plan_args.common = Common(sizeof(plan_args), mode);
  plan_args.experts = ids.get();
  plan_args.weights = route.get();
  plan_args.visited = visited.get();
  BenchTensor empty(BALEEN_TYPE_BYTE, {0});
  empty.get()->data = nullptr;
  plan_args.plan = empty.get();
  baleen_op_needs needs{};
  needs.struct_size = sizeof(needs);
  device.table().query(device.handle(), BALEEN_OP_MOE_PLAN, &plan_args, &needs);
  BenchTensor plan(BALEEN_TYPE_BYTE, {static_cast<int64_t>(needs.out_bytes)});
  plan_args.plan = plan.get();
  device.ops().moe_plan(device.queue(), &plan_args);

  BenchTensor u = Rounded(mode, {rows, kHidden});
  BenchTensor a = Rounded(mode, {rows * (kExperts + 1), kInner});
  BenchTensor y(BALEEN_TYPE_BF16, {rows, kHidden});
  const double macs =
      static_cast<double>(rows * (kExperts + 1) * kHidden * kInner);
  const double bytes = static_cast<double>(weight.bytes());
  if (down) {
    baleen_moe_down_args args{};
    args.common = Common(sizeof(args), mode);
    args.a = a.get();
    args.plan = plan.get();
    args.weight = weight.get();
    args.y = y.get();
    if (!device.Prepare(BALEEN_OP_MOE_DOWN, &args)) {
      state.SkipWithError("refused");
      return;
    }
    for (auto _ : state) device.ops().moe_down(device.queue(), &args);
    Report(state, bytes / 3, 2 * macs);
    return;
  }
  baleen_moe_gate_up_args args{};
  args.common = Common(sizeof(args), mode);
  args.u_rounded = u.get();
  args.plan = plan.get();
  args.weight = weight.get();
  args.a = a.get();
  args.limit = 10.0f;
  args.shared_limit = 10.0f;
  if (!device.Prepare(BALEEN_OP_MOE_GATE_UP, &args)) {
    state.SkipWithError("refused");
    return;
  }
  for (auto _ : state) device.ops().moe_gate_up(device.queue(), &args);
  Report(state, bytes * 2 / 3, 4 * macs);
}

void Head(benchmark::State& state, BenchDevice& device, baleen_mode mode,
          int64_t rows) {
  constexpr int64_t kVocabulary = 8080;  // A sixteenth of the model's.
  BenchTensor matrix(BALEEN_TYPE_BF16, {kVocabulary, kHidden});
  BenchWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix});
  BenchTensor u(BALEEN_TYPE_BF16, {rows, kHidden});
  BenchTensor logits(BALEEN_TYPE_F32, {rows, kVocabulary});
  baleen_head_args args{};
  args.common = Common(sizeof(args), mode);
  args.u = u.get();
  args.weight = weight.get();
  args.logits = logits.get();
  if (!device.Prepare(BALEEN_OP_HEAD, &args)) {
    state.SkipWithError("refused");
    return;
  }
  for (auto _ : state) device.ops().head(device.queue(), &args);
  Report(state, static_cast<double>(weight.bytes()),
         2.0 * static_cast<double>(rows * kVocabulary * kHidden));
}

const int kRegistered = [] {
  const std::vector<int64_t> rows = {1, 2, 4, 8, 64};
  RegisterForDevices("linear_bf16", LinearBf16, rows, true);
  RegisterForDevices("linear_fp8", LinearFp8, rows, true);
  RegisterForDevices("linear_fp4", LinearFp4, rows, true);
  RegisterForDevices("cached_bf16", Cached<BALEEN_TYPE_BF16, 0, 0>, rows, true);
  RegisterForDevices("cached_fp8", Cached<BALEEN_TYPE_F8_E4M3, 128, 128>, rows,
                     true);
  RegisterForDevices("cached_fp4", Cached<BALEEN_TYPE_F4_E2M1, 1, 32>, rows,
                     true);
  RegisterForDevices("q_up", QUp, rows, true);
  for (bool down : {false, true}) {
    RegisterForDevices(
        down ? "moe_down" : "moe_gate_up",
        [down](benchmark::State& state, BenchDevice& device, baleen_mode mode,
               int64_t count) { Moe(state, device, mode, count, down); },
        rows, true);
  }
  RegisterForDevices("head", Head, rows, true);
  return 0;
}();

}  // namespace
}  // namespace baleen::bench
