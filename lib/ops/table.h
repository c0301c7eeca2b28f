// The operators as data: names, presence in a device's table, and the call of
// one whose number is known only at run time.  All of it is generated from
// ops.def, and static_asserts hold it to backend.h.
#pragma once

#include <cstddef>

#include <baleen/backend.h>

namespace baleen {

// "router"; "unknown" for a number there is not.
const char* OperatorName(baleen_op op);

// Size of its argument struct.
size_t ArgumentSize(baleen_op op);

// Does the table, which may be shorter than ours, hold this operator?
bool Offers(const baleen_ops& ops, baleen_op op);

// REQUIRES: Offers(ops, record.op)
baleen_status CallOperator(const baleen_ops& ops, baleen_queue* queue,
                           const baleen_op_record& record);

// The number that belongs to an argument struct.
template <typename Args>
struct OperatorOf;
#define BALEEN_OPERATOR(NUMBER, name)                    \
  template <>                                            \
  struct OperatorOf<baleen_##name##_args> {              \
    static constexpr baleen_op kOp = BALEEN_OP_##NUMBER; \
  };
#include "ops/ops.def"
#undef BALEEN_OPERATOR

}  // namespace baleen
