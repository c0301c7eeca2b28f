// Fills the operator table from the implementation lists.
#include "cpu/ops.h"

#include <iterator>

#include "cpu/lists.h"

namespace baleen::cpu {
namespace {

#define BALEEN_CPU_CALL(name, Name)                                 \
  baleen_status Run##Name(baleen_queue* queue,                      \
                          const baleen_##name##_args* args) {       \
    return Dispatch(queue, #name, Name##List(), args);              \
  }                                                                 \
  baleen_status Query##Name(const Device& device, const void* args, \
                            baleen_op_needs* needs) {               \
    return Query(device, #name, Name##List(), args, needs);         \
  }
BALEEN_CPU_OPERATORS(BALEEN_CPU_CALL)
#undef BALEEN_CPU_CALL

using QueryFunction = baleen_status (*)(const Device&, const void*,
                                        baleen_op_needs*);

#define BALEEN_CPU_QUERY(name, Name) Query##Name,
constexpr QueryFunction kQueries[] = {BALEEN_CPU_OPERATORS(BALEEN_CPU_QUERY)};
#undef BALEEN_CPU_QUERY

static_assert(std::size(kQueries) == BALEEN_OP_COUNT);

}  // namespace

#define BALEEN_CPU_ENTRY(name, Name) Run##Name,
const baleen_ops kOperators = {sizeof(baleen_ops), 0,
                               BALEEN_CPU_OPERATORS(BALEEN_CPU_ENTRY)};
#undef BALEEN_CPU_ENTRY

baleen_status QueryOperator(baleen_device* handle, baleen_op op,
                            const void* args, baleen_op_needs* needs) {
  const Device& device = *FromHandle(handle);
  if (op < 0 || op >= static_cast<baleen_op>(std::size(kQueries))) {
    return device.Fail(BALEEN_UNSUPPORTED, "the CPU backend has no operator %d",
                       static_cast<int>(op));
  }
  return kQueries[op](device, args, needs);
}

}  // namespace baleen::cpu
