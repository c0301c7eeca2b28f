// Implementations of the operators that do not multiply by weights.
#include "cpu/lists.h"

namespace baleen::cpu {

#define BALEEN_CPU_EMPTY(name, Name) \
  ImplementationList<baleen_##name##_args> Name##List() { return {}; }
BALEEN_CPU_EMPTY(mhc_boundary, MhcBoundary)
BALEEN_CPU_EMPTY(qkv_post, QkvPost)
BALEEN_CPU_EMPTY(indexer_q, IndexerQ)
BALEEN_CPU_EMPTY(compress, Compress)
BALEEN_CPU_EMPTY(step_plan, StepPlan)
BALEEN_CPU_EMPTY(indexer_score, IndexerScore)
BALEEN_CPU_EMPTY(topk_select, TopkSelect)
BALEEN_CPU_EMPTY(sparse_attn, SparseAttn)
BALEEN_CPU_EMPTY(router, Router)
BALEEN_CPU_EMPTY(hc_head, HcHead)
BALEEN_CPU_EMPTY(sample, Sample)
#undef BALEEN_CPU_EMPTY

}  // namespace baleen::cpu
