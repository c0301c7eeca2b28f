// What a step must read and compute at the least, operator by operator: the
// floor that a measured time is held against.  Operations are counted by the
// unit that the CPU backend uses for them at its best.
#pragma once

#include <array>
#include <cstdint>

#include <baleen/backend.h>

#include "benchmarks/probe/compute_probe.h"
#include "models/deepseek_v4/config.h"
#include "models/deepseek_v4/weights.h"

namespace baleen::bench {

// Measured: bytes a second, and operations a second by probe::Unit.
struct Rates {
  double bytes = 0;
  std::array<double, probe::kUnitCount> operations = {};
};

struct OperatorWork {
  double bytes = 0;  // Each that must be read, once; what is written is little.
  std::array<double, probe::kUnitCount> operations = {};  // By probe::Unit.

  double TotalOperations() const;
  // Of reading and of computing, whichever takes longer.
  double FloorSeconds(const Rates& rates) const;
};

struct StepWork {
  std::array<OperatorWork, BALEEN_OP_COUNT> operators = {};

  void Add(const StepWork& other);
  double TotalBytes() const;
  double TotalOperations() const;
  // Operators run one after another.
  double FloorSeconds(const Rates& rates) const;
};

// `sessions` sessions with `rows` rows each, the first at `position`; logits of
// the last row of each if `logits`.
struct StepShape {
  int64_t sessions = 1;
  int64_t rows = 1;
  int64_t position = 0;
  bool logits = true;
};

// Experts are those that so many tokens visit on average if each visits any.
StepWork CountWork(const deepseek_v4::Config& config,
                   const deepseek_v4::Weights& weights, const StepShape& shape);

}  // namespace baleen::bench
