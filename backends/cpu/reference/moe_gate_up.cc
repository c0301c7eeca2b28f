// a = silu(min(w1 u, limit)) * clamp(w3 u, limit) * weight of the route
// (model.md §11).
#include "cpu/checks.h"
#include "cpu/parallel.h"
#include "cpu/reference/experts.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kGroup = 128;  // Of a scale of a, if it has any.

// Columns [first, first + count) of row `to` of a.
void GateUp(const baleen_moe_gate_up_args& args, const Matrix* expert,
            int64_t row, float route, float limit, int64_t to, int64_t first,
            int64_t count) {
  const ActivationRow u = ActivationRowOf(*args.u_rounded, row);
  const bool reference = args.common.mode == BALEEN_MODE_REFERENCE;
  float values[kGroup];
  for (int64_t n = 0; n < count; ++n) {
    float gate = Dot(expert[0], first + n, u);
    float up = Dot(expert[1], first + n, u);
    if (reference) {
      gate = RoundToBf16(gate);
      up = RoundToBf16(up);
    }
    values[n] = SwiGlu(gate, up, limit, route);
  }
  StoreRoundedColumns(*args.a, to, first, count, values);
}

}  // namespace

const char* MoeGateUpRefusal(const baleen_moe_gate_up_args& args) {
  if (!IsRounded(args.u_rounded) || !IsRows(args.u_rounded, 2)) {
    return "u_rounded is not of this device's format";
  }
  if (args.plan == nullptr) return "there is no plan";
  if (!IsRounded(args.a) || !IsRows(args.a, 2)) {
    return "a is not of this device's format";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_EXPERTS);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 0, *args.u_rounded, args.a);
}

baleen_status MoeGateUpReference(const Queue& queue,
                                 const baleen_moe_gate_up_args& args) {
  const Weight& weight = *FromHandle(args.weight);
  if (!IsPlanOf(*args.plan, weight)) {
    return queue.device->Fail(BALEEN_INVALID_ARGUMENT,
                              "moe_gate_up: the plan is of other experts");
  }
  const MoePlan plan(*args.plan);
  const int64_t inner = args.a->size[1];
  const int64_t tiles = GroupsOf(inner, kGroup);
  const auto tile_size = [&](int64_t first) {
    return std::min(kGroup, inner - first);
  };
  for (int32_t i = 0; i < plan.header->active; ++i) {
    const int32_t e = plan.active[i];
    const int64_t start = plan.starts[e];
    ParallelFor(queue, (plan.starts[e + 1] - start) * tiles, [&](int64_t task) {
      const int64_t to = start + task / tiles;
      const int64_t first = task % tiles * kGroup;
      const MoeEntry& entry = plan.entries[to];
      GateUp(args, ExpertOf(weight, e), entry.row, entry.weight, args.limit, to,
             first, tile_size(first));
    });
  }
  const Matrix* shared =
      SharedExpert(args.common, weight, plan.header->experts);
  if (shared == nullptr) return BALEEN_OK;
  ParallelFor(queue, plan.header->rows * tiles, [&](int64_t task) {
    const int64_t row = task / tiles;
    const int64_t first = task % tiles * kGroup;
    GateUp(args, shared, row, 1.0f, args.shared_limit,
           plan.header->entries + row, first, tile_size(first));
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
