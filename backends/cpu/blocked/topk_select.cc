// The N highest scores of a row by a bound that vectors find.
//
// The scores are dealt into 2 N columns.  The N-th highest of the columns'
// maxima is one that at least N scores reach, and few more do: two sweeps of
// vectors leave some 700 of a quarter of a million to choose 512 from.  Where
// ties leave more, as when most scores are zero, the reference chooses.
#include <algorithm>
#include <functional>

#include "cpu/batch.h"
#include "cpu/blocked/row_ops.h"
#include "cpu/reference/state_ops.h"
#include "cpu/reference/topk_select.h"
#include "cpu/row_tasks.h"
#include "cpu/threshold.h"

namespace baleen::cpu {
namespace {

int64_t Columns(const baleen_topk_select_args& args) {
  return (2 * args.selected->size[1] + kRowUnit - 1) / kRowUnit * kRowUnit;
}

// Scores that may reach the bound; more are left to the reference.
int64_t Places(const baleen_topk_select_args& args) {
  return 2 * Columns(args);
}

int64_t MemoryBytes(const baleen_topk_select_args& args) {
  return Columns(args) * static_cast<int64_t>(sizeof(float)) +
         Places(args) * static_cast<int64_t>(sizeof(int32_t));
}

// A score that at least `wanted` of them reach.
float LowerBound(const RowKernels& kernels, const float* scores, int64_t count,
                 int64_t wanted, int64_t columns, float* highest) {
  kernels.column_highest(scores, count, columns, highest);
  std::nth_element(highest, highest + wanted - 1, highest + columns,
                   std::greater<float>());
  return highest[wanted - 1];
}

// False: left to the reference.
bool SelectRow(const RowKernels& kernels, const baleen_topk_select_args& args,
               int64_t row, int64_t visible, uint8_t* memory) {
  const int64_t wanted = args.selected->size[1];
  const int64_t columns = Columns(args);
  if (wanted == 0 || visible < 2 * columns) return false;
  const float* scores = RowOf<const float>(*args.scores, row);
  float* highest = reinterpret_cast<float*>(memory);
  int32_t* found = reinterpret_cast<int32_t*>(highest + columns);
  const float bound =
      LowerBound(kernels, scores, visible, wanted, columns, highest);
  const int64_t count =
      kernels.collect(scores, visible, bound, Places(args), found);
  // Fewer than wanted: of the rest some are no numbers, which come last.
  if (count < wanted || count > Places(args)) return false;
  const auto order_at = [&](int64_t i) { return ScoreOrder(scores[found[i]]); };
  Threshold<int64_t> threshold = FindThreshold(
      count, wanted, order_at, [](int64_t) { return int64_t{1}; });
  int32_t* selected = RowOf<int32_t>(*args.selected, row);
  int64_t taken = 0;
  for (int64_t i = 0; taken < wanted; ++i) {
    const uint32_t order = order_at(i);
    if (order < threshold.order) continue;
    if (order == threshold.order && --threshold.rest < 0) continue;
    selected[taken++] = found[i];
  }
  static_cast<int32_t*>(args.count->data)[row] = static_cast<int32_t>(wanted);
  return true;
}

}  // namespace

const char* TopkSelectBlockedAccepts(const baleen_topk_select_args& args) {
  const char* error = TopkSelectReferenceAccepts(args);
  if (error != nullptr) return error;
  return args.scores->type == BALEEN_TYPE_F32 ? nullptr : "scores are not f32";
}

template <const RowKernels& kKernels>
baleen_status TopkSelectBlocked(const Queue& queue,
                                const baleen_topk_select_args& args) {
  const BatchView batch(*args.common.batch);
  ForRows(queue, args.common.scratch, batch.rows, MemoryBytes(args),
          [&](int64_t row, uint8_t* memory) {
            const int64_t visible = std::min(
                VisibleEntries(args.state->shape, batch.positions[row]),
                args.scores->size[1]);
            if (!SelectRow(kKernels, args, row, visible, memory)) {
              SelectRowReference(args, batch, row);
            }
          });
  return BALEEN_OK;
}

void TopkSelectBlockedNeeds(const Device&, const baleen_topk_select_args& args,
                            baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.scores->size[0], MemoryBytes(args));
}

BALEEN_CPU_INSTANTIATE(topk_select, TopkSelect)

}  // namespace baleen::cpu
