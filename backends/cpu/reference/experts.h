// What the two products of a mixture of experts have in common.
#pragma once

#include <algorithm>
#include <cmath>

#include "cpu/checks.h"
#include "cpu/moe_plan.h"
#include "cpu/weights.h"

namespace baleen::cpu {

// The matrices of expert `e`: w1, w3, w2.
inline const Matrix* ExpertOf(const Weight& weight, int64_t e) {
  return weight.matrices() + 3 * e;
}

inline bool IsPartial(const baleen_op_common& common) {
  return (common.flags & BALEEN_MOE_PARTIAL) != 0;
}

// NULL, or why y is not what moe_down gives on this device.
inline const char* SumRefusal(const baleen_moe_down_args& args) {
  if (IsPartial(args.common)) {
    return IsType(args.y, BALEEN_TYPE_F32) && IsRows(args.y, 3)
               ? nullptr
               : "y is not f32 [T, A, D]";
  }
  return IsType(args.y, BALEEN_TYPE_BF16) && IsRows(args.y, 2)
             ? nullptr
             : "y is not bf16 [T, D]; this device has no parts of it";
}

// The shared expert, or NULL.
inline const Matrix* SharedExpert(const Weight& weight, int64_t experts) {
  return weight.count == 3 * (experts + 1) ? ExpertOf(weight, experts)
                                           : nullptr;
}
// The one that a call computes.
inline const Matrix* SharedExpert(const baleen_op_common& common,
                                  const Weight& weight, int64_t experts) {
  return IsPartial(common) ? nullptr : SharedExpert(weight, experts);
}

inline bool IsPlanOf(const baleen_tensor& plan, const Weight& weight) {
  const int64_t experts = static_cast<MoePlanHeader*>(plan.data)->experts;
  return weight.count == 3 * experts || weight.count == 3 * (experts + 1);
}

// silu(min(gate, limit)) * clamp(up, limit) * route; a limit of 0 is none.
// Reference mode has rounded both products to bf16 before.
inline float SwiGlu(float gate, float up, float limit, float route) {
  if (limit > 0.0f) {
    gate = std::min(gate, limit);
    up = std::clamp(up, -limit, limit);
  }
  const float silu = gate / (1.0f + std::exp(-gate));
  return silu * up * route;
}

}  // namespace baleen::cpu
