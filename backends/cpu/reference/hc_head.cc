// Ends the last half-layer and joins the streams of the rows whose logits are
// wanted (model.md §5).
#include "cpu/reference/hyper.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

int64_t RowBytes(const baleen_hc_head_args& args) {
  return args.streams->size[2] * static_cast<int64_t>(sizeof(float));
}

void HeadRow(const baleen_hc_head_args& args, int64_t output, uint8_t* memory) {
  const int64_t size = args.streams->size[2];
  const int64_t row =
      static_cast<const int32_t*>(args.common.batch->outputs->data)[output];
  float mixes[kMaxStreams];
  float pre[kMaxStreams];
  MixStreams(args, row, mixes);
  SplitPre(args.streams->size[1], mixes,
           static_cast<const float*>(args.base->data),
           *static_cast<const float*>(args.scale->data), args.hc_epsilon, pre);
  float* joined = reinterpret_cast<float*>(memory);
  JoinStreams(args, row, pre, joined);
  if (args.joined != nullptr) {
    uint16_t* out = RowOf<uint16_t>(*args.joined, output);
    for (int64_t i = 0; i < size; ++i) out[i] = Bf16FromFloat(joined[i]);
  }
  NormJoined(args, joined, RowOf<uint16_t>(*args.u, output));
}

}  // namespace

const char* HcHeadReferenceAccepts(const baleen_hc_head_args& args) {
  if (args.streams == nullptr || args.streams->rank != 3) {
    return "streams is not bf16 [T, M, D]";
  }
  const char* error = HyperError(args, args.streams->size[1]);
  if (error != nullptr) return error;
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->outputs, BALEEN_TYPE_I32)) {
    return "the batch does not say which rows are wanted";
  }
  const int64_t size = args.streams->size[2];
  if (!IsTensor(args.u, BALEEN_TYPE_BF16, 2, size) ||
      (args.joined != nullptr &&
       !IsTensor(args.joined, BALEEN_TYPE_BF16, 2, size))) {
    return "u or joined is not bf16 [R, D]";
  }
  return nullptr;
}

baleen_status HcHeadReference(const Queue& queue,
                              const baleen_hc_head_args& args) {
  ParallelFor(queue, RowsOf(args.common, args.streams->size[0]),
              [&](int64_t row) {
                if (args.y != nullptr) EndHalf(args, row);
                if (args.stream_mean != nullptr) StoreStreamMean(args, row);
              });
  ForRows(queue, args.common.scratch,
          CountOf(args.common.batch, BALEEN_COUNT_OUTPUTS, args.u->size[0]),
          RowBytes(args), [&](int64_t output, uint8_t* memory) {
            HeadRow(args, output, memory);
          });
  return BALEEN_OK;
}

void HcHeadReferenceNeeds(const Device&, const baleen_hc_head_args& args,
                          baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.u->size[0], RowBytes(args));
}

}  // namespace baleen::cpu
