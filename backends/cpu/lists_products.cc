// Implementations of the operators that multiply by weights.
#include "cpu/blocked/products.h"
#include "cpu/lists.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {
namespace {

// NULL weights are for questions only.  `linear` does without one.
template <typename Args>
bool HasWeights(const Args& args) {
  if constexpr (requires { args.w1; }) {
    return args.w1 != nullptr && args.w2 != nullptr;
  } else if constexpr (requires { args.table; }) {
    return args.table != nullptr;
  } else if constexpr (
      requires { args.weight; } && !requires { args.norm_in; }) {
    return args.weight != nullptr;
  } else {
    return true;
  }
}

template <typename Args, auto function>
baleen_status RunReference(const Queue& queue, const Args& args) {
  if (!HasWeights(args)) {
    return queue.device->Fail(BALEEN_INVALID_ARGUMENT, "there is no weight");
  }
  return function(queue, args);
}

// Reference mode multiplies with the kernels that sum as the reference does.
template <typename Args, auto function, const ProductKernels* kernels,
          const ProductKernels* ordered>
baleen_status RunWith(const Queue& queue, const Args& args) {
  if (!HasWeights(args)) {
    return queue.device->Fail(BALEEN_INVALID_ARGUMENT, "there is no weight");
  }
  return function(
      queue, args,
      args.common.mode == BALEEN_MODE_REFERENCE ? *ordered : *kernels);
}

}  // namespace

#define BALEEN_CPU_REFERENCE(name, Name, needs)                    \
  {                                                                \
    "reference", Isa::kReference, Name##Refusal,                   \
        RunReference<baleen_##name##_args, Name##Reference>, needs \
  }
#define BALEEN_CPU_WITH(name, Name, isa, label, kernels, ordered)      \
  {                                                                    \
    label, isa, Name##Takes,                                           \
        RunWith<baleen_##name##_args, Name##With, &kernels, &ordered>, \
        Name##Scratch                                                  \
  }

#if defined(__x86_64__)
#define BALEEN_CPU_X86(name, Name)                                        \
  BALEEN_CPU_WITH(name, Name, Isa::kAmx, "amx", kAmxKernels,              \
                  kAvx512OrderedKernels),                                 \
      BALEEN_CPU_WITH(name, Name, Isa::kAvx512, "avx512", kAvx512Kernels, \
                      kAvx512OrderedKernels),                             \
      BALEEN_CPU_WITH(name, Name, Isa::kAvx512Core, "avx512_core",        \
                      kAvx512CoreKernels, kAvx512OrderedKernels),         \
      BALEEN_CPU_WITH(name, Name, Isa::kAvx2, "avx2", kAvx2Kernels,       \
                      kAvx2OrderedKernels),
#else
#define BALEEN_CPU_X86(name, Name)
#endif

#define BALEEN_CPU_PLAIN(name, Name, needs)                           \
  ImplementationList<baleen_##name##_args> Name##List() {             \
    static constexpr Implementation<baleen_##name##_args> kList[] = { \
        BALEEN_CPU_REFERENCE(name, Name, needs)};                     \
    return kList;                                                     \
  }
#define BALEEN_CPU_PRODUCTS(name, Name, needs)                        \
  ImplementationList<baleen_##name##_args> Name##List() {             \
    static constexpr Implementation<baleen_##name##_args> kList[] = { \
        BALEEN_CPU_X86(name, Name)                                    \
            BALEEN_CPU_WITH(name, Name, Isa::kPortable, "portable",   \
                            kPortableKernels, kPortableKernels),      \
        BALEEN_CPU_REFERENCE(name, Name, needs)};                     \
    return kList;                                                     \
  }

BALEEN_CPU_PLAIN(embed, Embed, nullptr)
BALEEN_CPU_PLAIN(moe_plan, MoePlan, MoePlanNeeds)
BALEEN_CPU_PRODUCTS(in_proj, InProj, nullptr)
BALEEN_CPU_PRODUCTS(q_up, QUp, nullptr)
BALEEN_CPU_PRODUCTS(wo_a, WoA, nullptr)
BALEEN_CPU_PRODUCTS(wo_b, WoB, nullptr)
BALEEN_CPU_PRODUCTS(moe_gate_up, MoeGateUp, nullptr)
BALEEN_CPU_PRODUCTS(moe_down, MoeDown, nullptr)
BALEEN_CPU_PRODUCTS(linear, Linear, LinearNeeds)
BALEEN_CPU_PRODUCTS(head, Head, HeadNeeds)
BALEEN_CPU_PRODUCTS(draft_head, DraftHead, nullptr)

}  // namespace baleen::cpu
