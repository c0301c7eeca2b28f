// Whole models: how fast prompts are read and tokens made, at what share of
// what memory and arithmetic allow, and what a model takes to be opened.  See
// flags.h and benchmarks/README.md.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "benchmarks/model/flags.h"
#include "benchmarks/model/measurements.h"
#include "benchmarks/slice/slice.h"

namespace {

using baleen::bench::Case;
using baleen::bench::Flags;
using baleen::bench::Measurements;
using benchmark::State;

// A slice is made where it is not yet; without a word, the pocket model.
std::string FindFolder(const Flags& flags) {
  if (!flags.model.empty()) return flags.model;
  if (flags.slice.empty()) return BALEEN_TEST_DATA "/pocket";
  baleen::slice::SliceOptions options;
  options.kind = flags.slice;
  options.folder = baleen::slice::DefaultSliceFolder(flags.slice);
  baleen::slice::MakeSlice(options);
  return options.folder;
}

using Measure = void (Measurements::*)(State&, const Case&);

// `measure` does all of a repetition and sets its time.
void Register(const Flags& flags, Measurements* all, Measure measure,
              const Case& which) {
  const auto run = [=](State& state) {
    for (auto _ : state) {
      try {
        (all->*measure)(state, which);
      } catch (const std::exception& error) {
        state.SkipWithError(error.what());
        return;
      }
    }
  };
  benchmark::RegisterBenchmark(which.name.c_str(), run)
      ->Unit(benchmark::kMillisecond)
      ->Iterations(1)
      ->Repetitions(static_cast<int>(flags.repetitions))
      ->DisplayAggregatesOnly()
      ->UseManualTime();
}

void RegisterMode(const Flags& flags, Measurements* all, int64_t threads,
                  baleen_mode mode) {
  const std::string end = std::string("/") + baleen::bench::ModeName(mode) +
                          "/threads:" + std::to_string(threads);
  const auto add = [&](const std::string& name, Measure measure,
                       int64_t depth = 0) {
    Register(flags, all, measure, {name + end, threads, mode, depth});
  };
  add("Prefill/tokens:" + std::to_string(flags.prompt), &Measurements::Prefill);
  add("Decode", &Measurements::Decode);
  for (const int64_t depth : flags.depths) {
    add("DecodeAt/depth:" + std::to_string(depth), &Measurements::DecodeAt,
        depth);
  }
  add("Batch/sessions:" + std::to_string(flags.sessions), &Measurements::Batch);
}

void RegisterAll(const Flags& flags, Measurements* all) {
  for (const int64_t threads : flags.threads) {
    Case open;
    open.name = "Open/threads:" + std::to_string(threads);
    open.threads = threads;
    Register(flags, all, &Measurements::Open, open);
    for (const baleen_mode mode : flags.modes) {
      RegisterMode(flags, all, threads, mode);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv,
                        [] { std::fputs(baleen::bench::kUsage, stdout); });
  try {
    const Flags flags = baleen::bench::ParseFlags(argc, argv);
    const std::string folder = FindFolder(flags);
    benchmark::AddCustomContext("model", folder);
    Measurements all(flags, folder);
    RegisterAll(flags, &all);
    benchmark::RunSpecifiedBenchmarks();
    for (const std::string& table : all.tables()) {
      std::printf("\n%s", table.c_str());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "model_benchmark: %s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
