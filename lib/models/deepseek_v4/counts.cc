#include "models/deepseek_v4/counts.h"

#include <algorithm>

namespace baleen::deepseek_v4 {
namespace {

// Calls back with the load of each run of the head.
template <typename Function>
void ForHeadRuns(int64_t outputs, int64_t head_rows, Function&& function) {
  for (int64_t done = 0; done < outputs; done += head_rows) {
    CostLoad load;
    load.outputs = std::min(head_rows, outputs - done);
    function(load);
  }
}

CostLoad LoadOf(const StepPart& part) {
  CostLoad load;
  load.first = part.position;
  load.rows = static_cast<int64_t>(part.tokens.size());
  load.frozen = part.frozen;
  load.outputs = part.output_count;
  return load;
}

}  // namespace

RouteCounts::RouteCounts(int64_t experts, int64_t experts_per_row,
                         int64_t layers, Memory* memory)
    : experts_(experts),
      experts_per_row_(experts_per_row),
      visits_(static_cast<size_t>(layers), memory),
      seen_(static_cast<size_t>(experts), memory) {}

int32_t RouteCounts::VisitsOf(const int32_t* routes, int64_t rows) {
  std::fill(seen_.begin(), seen_.end(), uint8_t{0});
  int32_t visits = 0;
  for (int64_t i = 0; i < rows * experts_per_row_; ++i) {
    uint8_t& seen = seen_[static_cast<size_t>(routes[i])];
    visits += 1 - seen;
    seen = 1;
  }
  return visits;
}

std::span<const int32_t> RouteCounts::Visits(int64_t first, int64_t rows) {
  const int64_t most = std::min(experts_, rows * experts_per_row_);
  for (size_t layer = 0; layer < visits_.size(); ++layer) {
    // Those of one row are different ones.
    visits_[layer] =
        rows == 1 || routes_ == nullptr
            ? static_cast<int32_t>(most)
            : VisitsOf(
                  routes_ + (static_cast<int64_t>(layer) * row_limit_ + first) *
                                experts_per_row_,
                  rows);
  }
  return visits_;
}

void CountStep(int64_t head_rows, std::span<const StepPart> parts,
               PassCosts* costs) {
  CostLoad all;
  for (const StepPart& part : parts) {
    all.rows += static_cast<int64_t>(part.tokens.size());
    all.outputs += part.output_count;
  }
  all.visits = costs->routes.Visits(0, all.rows);
  uint64_t pass_bytes = WeightBytesOf(costs->body, all);
  ForHeadRuns(all.outputs, head_rows, [&](const CostLoad& load) {
    pass_bytes += WeightBytesOf(costs->head, load);
  });
  int64_t first = 0;
  for (const StepPart& part : parts) {
    CostLoad load = LoadOf(part);
    const int64_t end = first + load.rows;
    if (part.counters != nullptr) {
      load.visits = costs->routes.Visits(first, load.rows);
      AddCosts(costs->body, load, part.counters);
      ForHeadRuns(load.outputs, head_rows, [&](const CostLoad& run) {
        AddCosts(costs->head, run, part.counters);
      });
      // Shares of all parts add up to the whole.
      const auto share = [&](int64_t rows) {
        return pass_bytes / static_cast<uint64_t>(all.rows) *
                   static_cast<uint64_t>(rows) +
               pass_bytes % static_cast<uint64_t>(all.rows) *
                   static_cast<uint64_t>(rows) /
                   static_cast<uint64_t>(all.rows);
      };
      part.counters->pass_weight_bytes += share(end) - share(first);
    }
    first = end;
  }
}

}  // namespace baleen::deepseek_v4
