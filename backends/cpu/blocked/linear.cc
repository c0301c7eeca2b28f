// linear, head and draft_head: one matrix, with rows made before and after.
#include "cpu/blocked/products.h"
#include "cpu/blocked/tiles.h"
#include "cpu/draft_block.h"
#include "cpu/linear_input.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* LinearTakes(const baleen_linear_args& args) {
  const char* reason = LinearRefusal(args);
  return reason != nullptr ? reason : WeightRefusal(args.weight);
}

void LinearScratch(const Device&, const baleen_linear_args& args,
                   baleen_op_needs* needs) {
  needs->scratch_bytes = LinearScratch(args).bytes;
  if (args.in->type == BALEEN_TYPE_I32) return;
  needs->scratch_bytes += PackedBytes(args.out->size[0], args.in->size[1]);
}

baleen_status LinearWith(const Queue& queue, const baleen_linear_args& args,
                         const ProductKernels& kernels) {
  const int64_t rows = LinearRows(args);
  if (args.in->type == BALEEN_TYPE_I32 || args.weight == nullptr) {
    CopyLinearInput(queue, args, rows);
  } else {
    const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
    const baleen_tensor in = PrepareLinearInput(queue, args, matrix, rows);
    uint8_t* memory =
        static_cast<uint8_t*>(args.common.scratch) + LinearScratch(args).bytes;
    const ProductPart part{
        &matrix, PackRows(queue, kernels, matrix.type, in, rows, memory),
        args.out};
    MultiplyParts(queue, kernels, &part, 1, rows);
  }
  FinishLinearRows(queue, args, rows);
  return BALEEN_OK;
}

const char* HeadTakes(const baleen_head_args& args) {
  const char* reason = HeadRefusal(args);
  return reason != nullptr ? reason : WeightRefusal(args.weight);
}

// Packed u, then the logits that nobody asked for.
void HeadScratch(const Device& device, const baleen_head_args& args,
                 baleen_op_needs* needs) {
  HeadNeeds(device, args, needs);
  needs->scratch_bytes += PackedBytes(args.u->size[0], args.u->size[1]);
}

baleen_status HeadWith(const Queue& queue, const baleen_head_args& args,
                       const ProductKernels& kernels) {
  const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
  const int64_t rows =
      CountOf(args.common.batch, BALEEN_COUNT_OUTPUTS, args.u->size[0]);
  const PackedRows packed =
      PackRows(queue, kernels, matrix.type, *args.u, rows, args.common.scratch);
  baleen_tensor logits = HeadLogits(args);
  if (args.logits == nullptr) {
    logits.data = static_cast<uint8_t*>(args.common.scratch) +
                  PackedBytes(args.u->size[0], args.u->size[1]);
  }
  const ProductPart part{&matrix, packed, &logits};
  MultiplyParts(queue, kernels, &part, 1, rows);
  if (args.top == nullptr && args.log_sum == nullptr) return BALEEN_OK;
  ParallelFor(queue, rows, [&](int64_t row) {
    FinishHeadRow(args, row, RowOf<float>(logits, row), matrix.rows);
  });
  return BALEEN_OK;
}

const char* DraftHeadTakes(const baleen_draft_head_args& args) {
  const char* reason = DraftHeadRefusal(args);
  return reason != nullptr ? reason : WeightRefusal(args.w2);
}

void DraftHeadScratch(const Device&, const baleen_draft_head_args& args,
                      baleen_op_needs* needs) {
  // The rank is known from the confidence's weight even where w1 is not.
  const int64_t rank =
      args.confidence_weight->size[args.confidence_weight->rank - 1] -
      args.joined->size[1];
  needs->scratch_bytes = PackedBytes(args.logits->size[0] / args.block + 1,
                                     std::max<int64_t>(rank, 1));
}

baleen_status DraftHeadWith(const Queue& queue,
                            const baleen_draft_head_args& args,
                            const ProductKernels& kernels) {
  const Matrix& w2 = FromHandle(args.w2)->matrices()[0];
  const int64_t blocks = DraftBlocks(args);
  const PackedRows packed{
      static_cast<uint8_t*>(args.common.scratch),
      PackedStride(w2.columns, kernels.packed_block(w2.type))};
  for (int64_t i = 0; i < args.block; ++i) {
    for (int64_t block = 0; block < blocks; ++block) {
      PackRow(kernels, w2.type, TokenBefore(args, block * args.block + i),
              w2.columns, packed.data + block * packed.stride);
    }
    ParallelRanges(queue, w2.rows, kTile, [&](int64_t first, int64_t end) {
      MultiplyTile(
          kernels, w2, first, end - first, blocks,
          [&](int64_t block) { return packed.row(block); },
          [&](int64_t block, const float* values) {
            const int64_t output = block * args.block + i;
            const float* base = RowOf<const float>(*args.base, output);
            float* logits = RowOf<float>(*args.logits, output);
            for (int64_t n = first; n < end; ++n) {
              logits[n] = base[n] + values[n - first];
            }
          });
    });
    ParallelFor(queue, blocks, [&](int64_t block) {
      FinishDraft(args, block * args.block + i);
    });
  }
  return BALEEN_OK;
}

}  // namespace baleen::cpu
