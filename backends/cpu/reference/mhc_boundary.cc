// Between two half-layers: ends one, begins the next (model.md §5).
#include "cpu/reference/hyper.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

// A run's joined streams, as floats and as bf16.
int64_t RowBytes(const baleen_mhc_boundary_args& args) {
  return args.streams->size[2] *
         static_cast<int64_t>(sizeof(float) + sizeof(uint16_t));
}

void BoundaryRow(const baleen_mhc_boundary_args& args, int64_t row,
                 uint8_t* memory) {
  const int64_t streams = args.streams->size[1];
  const int64_t size = args.streams->size[2];
  if (args.y != nullptr) EndHalf(args, row);
  if (args.stream_mean != nullptr) StoreStreamMean(args, row);

  float mixes[(2 + kMaxStreams) * kMaxStreams];
  float pre[kMaxStreams];
  float mix[kMaxStreams * kMaxStreams];
  MixStreams(args, row, mixes);
  SplitMixes(streams, args.iterations, args.hc_epsilon, mixes,
             static_cast<const float*>(args.base->data),
             static_cast<const float*>(args.scale->data), pre,
             RowOf<float>(*args.post, row), mix);
  for (int64_t j = 0; j < streams; ++j) {
    std::copy(mix + j * streams, mix + (j + 1) * streams,
              RowOf<float>(*args.mix, row, j));
  }

  float* joined = reinterpret_cast<float*>(memory);
  uint16_t* u = reinterpret_cast<uint16_t*>(joined + size);
  JoinStreams(args, row, pre, joined);
  NormJoined(args, joined, u);
  if (args.u != nullptr) {
    std::copy(u, u + size, RowOf<uint16_t>(*args.u, row));
  }
  if (args.u_rounded != nullptr) StoreRounded(u, *args.u_rounded, row);
}

}  // namespace

const char* MhcBoundaryReferenceAccepts(const baleen_mhc_boundary_args& args) {
  if (args.streams == nullptr || args.streams->rank != 3) {
    return "streams is not bf16 [T, M, D]";
  }
  const int64_t streams = args.streams->size[1];
  const int64_t size = args.streams->size[2];
  const char* error = HyperError(args, (2 + streams) * streams);
  if (error != nullptr) return error;
  if (args.scale->size[0] != 3) return "scale is not [3]";
  if (!IsTensor(args.post, BALEEN_TYPE_F32, 2, streams) ||
      !IsTensor(args.mix, BALEEN_TYPE_F32, 3, streams)) {
    return "post or mix does not fit streams";
  }
  if (args.u != nullptr && !IsTensor(args.u, BALEEN_TYPE_BF16, 2, size)) {
    return "u is not bf16 [T, D]";
  }
  if (args.u_rounded != nullptr &&
      (!IsRounded(args.u_rounded) || args.u_rounded->rank != 2 ||
       args.u_rounded->size[1] != size)) {
    return "u_rounded is not of this device's format";
  }
  return nullptr;
}

baleen_status MhcBoundaryReference(const Queue& queue,
                                   const baleen_mhc_boundary_args& args) {
  ForRows(
      queue, args.common.scratch, RowsOf(args.common, args.streams->size[0]),
      RowBytes(args),
      [&](int64_t row, uint8_t* memory) { BoundaryRow(args, row, memory); });
  return BALEEN_OK;
}

void MhcBoundaryReferenceNeeds(const Device&,
                               const baleen_mhc_boundary_args& args,
                               baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.streams->size[0], RowBytes(args));
}

}  // namespace baleen::cpu
