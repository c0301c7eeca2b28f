// The operator table of the CPU backend.
#pragma once

#include <baleen/backend.h>

namespace baleen::cpu {

extern const baleen_ops kOperators;

baleen_status QueryOperator(baleen_device* device, baleen_op op,
                            const void* args, baleen_op_needs* needs);

}  // namespace baleen::cpu
