// Which records of a program are launched together.
#include "cuda/kernels/fused.h"

namespace baleen::cuda {
namespace {

// The arguments of a record if it is of `op`, complete and not refused.
template <typename Args>
const Args* ArgumentsOf(const baleen_op_record& record, baleen_op op,
                        const char* (*refusal)(const Args&)) {
  if (record.op != op) return nullptr;
  const Args* args = static_cast<const Args*>(record.args);
  if (args == nullptr || args->common.struct_size < sizeof(Args)) {
    return nullptr;
  }
  return refusal(*args) == nullptr ? args : nullptr;
}

}  // namespace

uint32_t RunFused(Queue* to, const baleen_op_record* records, uint32_t count,
                  baleen_status* status) {
  if (count < 2) return 0;
  const Queue& queue = *to;
  to->op = records[0].op;  // Whose settings hold for all of them.
  queue.device->Choose();
  if (const auto* qkv =
          ArgumentsOf(records[0], BALEEN_OP_QKV_POST, QkvPostRefusal)) {
    const baleen_compress_args* compressed[2] = {};
    int found = 0;
    for (uint32_t i = 1; i < count && found < 2; ++i) {
      const auto* args =
          ArgumentsOf(records[i], BALEEN_OP_COMPRESS, CompressRefusal);
      if (args == nullptr) break;
      compressed[found++] = args;
    }
    const bool done =
        found != 0 && RunInputs(queue, *qkv, compressed, found, status);
    return done ? static_cast<uint32_t>(1 + found) : 0;
  }
  if (const auto* up = ArgumentsOf(records[0], BALEEN_OP_Q_UP, QUpRefusal)) {
    const auto* index =
        ArgumentsOf(records[1], BALEEN_OP_INDEXER_Q, IndexerQRefusal);
    return up->weight != nullptr && index != nullptr &&
                   RunQueries(queue, *up, *index, status)
               ? 2
               : 0;
  }
  if (const auto* route =
          ArgumentsOf(records[0], BALEEN_OP_ROUTER, RouterRefusal)) {
    const auto* plan =
        ArgumentsOf(records[1], BALEEN_OP_MOE_PLAN, MoePlanRefusal);
    return plan != nullptr && RunRoutes(queue, *route, *plan, status) ? 2 : 0;
  }
  return 0;
}

}  // namespace baleen::cuda
