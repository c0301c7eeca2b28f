// How fast memory is read and numbers are multiplied, by one thread and by two:
// the roofs of everything else.
#include <benchmark/benchmark.h>

#include "benchmarks/probe/compute_probe.h"
#include "benchmarks/probe/read_probe.h"

namespace {

using baleen::probe::Unit;

void ReadMemory(benchmark::State& state) {
  static const baleen::probe::ReadProbe probe;
  const auto threads = static_cast<int>(state.range(0));
  double rate = 0;
  for (auto _ : state) {
    rate = probe.Measure(threads);
    state.SetIterationTime(1e9 / rate);  // Of a gigabyte.
  }
  state.counters["GB/s"] = rate * 1e-9;
}
BENCHMARK(ReadMemory)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3)
    ->UseManualTime();

void Multiply(benchmark::State& state, Unit unit) {
  const auto threads = static_cast<int>(state.range(0));
  double rate = 0;
  for (auto _ : state) {
    rate = baleen::probe::MeasurePeak(unit, threads);
    if (rate == 0) {
      state.SkipWithError("this processor has no AVX2");
      return;
    }
    state.SetIterationTime(1e9 / rate);  // Of a billion operations.
  }
  state.counters["GOP/s"] = rate * 1e-9;
}
BENCHMARK_CAPTURE(Multiply, int8, Unit::kInt8)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->UseManualTime();
BENCHMARK_CAPTURE(Multiply, bf16, Unit::kBf16)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->UseManualTime();
BENCHMARK_CAPTURE(Multiply, f32, Unit::kF32)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->UseManualTime();
BENCHMARK_CAPTURE(Multiply, int8_tiles, Unit::kInt8Tiles)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->UseManualTime();
BENCHMARK_CAPTURE(Multiply, bf16_tiles, Unit::kBf16Tiles)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->UseManualTime();

}  // namespace
