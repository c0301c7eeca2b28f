// The plan of a step, which the CPU does without: its operators find pages and
// groups in the batch as they go, for the price of a division.
//
// A few zero bytes all the same, so that whoever plans for any device need not
// care.
#include <cstring>

#include "cpu/batch.h"
#include "cpu/reference/state_ops.h"

namespace baleen::cpu {
namespace {

constexpr uint64_t kPlanBytes = 64;

}  // namespace

const char* StepPlanReferenceAccepts(const baleen_step_plan_args& args) {
  if (args.kind_count != 0 && args.kinds == nullptr) {
    return "there are no kinds of layers";
  }
  for (uint32_t i = 0; i < args.kind_count; ++i) {
    const char* error = StateShapeError(args.kinds[i]);
    if (error != nullptr) return error;
  }
  // Without data this is the question how long a plan is.
  if (args.plan != nullptr && args.plan->data != nullptr &&
      (args.plan->rank != 1 ||
       args.plan->size[0] < static_cast<int64_t>(kPlanBytes))) {
    return "the plan is too short";
  }
  return nullptr;
}

baleen_status StepPlanReference(const Queue& queue,
                                const baleen_step_plan_args& args) {
  if (args.plan == nullptr || args.plan->data == nullptr) {
    return queue.device->Fail(BALEEN_INVALID_ARGUMENT,
                              "step_plan: there is no room for a plan");
  }
  std::memset(args.plan->data, 0, kPlanBytes);
  return BALEEN_OK;
}

void StepPlanReferenceNeeds(const Device&, const baleen_step_plan_args&,
                            baleen_op_needs* needs) {
  needs->out_bytes = kPlanBytes;
}

}  // namespace baleen::cpu
