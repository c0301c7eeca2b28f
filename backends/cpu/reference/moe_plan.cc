// Sorts the rows of a step by expert (model.md §11, §16.1).
#include "cpu/moe_plan.h"

#include "cpu/checks.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {
namespace {

// Whether place `j` of a row's list counts: an expert there is, and not one
// that the row has named before.
bool Counts(const int32_t* list, int64_t j, int64_t experts) {
  if (list[j] < 0 || list[j] >= experts) return false;
  for (int64_t i = 0; i < j; ++i) {
    if (list[i] == list[j]) return false;
  }
  return true;
}

}  // namespace

const char* MoePlanRefusal(const baleen_moe_plan_args& args) {
  if (!IsType(args.experts, BALEEN_TYPE_I32) || !IsRows(args.experts, 2)) {
    return "experts are not i32 [T, A]";
  }
  if (!IsType(args.weights, BALEEN_TYPE_F32) || !IsRows(args.weights, 2) ||
      args.weights->size[1] != args.experts->size[1]) {
    return "weights are not f32 [T, A]";
  }
  if (!IsType(args.visited, BALEEN_TYPE_I32) || !IsRows(args.visited, 1)) {
    return "visited is not i32 [E]";
  }
  const int64_t experts = args.visited->size[0];
  if (args.resident != nullptr && (!IsType(args.resident, BALEEN_TYPE_I32) ||
                                   args.resident->size[0] != experts)) {
    return "resident is not i32 [E]";
  }
  if (args.missing != nullptr && (!IsType(args.missing, BALEEN_TYPE_I32) ||
                                  args.missing->size[0] != experts + 1)) {
    return "missing is not i32 [1 + E]";
  }
  if (args.plan == nullptr) return "there is no plan";
  if (args.plan->data != nullptr &&
      static_cast<uint64_t>(args.plan->size[0]) <
          MoePlanBytes(args.experts->size[0], args.experts->size[1], experts)) {
    return "the plan is too short";
  }
  return nullptr;
}

void MoePlanNeeds(const Device&, const baleen_moe_plan_args& args,
                  baleen_op_needs* needs) {
  needs->out_bytes = MoePlanBytes(args.experts->size[0], args.experts->size[1],
                                  args.visited->size[0]);
}

baleen_status MoePlanReference(const Queue&, const baleen_moe_plan_args& args) {
  const int64_t experts = args.visited->size[0];
  const int64_t rows = RowsOf(args.common, args.experts->size[0]);
  const int64_t places = args.experts->size[1];
  const MoePlan plan(*args.plan, experts);
  int32_t* visited = static_cast<int32_t*>(args.visited->data);
  const int32_t* resident =
      args.resident == nullptr
          ? nullptr
          : static_cast<const int32_t*>(args.resident->data);
  for (int64_t e = 0; e < experts; ++e) visited[e] = 0;
  for (int64_t t = 0; t < rows; ++t) {
    const int32_t* list = RowOf<const int32_t>(*args.experts, t);
    for (int64_t j = 0; j < places; ++j) {
      if (Counts(list, j, experts)) ++visited[list[j]];
    }
  }
  int32_t active = 0;
  int32_t missing = 0;
  int32_t* missing_list = args.missing == nullptr
                              ? nullptr
                              : static_cast<int32_t*>(args.missing->data);
  plan.starts[0] = 0;
  for (int32_t e = 0; e < experts; ++e) {
    plan.starts[e + 1] = plan.starts[e] + visited[e];
    plan.resident[e] = resident == nullptr || resident[e] >= 0 ? 1 : 0;
    if (visited[e] == 0) continue;
    if (plan.resident[e] != 0) {
      plan.active[active++] = e;
    } else if (missing_list != nullptr) {
      missing_list[1 + missing++] = e;
    }
  }
  if (missing_list != nullptr) missing_list[0] = missing;
  *plan.header = {static_cast<int32_t>(rows), static_cast<int32_t>(experts),
                  plan.starts[experts], active};
  // Each start moves to its end while its entries are written, and back.
  for (int32_t t = 0; t < rows; ++t) {
    const int32_t* list = RowOf<const int32_t>(*args.experts, t);
    const float* weights = RowOf<const float>(*args.weights, t);
    for (int32_t j = 0; j < places; ++j) {
      if (!Counts(list, j, experts)) continue;
      plan.entries[plan.starts[list[j]]++] = {t, j, weights[j]};
    }
  }
  for (int64_t e = experts; e > 0; --e) plan.starts[e] = plan.starts[e - 1];
  plan.starts[0] = 0;
  return BALEEN_OK;
}

}  // namespace baleen::cpu
