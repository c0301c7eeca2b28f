// The N highest scores of a row, the lower index on ties (model.md §8).
// The threshold is found first (threshold.h); one more pass then writes the
// entries in ascending order.
#include "cpu/reference/topk_select.h"

#include "cpu/batch.h"
#include "cpu/parallel.h"
#include "cpu/reference/state_ops.h"
#include "cpu/threshold.h"

namespace baleen::cpu {
namespace {

class Scores {
 public:
  Scores(const baleen_tensor& scores, int64_t row)
      : floats_(scores.type == BALEEN_TYPE_F32 ? RowOf<const float>(scores, row)
                                               : nullptr),
        halves_(scores.type == BALEEN_TYPE_F32
                    ? nullptr
                    : RowOf<const uint16_t>(scores, row)) {}

  uint32_t At(int64_t i) const {
    return ScoreOrder(floats_ != nullptr ? floats_[i]
                                         : Bf16ToFloat(halves_[i]));
  }

 private:
  const float* floats_;
  const uint16_t* halves_;
};

}  // namespace

void SelectRowReference(const baleen_topk_select_args& args,
                        const BatchView& batch, int64_t row) {
  const int64_t visible =
      std::min(VisibleEntries(args.state->shape, batch.positions[row]),
               args.scores->size[1]);
  const int64_t wanted = std::min(visible, args.selected->size[1]);
  int32_t* selected = RowOf<int32_t>(*args.selected, row);
  static_cast<int32_t*>(args.count->data)[row] = static_cast<int32_t>(wanted);
  if (wanted == visible) {
    for (int64_t i = 0; i < wanted; ++i) selected[i] = static_cast<int32_t>(i);
    return;
  }
  if (wanted == 0) return;
  const Scores scores(*args.scores, row);
  Threshold<int64_t> threshold = FindThreshold(
      visible, wanted, [&](int64_t i) { return scores.At(i); },
      [](int64_t) { return int64_t{1}; });
  int64_t taken = 0;
  for (int64_t i = 0; taken < wanted; ++i) {
    const uint32_t order = scores.At(i);
    if (order < threshold.order) continue;
    if (order == threshold.order && --threshold.rest < 0) continue;
    selected[taken++] = static_cast<int32_t>(i);
  }
}

const char* TopkSelectReferenceAccepts(const baleen_topk_select_args& args) {
  if (args.state == nullptr || args.state->shape.ratio == 0) {
    return "the layer has no compressed entries";
  }
  if (args.scores == nullptr || args.scores->rank != 2 ||
      (args.scores->type != BALEEN_TYPE_F32 &&
       args.scores->type != BALEEN_TYPE_BF16)) {
    return "scores is neither bf16 nor f32 [T, C]";
  }
  if (!IsType(args.selected, BALEEN_TYPE_I32) || args.selected->rank != 2 ||
      !IsType(args.count, BALEEN_TYPE_I32)) {
    return "selected or count is not i32";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

baleen_status TopkSelectReference(const Queue& queue,
                                  const baleen_topk_select_args& args) {
  const BatchView batch(*args.common.batch);
  ParallelFor(queue, batch.rows,
              [&](int64_t row) { SelectRowReference(args, batch, row); });
  return BALEEN_OK;
}

void TopkSelectReferenceNeeds(const Device&, const baleen_topk_select_args&,
                              baleen_op_needs*) {}

}  // namespace baleen::cpu
