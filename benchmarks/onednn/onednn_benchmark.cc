// Large dense products of bf16: the library's kernels against oneDNN's, on one
// thread, over the number of rows.
//
// Whether oneDNN should be one of the implementations of an operator hangs on
// two things: is it faster at some size, and are the sums of a row the same
// however many rows there are, since a token's logits may not depend on how a
// prompt was cut.  `changed` is the share of the first row's products whose
// bits differ from those of that row alone.
#include <omp.h>

#include <dnnl.hpp>

#include <algorithm>
#include <map>

#include "ops/bench_device.h"

namespace baleen::bench {
namespace {

constexpr int64_t kOuter = 4096;
constexpr int64_t kInner = 4096;

// The weight matrix, and rows that are the same in every benchmark.
struct Operands {
  explicit Operands(int64_t rows)
      : matrix(BALEEN_TYPE_BF16, {kOuter, kInner}),
        in(BALEEN_TYPE_BF16, {rows, kInner}),
        out(BALEEN_TYPE_F32, {rows, kOuter}) {}

  BenchTensor matrix;
  BenchTensor in;
  BenchTensor out;
};

// Keeps what an implementation gives for a row alone, and counts.
void ReportFirstRow(benchmark::State& state, const std::string& name,
                    int64_t rows, const float* first_row) {
  static std::map<std::string, std::vector<float>> alone;
  std::vector<float>& row = alone[name];
  if (rows == 1) row.assign(first_row, first_row + kOuter);
  if (row.empty()) return;  // The filter left out the one.
  int64_t changed = 0;
  for (size_t i = 0; i < row.size(); ++i) changed += row[i] != first_row[i];
  state.counters["changed"] =
      static_cast<double>(changed) / static_cast<double>(kOuter);
}

double Bytes() { return 2.0 * static_cast<double>(kOuter * kInner); }
double Operations(int64_t rows) { return Bytes() * static_cast<double>(rows); }

void Ours(benchmark::State& state, const char* isa, int64_t rows) {
  BenchDevice device(isa, true);
  if (!device.ok()) {
    state.SkipWithError("the processor lacks it");
    return;
  }
  Operands operands(rows);
  BenchWeight weight(device, BALEEN_WEIGHT_LINEAR, {&operands.matrix});
  baleen_linear_args args{};
  args.common = Common(sizeof(args), BALEEN_MODE_FAST);
  args.in = operands.in.get();
  args.weight = weight.get();
  args.out = operands.out.get();
  if (!device.Prepare(BALEEN_OP_LINEAR, &args)) {
    state.SkipWithError("refused");
    return;
  }
  for (auto _ : state) device.ops().linear(device.queue(), &args);
  Report(state, Bytes(), Operations(rows));
  ReportFirstRow(state, isa, rows, operands.out.as<float>());
}

// With weights in the layout that oneDNN asks for.
void OneDnn(benchmark::State& state, int64_t rows) {
  using dnnl::memory;
  omp_set_num_threads(1);
  Operands operands(rows);
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto bf16 = memory::data_type::bf16;
  const memory::desc in({rows, kInner}, bf16, memory::format_tag::ab);
  const memory::desc raw({kInner, kOuter}, bf16, memory::format_tag::ba);
  const memory::desc any({kInner, kOuter}, bf16, memory::format_tag::any);
  const memory::desc out({rows, kOuter}, memory::data_type::f32,
                         memory::format_tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc description(engine, in, any, out);
#else
  const dnnl::matmul::primitive_desc description(
      dnnl::matmul::desc(in, any, out), engine);
#endif
  const dnnl::matmul product(description);
  memory checkpoint(raw, engine, operands.matrix.get()->data);
  memory weights(description.weights_desc(), engine);
  dnnl::reorder(checkpoint, weights).execute(stream, checkpoint, weights);
  memory source(in, engine, operands.in.get()->data);
  memory result(out, engine, operands.out.get()->data);
  for (auto _ : state) {
    product.execute(stream, {{DNNL_ARG_SRC, source},
                             {DNNL_ARG_WEIGHTS, weights},
                             {DNNL_ARG_DST, result}});
    stream.wait();
  }
  state.SetLabel(description.impl_info_str());
  Report(state, Bytes(), Operations(rows));
  ReportFirstRow(state, "onednn", rows, operands.out.as<float>());
}

const int kRegistered = [] {
  for (const int64_t rows : {1, 2, 4, 8, 16, 64, 128, 512}) {
    const std::string end = "/" + std::to_string(rows);
    for (const char* isa : {"avx512", "amx"}) {
      benchmark::RegisterBenchmark(
          (isa + end).c_str(),
          [=](benchmark::State& state) { Ours(state, isa, rows); });
    }
    benchmark::RegisterBenchmark(
        ("onednn" + end).c_str(),
        [=](benchmark::State& state) { OneDnn(state, rows); });
  }
  return 0;
}();

}  // namespace
}  // namespace baleen::bench
