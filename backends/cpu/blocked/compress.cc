// Pooling groups of rows with vectors of channels; the rest is the reference's.
#include "cpu/reference/compress.h"
#include "cpu/blocked/row_ops.h"
#include "cpu/parallel.h"
#include "cpu/reference/state_ops.h"

namespace baleen::cpu {

const char* CompressBlockedAccepts(const baleen_compress_args& args) {
  const char* error = CompressReferenceAccepts(args);
  if (error != nullptr) return error;
  return args.norm->size[0] % kRowUnit == 0
             ? nullptr
             : "the size is not a multiple of 16";
}

template <const RowKernels& kKernels>
baleen_status CompressBlocked(const Queue& queue,
                              const baleen_compress_args& args) {
  const BatchView batch(*args.common.batch);
  ParallelFor(queue, batch.rows, [&](int64_t row) {
    if (!EndsGroup(args, batch, row)) return;
    GroupRow rows[kMaxGroupRows];
    const int64_t count = GroupRows(args, batch, row, rows);
    const float* values[kMaxGroupRows];
    const float* gates[kMaxGroupRows];
    const float* apes[kMaxGroupRows];
    for (int64_t j = 0; j < count; ++j) {
      values[j] = rows[j].value;
      gates[j] = rows[j].gate;
      apes[j] = rows[j].ape;
    }
    float pooled[kMaxHeadSize];
    kKernels.pool(values, gates, apes, count, args.norm->size[0], pooled);
    StorePooled(args, batch, row, pooled);
  });
  ParallelFor(queue, batch.rows,
              [&](int64_t row) { StoreTailRow(args, batch, row); });
  return BALEEN_OK;
}

void CompressBlockedNeeds(const Device&, const baleen_compress_args&,
                          baleen_op_needs* needs) {
  needs->launches = 2;
}

BALEEN_CPU_INSTANTIATE(compress, Compress)

}  // namespace baleen::cpu
