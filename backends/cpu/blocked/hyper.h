// Residual streams in chunks: what the boundary between half-layers and the
// head share.
#pragma once

#include <cmath>

#include "cpu/reference/hyper.h"
#include "cpu/row_kernels.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {

// Elements of each stream that are summed as a run.  Their rows of fn take
// 96 KiB, so that several rows of a step can share them in the cache.
inline constexpr int64_t kStreamChunk = kMostMixed;
inline constexpr int64_t kMostMixes = (2 + kKernelStreams) * kKernelStreams;
// Floats of a chunk's partial sums: the mixes and the sum of squares.
inline constexpr int64_t kPartialFloats = 32;
inline constexpr int64_t kMostParts = 16;

inline int64_t StreamChunks(int64_t size) {
  return (size + kStreamChunk - 1) / kStreamChunk;
}

// Why the kernels cannot take what the reference takes.
template <typename Args>
const char* HyperKernelError(const Args& args) {
  if (args.streams->size[1] != kKernelStreams) return "it is for four streams";
  if (args.streams->size[2] % kRowUnit != 0) {
    return "the size is not a multiple of 16";
  }
  if (args.y != nullptr && args.y->type == BALEEN_TYPE_F32 &&
      args.y->size[0] > kMostParts) {
    return "y has too many parts";
  }
  return nullptr;
}

// Ends the half-layer, and means the streams, for a chunk of a row.
template <typename Args>
void EndHalfChunk(const RowKernels& kernels, const Args& args, int64_t row,
                  int64_t chunk) {
  const int64_t size = args.streams->size[2];
  EndHalfRun run = {};
  run.streams = RowOf<uint16_t>(*args.streams, row);
  run.stream_stride = args.streams->stride[1];
  run.first = chunk * kStreamChunk;
  run.end = std::min(size, run.first + kStreamChunk);
  if (args.stream_mean != nullptr) {
    run.mean = RowOf<uint16_t>(*args.stream_mean, row);
  }
  const float* parts[kMostParts];
  float mix[kKernelStreams * kKernelStreams];
  if (args.y != nullptr) {
    if (args.y->type == BALEEN_TYPE_BF16) {
      run.y = RowOf<const uint16_t>(*args.y, row);
    } else {
      run.part_count = args.y->size[0];
      for (int64_t p = 0; p < run.part_count; ++p) {
        parts[p] = RowOf<const float>(*args.y, p, row);
      }
      run.parts = parts;
    }
    run.post = RowOf<const float>(*args.post_in, row);
    for (int64_t j = 0; j < kKernelStreams; ++j) {
      const float* from = RowOf<const float>(*args.mix_in, row, j);
      std::copy(from, from + kKernelStreams, mix + j * kKernelStreams);
    }
    run.mix = mix;
  }
  kernels.end_half(run);
}

// Partial sums of a chunk of some rows, partial_stride apart.
template <typename Args>
void MixChunk(const RowKernels& kernels, const Args& args, int64_t row,
              int64_t rows, int64_t chunk, float* partial,
              int64_t partial_stride) {
  const int64_t size = args.streams->size[2];
  const int64_t first = chunk * kStreamChunk;
  kernels.mix(RowOf<const uint16_t>(*args.streams, row) + first, rows,
              args.streams->stride[0], args.streams->stride[1],
              static_cast<const float*>(args.fn->data) + first,
              args.fn->stride[0], size, args.fn->size[0],
              std::min(size - first, kStreamChunk), partial, partial_stride);
}

// The mixes of a row from the partial sums of its chunks.
template <typename Args>
void AddPartials(const Args& args, const float* partials, float* mixes) {
  const int64_t outputs = args.fn->size[0];
  const int64_t size = args.streams->size[2];
  float sums[kMostMixes + 1] = {};
  for (int64_t chunk = 0; chunk < StreamChunks(size); ++chunk) {
    for (int64_t o = 0; o <= outputs; ++o) {
      sums[o] += partials[chunk * kPartialFloats + o];
    }
  }
  const float mean = sums[outputs] / static_cast<float>(kKernelStreams * size);
  const float inverse = 1.0f / std::sqrt(mean + args.norm_epsilon);
  for (int64_t o = 0; o < outputs; ++o) mixes[o] = sums[o] * inverse;
}

// joined [D], and u = norm(joined).
template <typename Args>
void JoinAndNorm(const RowKernels& kernels, const Args& args, int64_t row,
                 const float* pre, float* joined, uint16_t* u) {
  const int64_t size = args.streams->size[2];
  const float squares =
      kernels.join(RowOf<const uint16_t>(*args.streams, row),
                   args.streams->stride[1], pre, size, joined);
  const float mean = squares / static_cast<float>(size);
  kernels.norm(joined, 1.0f / std::sqrt(mean + args.norm_epsilon),
               static_cast<const uint16_t*>(args.norm->data), size, u);
}

}  // namespace baleen::cpu
