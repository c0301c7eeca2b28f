// Joining the streams of the rows whose logits are wanted, in chunks.
#include "cpu/blocked/hyper.h"
#include "cpu/blocked/row_ops.h"
#include "cpu/reference/state_ops.h"

namespace baleen::cpu {
namespace {

struct Memory {
  Memory(const baleen_hc_head_args& args, uint8_t* memory)
      : joined(reinterpret_cast<float*>(memory)),
        partials(joined + args.streams->size[2]) {}

  static int64_t Bytes(const baleen_hc_head_args& args) {
    const int64_t size = args.streams->size[2];
    return (size + StreamChunks(size) * kPartialFloats) *
           static_cast<int64_t>(sizeof(float));
  }

  float* joined;    // [D]
  float* partials;  // [chunks, kPartialFloats]
};

void HeadRow(const RowKernels& kernels, const baleen_hc_head_args& args,
             int64_t output, const Memory& memory) {
  const int64_t size = args.streams->size[2];
  const int64_t row =
      static_cast<const int32_t*>(args.common.batch->outputs->data)[output];
  for (int64_t chunk = 0; chunk < StreamChunks(size); ++chunk) {
    MixChunk(kernels, args, row, 1, chunk,
             memory.partials + chunk * kPartialFloats, 0);
  }
  float mixes[kMostMixes];
  float pre[kKernelStreams];
  AddPartials(args, memory.partials, mixes);
  SplitPre(kKernelStreams, mixes, static_cast<const float*>(args.base->data),
           *static_cast<const float*>(args.scale->data), args.hc_epsilon, pre);
  JoinAndNorm(kernels, args, row, pre, memory.joined,
              RowOf<uint16_t>(*args.u, output));
  if (args.joined == nullptr) return;
  uint16_t* joined = RowOf<uint16_t>(*args.joined, output);
  for (int64_t i = 0; i < size; ++i) {
    joined[i] = Bf16FromFloat(memory.joined[i]);
  }
}

}  // namespace

const char* HcHeadBlockedAccepts(const baleen_hc_head_args& args) {
  const char* error = HcHeadReferenceAccepts(args);
  return error != nullptr ? error : HyperKernelError(args);
}

template <const RowKernels& kKernels>
baleen_status HcHeadBlocked(const Queue& queue,
                            const baleen_hc_head_args& args) {
  const int64_t rows = RowsOf(args.common, args.streams->size[0]);
  const int64_t chunks = StreamChunks(args.streams->size[2]);
  ParallelFor(queue, rows, [&](int64_t row) {
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      EndHalfChunk(kKernels, args, row, chunk);
    }
  });
  ForRows(queue, args.common.scratch,
          CountOf(args.common.batch, BALEEN_COUNT_OUTPUTS, args.u->size[0]),
          Memory::Bytes(args), [&](int64_t output, uint8_t* memory) {
            HeadRow(kKernels, args, output, Memory(args, memory));
          });
  return BALEEN_OK;
}

void HcHeadBlockedNeeds(const Device&, const baleen_hc_head_args& args,
                        baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.u->size[0], Memory::Bytes(args));
}

BALEEN_CPU_INSTANTIATE(hc_head, HcHead)

}  // namespace baleen::cpu
