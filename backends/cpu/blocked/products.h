// Operators over the kernels of product.h: the same for every instruction set.
//
// `...Takes` says why the kernels do not run the arguments, or NULL; `...With`
// runs them with kernels; `...Scratch` is what that needs.
#pragma once

#include "cpu/implementation_list.h"
#include "cpu/product.h"

namespace baleen::cpu {

#define BALEEN_CPU_BLOCKED(name, Name)                                       \
  const char* Name##Takes(const baleen_##name##_args& args);                 \
  baleen_status Name##With(const Queue& queue,                               \
                           const baleen_##name##_args& args,                 \
                           const ProductKernels& kernels);                   \
  void Name##Scratch(const Device& device, const baleen_##name##_args& args, \
                     baleen_op_needs* needs);

BALEEN_CPU_BLOCKED(in_proj, InProj)
BALEEN_CPU_BLOCKED(q_up, QUp)
BALEEN_CPU_BLOCKED(wo_a, WoA)
BALEEN_CPU_BLOCKED(wo_b, WoB)
BALEEN_CPU_BLOCKED(moe_gate_up, MoeGateUp)
BALEEN_CPU_BLOCKED(moe_down, MoeDown)
BALEEN_CPU_BLOCKED(linear, Linear)
BALEEN_CPU_BLOCKED(head, Head)
BALEEN_CPU_BLOCKED(draft_head, DraftHead)
#undef BALEEN_CPU_BLOCKED

}  // namespace baleen::cpu
