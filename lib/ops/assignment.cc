#include "ops/assignment.h"

#include <cstdint>
#include <initializer_list>

#include "ops/table.h"

namespace baleen {
namespace {

constexpr uint32_t SetOf(std::initializer_list<baleen_op> ops) {
  uint32_t set = 0;
  for (const baleen_op op : ops) set |= 1u << op;
  return set;
}

constexpr uint32_t kGroups[] = {
    // The state, the step's plan, the rounded queries.
    SetOf({BALEEN_OP_STEP_PLAN, BALEEN_OP_QKV_POST, BALEEN_OP_Q_UP,
           BALEEN_OP_INDEXER_Q, BALEEN_OP_COMPRESS, BALEEN_OP_INDEXER_SCORE,
           BALEEN_OP_TOPK_SELECT, BALEEN_OP_SPARSE_ATTN}),
    // The rounded input of a half-layer, the experts' plan.
    SetOf({BALEEN_OP_MHC_BOUNDARY, BALEEN_OP_IN_PROJ, BALEEN_OP_MOE_PLAN,
           BALEEN_OP_MOE_GATE_UP, BALEEN_OP_MOE_DOWN}),
    // The rounded output groups.
    SetOf({BALEEN_OP_WO_A, BALEEN_OP_WO_B}),
};

}  // namespace

Assignment::Assignment(const Machine& machine) {
  sides_.fill(kDevice);
  if (!machine.split()) return;
  for (baleen_op op = 0; op < BALEEN_OP_COUNT; ++op) {
    if (!Offers(*machine.table(kDevice).ops, op)) Demote(op);
  }
}

void Assignment::Demote(baleen_op op) {
  sides_[static_cast<size_t>(op)] = kCpu;
  for (const uint32_t group : kGroups) {
    if ((group >> op & 1) == 0) continue;
    for (size_t other = 0; other < sides_.size(); ++other) {
      if ((group >> other & 1) != 0) sides_[other] = kCpu;
    }
  }
}

}  // namespace baleen
