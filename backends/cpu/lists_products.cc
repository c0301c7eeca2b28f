// Implementations of the operators that multiply by weights.
#include "cpu/lists.h"

namespace baleen::cpu {

#define BALEEN_CPU_EMPTY(name, Name) \
  ImplementationList<baleen_##name##_args> Name##List() { return {}; }
BALEEN_CPU_EMPTY(embed, Embed)
BALEEN_CPU_EMPTY(in_proj, InProj)
BALEEN_CPU_EMPTY(q_up, QUp)
BALEEN_CPU_EMPTY(wo_a, WoA)
BALEEN_CPU_EMPTY(wo_b, WoB)
BALEEN_CPU_EMPTY(moe_plan, MoePlan)
BALEEN_CPU_EMPTY(moe_gate_up, MoeGateUp)
BALEEN_CPU_EMPTY(moe_down, MoeDown)
BALEEN_CPU_EMPTY(linear, Linear)
BALEEN_CPU_EMPTY(head, Head)
BALEEN_CPU_EMPTY(draft_head, DraftHead)
#undef BALEEN_CPU_EMPTY

}  // namespace baleen::cpu
