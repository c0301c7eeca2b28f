// The implementation list of each operator.
//
// lists_products.cc holds those of operators that multiply by weights,
// lists_state.cc the others.
#pragma once

#include "cpu/implementation_list.h"

namespace baleen::cpu {

#define BALEEN_CPU_OPERATORS(OP)  \
  OP(embed, Embed)                \
  OP(mhc_boundary, MhcBoundary)   \
  OP(in_proj, InProj)             \
  OP(qkv_post, QkvPost)           \
  OP(q_up, QUp)                   \
  OP(indexer_q, IndexerQ)         \
  OP(compress, Compress)          \
  OP(step_plan, StepPlan)         \
  OP(indexer_score, IndexerScore) \
  OP(topk_select, TopkSelect)     \
  OP(sparse_attn, SparseAttn)     \
  OP(wo_a, WoA)                   \
  OP(wo_b, WoB)                   \
  OP(router, Router)              \
  OP(moe_plan, MoePlan)           \
  OP(moe_gate_up, MoeGateUp)      \
  OP(moe_down, MoeDown)           \
  OP(linear, Linear)              \
  OP(hc_head, HcHead)             \
  OP(head, Head)                  \
  OP(sample, Sample)              \
  OP(draft_head, DraftHead)

#define BALEEN_CPU_LIST(name, Name) \
  ImplementationList<baleen_##name##_args> Name##List();
BALEEN_CPU_OPERATORS(BALEEN_CPU_LIST)
#undef BALEEN_CPU_LIST

}  // namespace baleen::cpu
