// The operators without prepared weights on top of the kernels of
// row_kernels.h.  Instantiated for each set of kernels; what they leave to the
// reference they refuse in `accepts`.
#pragma once

#include "cpu/implementation_list.h"
#include "cpu/row_kernels.h"

namespace baleen::cpu {

#define BALEEN_CPU_BLOCKED(name, Name)                                \
  const char* Name##BlockedAccepts(const baleen_##name##_args& args); \
  template <const RowKernels& kKernels>                               \
  baleen_status Name##Blocked(const Queue& queue,                     \
                              const baleen_##name##_args& args);      \
  void Name##BlockedNeeds(const Device& device,                       \
                          const baleen_##name##_args& args,           \
                          baleen_op_needs* needs);

BALEEN_CPU_BLOCKED(mhc_boundary, MhcBoundary)
BALEEN_CPU_BLOCKED(hc_head, HcHead)
BALEEN_CPU_BLOCKED(indexer_q, IndexerQ)
BALEEN_CPU_BLOCKED(compress, Compress)
BALEEN_CPU_BLOCKED(indexer_score, IndexerScore)
BALEEN_CPU_BLOCKED(topk_select, TopkSelect)
BALEEN_CPU_BLOCKED(sparse_attn, SparseAttn)
BALEEN_CPU_BLOCKED(router, Router)

#undef BALEEN_CPU_BLOCKED

// At the end of a file that defines one.
#define BALEEN_CPU_INSTANTIATE(name, Name)                   \
  template baleen_status Name##Blocked<kPortableRowKernels>( \
      const Queue&, const baleen_##name##_args&);            \
  BALEEN_CPU_INSTANTIATE_X86(name, Name)
#if defined(__x86_64__)
#define BALEEN_CPU_INSTANTIATE_X86(name, Name)                 \
  template baleen_status Name##Blocked<kAvx2RowKernels>(       \
      const Queue&, const baleen_##name##_args&);              \
  template baleen_status Name##Blocked<kAvx512CoreRowKernels>( \
      const Queue&, const baleen_##name##_args&);              \
  template baleen_status Name##Blocked<kAvx512RowKernels>(     \
      const Queue&, const baleen_##name##_args&);
#else
#define BALEEN_CPU_INSTANTIATE_X86(name, Name)
#endif

}  // namespace baleen::cpu
