// How fast memory is read by one thread and by two: the roof of everything that
// streams weights.
#include <benchmark/benchmark.h>

#include "benchmarks/probe/read_probe.h"

namespace {

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

}  // namespace
