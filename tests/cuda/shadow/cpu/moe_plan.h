// Stands in for the CPU's header of this name where the operators' tests run on
// the emulated device: they look into the plan of a mixture, which is this one's.
#pragma once

#include <baleen/backend.h>

#include "cuda/kernels/moe_plan.h"

namespace baleen::cpu {

using MoeEntry = cuda::MoeEntry;

struct MoePlan : cuda::MoePlan {
  explicit MoePlan(const baleen_tensor& plan)
      : cuda::MoePlan(cuda::ReadPlan(plan.data)) {}
};

inline uint64_t MoePlanBytes(int64_t rows, int64_t places, int64_t experts) {
  return cuda::MoePlanBytes(rows, places, experts);
}

}  // namespace baleen::cpu
