// The reference of each operator that multiplies by weights.
//
// `...Refusal` says why arguments cannot be run by any implementation here, or
// NULL; `...Reference` runs them.
#pragma once

#include "cpu/implementation_list.h"

namespace baleen::cpu {

#define BALEEN_CPU_PRODUCT(name, Name)                         \
  const char* Name##Refusal(const baleen_##name##_args& args); \
  baleen_status Name##Reference(const Queue& queue,            \
                                const baleen_##name##_args& args);

BALEEN_CPU_PRODUCT(embed, Embed)
BALEEN_CPU_PRODUCT(in_proj, InProj)
BALEEN_CPU_PRODUCT(q_up, QUp)
BALEEN_CPU_PRODUCT(wo_a, WoA)
BALEEN_CPU_PRODUCT(wo_b, WoB)
BALEEN_CPU_PRODUCT(moe_plan, MoePlan)
BALEEN_CPU_PRODUCT(moe_gate_up, MoeGateUp)
BALEEN_CPU_PRODUCT(moe_down, MoeDown)
BALEEN_CPU_PRODUCT(linear, Linear)
BALEEN_CPU_PRODUCT(head, Head)
BALEEN_CPU_PRODUCT(draft_head, DraftHead)
#undef BALEEN_CPU_PRODUCT

void MoePlanNeeds(const Device& device, const baleen_moe_plan_args& args,
                  baleen_op_needs* needs);
void LinearNeeds(const Device& device, const baleen_linear_args& args,
                 baleen_op_needs* needs);
void HeadNeeds(const Device& device, const baleen_head_args& args,
               baleen_op_needs* needs);

// The logits of `head`: those asked for, or in scratch.
baleen_tensor HeadLogits(const baleen_head_args& args);

}  // namespace baleen::cpu
