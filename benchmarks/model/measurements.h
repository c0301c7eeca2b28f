// What is measured of a whole model.  Each figure comes with the speed of the
// machine right before and after it, since other programs take their part.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "benchmarks/model/engine.h"
#include "benchmarks/model/flags.h"
#include "benchmarks/model/work.h"
#include "benchmarks/probe/read_probe.h"

namespace baleen::bench {

// A benchmark, and what there is to say about it.
struct Case {
  std::string name;
  int64_t threads = 1;
  baleen_mode mode = BALEEN_MODE_FAST;
  int64_t depth = 0;
};

// Functions run one repetition each and throw std::runtime_error.
class Measurements {
 public:
  Measurements(const Flags& flags, const std::string& folder)
      : flags_(flags), folder_(folder) {}

  // Loads the model; tells what stays in memory.
  void Open(benchmark::State& state, const Case& which);
  // A session that reads a prompt.
  void Prefill(benchmark::State& state, const Case& which);
  // A session that chooses tokens, after a prompt of one.
  void Decode(benchmark::State& state, const Case& which);
  // Steps of one token each after `which.depth` positions.
  void DecodeAt(benchmark::State& state, const Case& which);
  // Steps of one token for each of several sessions.
  void Batch(benchmark::State& state, const Case& which);

  // Tables of operators, one for each benchmark that computes.
  const std::vector<std::string>& tables() const { return tables_; }

 private:
  class Run;

  // Kept as long as the same one is asked for.
  Engine& EngineFor(int64_t threads);
  double Bandwidth(int64_t threads);
  const Rates& PeaksFor(int64_t threads);

  Flags flags_;
  std::string folder_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<probe::ReadProbe> probe_;
  std::map<int64_t, Rates> peaks_;
  std::set<std::string> traced_;  // Names of benchmarks that have a table.
  std::vector<std::string> tables_;
};

}  // namespace baleen::bench
