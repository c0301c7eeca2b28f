// What steps cost (ops/cost.h): the sheets of a model's passes, and the experts
// that rows visited, which only the step itself knows.
#pragma once

#include <cstdint>
#include <span>

#include "base/memory.h"
#include "models/model.h"
#include "ops/cost.h"

namespace baleen::deepseek_v4 {

// Experts that a step's rows visited in each layer, each counted once.
class RouteCounts {
 public:
  RouteCounts(int64_t experts, int64_t experts_per_row, int64_t layers,
              Memory* memory);

  // Of the step: i32 [layers, row_limit, experts_per_row]; or NULL where they
  // are not known.  Then each row has its own experts, as far as there are.
  void Use(const int32_t* routes, int64_t row_limit) {
    routes_ = routes;
    row_limit_ = row_limit;
  }
  // By the rows [first, first + rows).  Valid until the next call.
  std::span<const int32_t> Visits(int64_t first, int64_t rows);

 private:
  int32_t VisitsOf(const int32_t* routes, int64_t rows);

  int64_t experts_;
  int64_t experts_per_row_;
  const int32_t* routes_ = nullptr;
  int64_t row_limit_ = 0;
  Vector<int32_t> visits_;  // [layers]
  Vector<uint8_t> seen_;    // [experts]
};

// Of a pass through layers, and of the head behind it for some rows at a time.
struct PassCosts {
  CostSheet body;
  CostSheet head;
  RouteCounts routes;

  PassCosts(int64_t experts, int64_t experts_per_row, int64_t layers,
            Memory* memory)
      : body(memory),
        head(memory),
        routes(experts, experts_per_row, layers, memory) {}
};

// Adds to each part's counters what its rows cost as if they were alone, and
// its share in the weights that the pass read.  `head_rows`: of one run of the
// head.
void CountStep(int64_t head_rows, std::span<const StepPart> parts,
               PassCosts* costs);

}  // namespace baleen::deepseek_v4
