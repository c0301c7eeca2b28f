// Implementations of the operators that do not multiply by prepared weights.
#include "cpu/lists.h"
#include "cpu/reference/state_ops.h"

namespace baleen::cpu {

#define BALEEN_CPU_ONLY_REFERENCE(name, Name)                         \
  ImplementationList<baleen_##name##_args> Name##List() {             \
    static constexpr Implementation<baleen_##name##_args> kList[] = { \
        {"reference", Isa::kReference, Name##ReferenceAccepts,        \
         Name##Reference, Name##ReferenceNeeds},                      \
    };                                                                \
    return kList;                                                     \
  }
BALEEN_CPU_ONLY_REFERENCE(mhc_boundary, MhcBoundary)
BALEEN_CPU_ONLY_REFERENCE(qkv_post, QkvPost)
BALEEN_CPU_ONLY_REFERENCE(indexer_q, IndexerQ)
BALEEN_CPU_ONLY_REFERENCE(compress, Compress)
BALEEN_CPU_ONLY_REFERENCE(step_plan, StepPlan)
BALEEN_CPU_ONLY_REFERENCE(indexer_score, IndexerScore)
BALEEN_CPU_ONLY_REFERENCE(topk_select, TopkSelect)
BALEEN_CPU_ONLY_REFERENCE(sparse_attn, SparseAttn)
BALEEN_CPU_ONLY_REFERENCE(router, Router)
BALEEN_CPU_ONLY_REFERENCE(hc_head, HcHead)
BALEEN_CPU_ONLY_REFERENCE(sample, Sample)
#undef BALEEN_CPU_ONLY_REFERENCE

}  // namespace baleen::cpu
