// Between two half-layers, in chunks of the streams.
//
// For a few rows the chunks of each are shared among the threads, since fn
// (1.6 MB for V4-Flash) is read at the speed of memory; for many, each thread
// takes up to 32 together, which share a chunk of fn in its cache: by eights, fn
// came from beyond the second cache too often to keep up.
#include "cpu/blocked/hyper.h"
#include "cpu/blocked/row_ops.h"
#include "cpu/reference/state_ops.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kFewRows = 8;
constexpr int64_t kRowsTogether = 32;

// Of a run of rows: the joined streams, as floats and as bf16; then the partial
// sums of rows that are taken together.
struct Memory {
  Memory(const baleen_mhc_boundary_args& args, uint8_t* memory)
      : joined(reinterpret_cast<float*>(memory)),
        partials(joined + args.streams->size[2]),
        u(reinterpret_cast<uint16_t*>(partials + PartialFloats(args))) {}

  static int64_t PartialFloats(const baleen_mhc_boundary_args& args) {
    return kRowsTogether * StreamChunks(args.streams->size[2]) * kPartialFloats;
  }
  static int64_t Bytes(const baleen_mhc_boundary_args& args) {
    const int64_t floats = args.streams->size[2] + PartialFloats(args);
    return floats * static_cast<int64_t>(sizeof(float)) +
           args.streams->size[2] * static_cast<int64_t>(sizeof(uint16_t));
  }

  float* joined;    // [D]
  float* partials;  // [kRowsTogether, chunks, kPartialFloats]
  uint16_t* u;      // [D]
};

// How many rows are taken together, so that all threads have some.
int64_t GroupRows(const Queue& queue, int64_t rows) {
  const int64_t width = queue.device->width();
  const int64_t share = (rows + width - 1) / width;
  return std::clamp((share + kFewRows - 1) / kFewRows * kFewRows, kFewRows,
                    kRowsTogether);
}

// A chunk of rows [row, row + rows).
void Chunk(const RowKernels& kernels, const baleen_mhc_boundary_args& args,
           int64_t row, int64_t rows, int64_t chunk, float* partials) {
  for (int64_t r = row; r < row + rows; ++r) {
    EndHalfChunk(kernels, args, r, chunk);
  }
  MixChunk(kernels, args, row, rows, chunk, partials + chunk * kPartialFloats,
           StreamChunks(args.streams->size[2]) * kPartialFloats);
}

void Finish(const RowKernels& kernels, const baleen_mhc_boundary_args& args,
            int64_t row, const float* partials, const Memory& memory) {
  float mixes[kMostMixes];
  float pre[kKernelStreams];
  float mix[kKernelStreams * kKernelStreams];
  AddPartials(args, partials, mixes);
  SplitMixes(kKernelStreams, args.iterations, args.hc_epsilon, mixes,
             static_cast<const float*>(args.base->data),
             static_cast<const float*>(args.scale->data), pre,
             RowOf<float>(*args.post, row), mix);
  for (int64_t j = 0; j < kKernelStreams; ++j) {
    std::copy(mix + j * kKernelStreams, mix + (j + 1) * kKernelStreams,
              RowOf<float>(*args.mix, row, j));
  }
  uint16_t* u = args.u != nullptr ? RowOf<uint16_t>(*args.u, row) : memory.u;
  JoinAndNorm(kernels, args, row, pre, memory.joined, u);
  if (args.u_rounded != nullptr) StoreRounded(u, *args.u_rounded, row);
}

}  // namespace

const char* MhcBoundaryBlockedAccepts(const baleen_mhc_boundary_args& args) {
  const char* error = MhcBoundaryReferenceAccepts(args);
  if (error != nullptr) return error;
  if (args.common.mode == BALEEN_MODE_REFERENCE) {
    return "reference mode sums in the reference's order";
  }
  return HyperKernelError(args);
}

template <const RowKernels& kKernels>
baleen_status MhcBoundaryBlocked(const Queue& queue,
                                 const baleen_mhc_boundary_args& args) {
  const int64_t rows = RowsOf(args.common, args.streams->size[0]);
  const int64_t chunks = StreamChunks(args.streams->size[2]);
  const int64_t row_floats = chunks * kPartialFloats;
  if (rows <= kFewRows) {
    const Memory shared(args, static_cast<uint8_t*>(args.common.scratch));
    ParallelFor(queue, rows == 0 ? 0 : chunks, [&](int64_t chunk) {
      Chunk(kKernels, args, 0, rows, chunk, shared.partials);
    });
    for (int64_t row = 0; row < rows; ++row) {
      Finish(kKernels, args, row, shared.partials + row * row_floats, shared);
    }
    return BALEEN_OK;
  }
  const int64_t group_rows = GroupRows(queue, rows);
  ForRows(queue, args.common.scratch, (rows + group_rows - 1) / group_rows,
          Memory::Bytes(args), [&](int64_t group, uint8_t* bytes) {
            const Memory memory(args, bytes);
            const int64_t first = group * group_rows;
            const int64_t count = std::min(rows - first, group_rows);
            for (int64_t chunk = 0; chunk < chunks; ++chunk) {
              Chunk(kKernels, args, first, count, chunk, memory.partials);
            }
            for (int64_t r = 0; r < count; ++r) {
              Finish(kKernels, args, first + r,
                     memory.partials + r * row_floats, memory);
            }
          });
  return BALEEN_OK;
}

void MhcBoundaryBlockedNeeds(const Device&,
                             const baleen_mhc_boundary_args& args,
                             baleen_op_needs* needs) {
  const int64_t groups = (args.streams->size[0] + kFewRows - 1) / kFewRows;
  needs->scratch_bytes = RowRunScratch(groups, Memory::Bytes(args));
}

BALEEN_CPU_INSTANTIATE(mhc_boundary, MhcBoundary)

}  // namespace baleen::cpu
