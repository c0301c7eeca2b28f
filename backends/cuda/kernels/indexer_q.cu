// indexer_q: queries of the indexer to e2m1.
#include "cuda/kernels/indexer_q.h"

#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;

__global__ void __launch_bounds__(kThreads)
    IndexerQKernel(IndexerQParams params) {
  __shared__ float heads[kWarps][kMaxHeadSize];
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  const int head = static_cast<int>(blockIdx.y) * kWarps + WarpIndex();
  if (row >= RowsOf(params.batch, params.iq.size0) || head >= params.iq.size1) {
    return;
  }
  FinishIndexHead(params, row, head, heads[WarpIndex()]);
}

}  // namespace

const char* IndexerQRefusal(const baleen_indexer_q_args& args) {
  if (!IsType(args.iq, BALEEN_TYPE_BF16) || !IsRows(args.iq, 3)) {
    return "iq is not bf16 [T, I, J]";
  }
  const int64_t heads = args.iq->size[1];
  const int64_t size = args.iq->size[2];
  if (size > kMaxHeadSize || size < kKeyGroup || (size & (size - 1)) != 0) {
    return "the size of an indexer head is not a power of two from 32 to 1024";
  }
  if (args.rope_size > size || !IsRope(args.rope, args.rope_size)) {
    return "rope does not fit rope_size";
  }
  if (!IsTensor(args.key_weight, BALEEN_TYPE_BF16, 2, heads) ||
      !IsTensor(args.head_weight, BALEEN_TYPE_F32, 2, heads)) {
    return "key_weight or head_weight does not fit iq";
  }
  const baleen_tensor* out = args.iq_rounded;
  if (!IsTensor(out, BALEEN_TYPE_I8, 3, size) &&
      !IsTensor(out, BALEEN_TYPE_F4_E2M1, 3, size)) {
    return "iq_rounded is neither e2m1 nor i8 [T, I, J]";
  }
  if (out->scale_type != BALEEN_TYPE_E8M0 || out->block_columns != kKeyGroup ||
      out->stride[0] % 2 != 0 || out->stride[1] % 2 != 0) {
    return "iq_rounded has no e8m0 scale for each 32";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

void IndexerQNeeds(const Device&, const baleen_indexer_q_args&,
                   baleen_op_needs*) {}

baleen_status IndexerQRun(const Queue& queue,
                          const baleen_indexer_q_args& args) {
  return Launch(queue, IndexerQKernel,
                Grid(RowBound(queue, args.iq->size[0]),
                     (args.iq->size[1] + kWarps - 1) / kWarps),
                kThreads, 0, IndexerQOf(args));
}

}  // namespace baleen::cuda
