// y = sum of w2 a over the experts a row visits, ascending, then the shared
// expert (model.md §11).
#include "cpu/checks.h"
#include "cpu/parallel.h"
#include "cpu/reference/experts.h"
#include "cpu/reference/matrix.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {
namespace {

float Product(const baleen_moe_down_args& args, const Matrix& w2, int64_t n,
              int64_t row) {
  const float product = Dot(w2, n, ActivationRowOf(*args.a, row));
  return args.common.mode == BALEEN_MODE_REFERENCE ? RoundToBf16(product)
                                                   : product;
}

// What each resident expert gives, by place in the row's list.
void StorePlaces(const Queue& queue, const baleen_moe_down_args& args,
                 const MoePlan& plan) {
  const Weight& weight = *FromHandle(args.weight);
  ParallelFor(queue, args.y->size[2], [&](int64_t n) {
    for (int32_t j = 0; j < plan.header->active; ++j) {
      const int32_t e = plan.active[j];
      for (int32_t i = plan.starts[e]; i < plan.starts[e + 1]; ++i) {
        const MoeEntry& entry = plan.entries[i];
        RowOf<float>(*args.y, entry.row, entry.place)[n] =
            Product(args, ExpertOf(weight, e)[2], n, i);
      }
    }
  });
}

}  // namespace

const char* MoeDownRefusal(const baleen_moe_down_args& args) {
  if (!IsRounded(args.a) || !IsRows(args.a, 2)) {
    return "a is not of this device's format";
  }
  if (args.plan == nullptr) return "there is no plan";
  const char* reason = SumRefusal(args);
  if (reason != nullptr) return reason;
  if (args.others != nullptr &&
      (!IsType(args.others, BALEEN_TYPE_F32) || !IsRows(args.others, 3) ||
       args.others->size[2] != args.y->size[args.y->rank - 1])) {
    return "others are not f32 [T, A, D]";
  }
  reason = KindRefusal(args.weight, BALEEN_WEIGHT_EXPERTS);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 2, *args.a, args.y);
}

baleen_status MoeDownReference(const Queue& queue,
                               const baleen_moe_down_args& args) {
  const Weight& weight = *FromHandle(args.weight);
  if (!IsPlanOf(*args.plan, weight)) {
    return queue.device->Fail(BALEEN_INVALID_ARGUMENT,
                              "moe_down: the plan is of other experts");
  }
  const MoePlan plan(*args.plan);
  if (IsPartial(args.common)) {
    StorePlaces(queue, args, plan);
    return BALEEN_OK;
  }
  const Matrix* shared = SharedExpert(weight, plan.header->experts);
  // A column of y after the other: its sums over the experts stay apart.
  ParallelFor(queue, args.y->size[1], [&](int64_t n) {
    for (int64_t t = 0; t < plan.header->rows; ++t) {
      float sum = 0.0f;
      for (int32_t e = 0; e < plan.header->experts; ++e) {
        for (int32_t i = plan.starts[e]; i < plan.starts[e + 1]; ++i) {
          if (plan.entries[i].row != t) continue;
          if (plan.resident[e] != 0) {
            sum += Product(args, ExpertOf(weight, e)[2], n, i);
          } else if (args.others != nullptr) {
            sum +=
                RowOf<const float>(*args.others, t, plan.entries[i].place)[n];
          }
        }
      }
      if (shared != nullptr) {
        sum += Product(args, shared[2], n, plan.header->entries + t);
      }
      RowOf<uint16_t>(*args.y, t)[n] = Bf16FromFloat(sum);
    }
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
