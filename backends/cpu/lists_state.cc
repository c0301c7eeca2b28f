// Implementations of the operators that do not multiply by prepared weights.
#include "cpu/blocked/row_ops.h"
#include "cpu/blocked/tile_ops.h"
#include "cpu/lists.h"
#include "cpu/reference/state_ops.h"

namespace baleen::cpu {

#if defined(__x86_64__)
#define BALEEN_CPU_AMX(Name) \
  {"amx", Isa::kAmx, Name##TilesAccepts, Name##Tiles, Name##TilesNeeds},
#define BALEEN_CPU_X86(Name)                                      \
  {"avx512", Isa::kAvx512, Name##BlockedAccepts,                  \
   Name##Blocked<kAvx512RowKernels>, Name##BlockedNeeds},         \
      {"avx512_core", Isa::kAvx512Core, Name##BlockedAccepts,     \
       Name##Blocked<kAvx512CoreRowKernels>, Name##BlockedNeeds}, \
      {"avx2", Isa::kAvx2, Name##BlockedAccepts,                  \
       Name##Blocked<kAvx2RowKernels>, Name##BlockedNeeds},
#else
#define BALEEN_CPU_AMX(Name)
#define BALEEN_CPU_X86(Name)
#endif
#define BALEEN_CPU_NONE(Name)

#define BALEEN_CPU_REFERENCE(Name)                                         \
  {                                                                        \
    "reference", Isa::kReference, Name##ReferenceAccepts, Name##Reference, \
        Name##ReferenceNeeds                                               \
  }

// `First` is what comes before the forms that all of them have.
#define BALEEN_CPU_BLOCKED_AFTER(First, name, Name)                   \
  ImplementationList<baleen_##name##_args> Name##List() {             \
    static constexpr Implementation<baleen_##name##_args> kList[] = { \
        First(Name) BALEEN_CPU_X86(Name){                             \
            "portable", Isa::kPortable, Name##BlockedAccepts,         \
            Name##Blocked<kPortableRowKernels>, Name##BlockedNeeds},  \
        BALEEN_CPU_REFERENCE(Name)};                                  \
    return kList;                                                     \
  }
#define BALEEN_CPU_BLOCKED(name, Name) \
  BALEEN_CPU_BLOCKED_AFTER(BALEEN_CPU_NONE, name, Name)
BALEEN_CPU_BLOCKED(mhc_boundary, MhcBoundary)
BALEEN_CPU_BLOCKED(hc_head, HcHead)
BALEEN_CPU_BLOCKED(indexer_q, IndexerQ)
BALEEN_CPU_BLOCKED(compress, Compress)
BALEEN_CPU_BLOCKED_AFTER(BALEEN_CPU_AMX, indexer_score, IndexerScore)
BALEEN_CPU_BLOCKED(topk_select, TopkSelect)
BALEEN_CPU_BLOCKED(sparse_attn, SparseAttn)
BALEEN_CPU_BLOCKED(router, Router)

// Little of a step's time, so there is nothing but the reference.
#define BALEEN_CPU_ONLY_REFERENCE(name, Name)                         \
  ImplementationList<baleen_##name##_args> Name##List() {             \
    static constexpr Implementation<baleen_##name##_args> kList[] = { \
        BALEEN_CPU_REFERENCE(Name)};                                  \
    return kList;                                                     \
  }
BALEEN_CPU_ONLY_REFERENCE(qkv_post, QkvPost)
BALEEN_CPU_ONLY_REFERENCE(step_plan, StepPlan)
BALEEN_CPU_ONLY_REFERENCE(sample, Sample)

#undef BALEEN_CPU_AMX
#undef BALEEN_CPU_X86
#undef BALEEN_CPU_NONE
#undef BALEEN_CPU_REFERENCE
#undef BALEEN_CPU_BLOCKED_AFTER
#undef BALEEN_CPU_BLOCKED
#undef BALEEN_CPU_ONLY_REFERENCE

}  // namespace baleen::cpu
