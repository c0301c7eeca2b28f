// The reference implementations of the operators that do not multiply by
// prepared weights: the definition that every other one is tested against.
//
// Plain loops; float, or double where a long sum would otherwise depend on its
// order.  In reference mode they round where DeepSeek's code does.
#pragma once

#include "cpu/implementation_list.h"

namespace baleen::cpu {

#define BALEEN_CPU_REFERENCE(name, Name)                                \
  const char* Name##ReferenceAccepts(const baleen_##name##_args& args); \
  baleen_status Name##Reference(const Queue& queue,                     \
                                const baleen_##name##_args& args);      \
  void Name##ReferenceNeeds(const Device& device,                       \
                            const baleen_##name##_args& args,           \
                            baleen_op_needs* needs);

BALEEN_CPU_REFERENCE(mhc_boundary, MhcBoundary)
BALEEN_CPU_REFERENCE(hc_head, HcHead)
BALEEN_CPU_REFERENCE(qkv_post, QkvPost)
BALEEN_CPU_REFERENCE(indexer_q, IndexerQ)
BALEEN_CPU_REFERENCE(compress, Compress)
BALEEN_CPU_REFERENCE(step_plan, StepPlan)
BALEEN_CPU_REFERENCE(indexer_score, IndexerScore)
BALEEN_CPU_REFERENCE(topk_select, TopkSelect)
BALEEN_CPU_REFERENCE(sparse_attn, SparseAttn)
BALEEN_CPU_REFERENCE(router, Router)
BALEEN_CPU_REFERENCE(sample, Sample)

#undef BALEEN_CPU_REFERENCE

}  // namespace baleen::cpu
