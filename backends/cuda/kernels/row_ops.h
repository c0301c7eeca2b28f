// What is done to a row of numbers by a warp or a block of threads: norms,
// rotation, transforms, rounding.  The orders of sums are those of the CPU's
// reference where roundings hang on them.
#pragma once

#include "cuda/state.h"
#include "cuda/views.h"

namespace baleen::cuda {

BALEEN_DEVICE float RoundIf(bool round, float value) {
  return round ? RoundToBf16(value) : value;
}

// 1 / sqrt(mean of squares + epsilon) by a warp: 32 chains, added up in fours,
// then lane by lane (model.md §3.5).
BALEEN_DEVICE float WarpInverseRms(const float* x, int size, float epsilon) {
  float chain = 0;
  for (int i = Lane(); i < size; i += kWarpSize) chain += x[i] * x[i];
  const float second = __shfl_sync(kFullWarp, chain, Lane() % 8 + 8);
  const float third = __shfl_sync(kFullWarp, chain, Lane() % 8 + 16);
  const float fourth = __shfl_sync(kFullWarp, chain, Lane() % 8 + 24);
  const float four = ((chain + second) + third) + fourth;
  float sum = 0;
  for (int lane = 0; lane < 8; ++lane) {
    sum += __shfl_sync(kFullWarp, four, lane);
  }
  return 1.0f / sqrtf(sum / static_cast<float>(size) + epsilon);
}

// The same for a block of threads, by its first warp; `memory` is shared.
BALEEN_DEVICE float BlockInverseRms(const float* x, int size, float epsilon,
                                    float* memory) {
  __syncthreads();
  if (WarpIndex() == 0) {
    const float inverse = WarpInverseRms(x, size, epsilon);
    if (Lane() == 0) *memory = inverse;
  }
  __syncthreads();
  return *memory;
}

// Cosines, then sines, of a position.
struct RopeRow {
  const float* cosines;
  const float* sines;
};
BALEEN_DEVICE RopeRow RopeAt(const View& rope, int position) {
  const float* row = RowOf<const float>(rope, position);
  return {row, row + rope.stride1};
}

// Pair `i` of what is rotated, turned by the angles of a position, or back.
BALEEN_DEVICE void RotatePair(const RopeRow& rope, int i, float* x) {
  const float a = x[2 * i];
  const float b = x[2 * i + 1];
  x[2 * i] = a * rope.cosines[i] - b * rope.sines[i];
  x[2 * i + 1] = a * rope.sines[i] + b * rope.cosines[i];
}
BALEEN_DEVICE void RotatePairBack(const RopeRow& rope, int i, float* x) {
  const float a = x[2 * i];
  const float b = x[2 * i + 1];
  x[2 * i] = a * rope.cosines[i] + b * rope.sines[i];
  x[2 * i + 1] = b * rope.cosines[i] - a * rope.sines[i];
}

// x = H x / sqrt(size) by a warp, x in its own shared memory; size is a power
// of two from 32 on.
BALEEN_DEVICE void WarpHadamard(float* x, int size) {
  for (int half = 1; half < size; half *= 2) {
    __syncwarp();
    for (int i = Lane(); i < size / 2; i += kWarpSize) {
      const int at = i / half * 2 * half + i % half;
      const float a = x[at];
      const float b = x[at + half];
      x[at] = a + b;
      x[at + half] = a - b;
    }
  }
  __syncwarp();
  const float scale = static_cast<float>(1.0 / sqrt(static_cast<double>(size)));
  for (int i = Lane(); i < size; i += kWarpSize) x[i] *= scale;
  __syncwarp();
}

// Rotated queries or keys, transformed and rounded; a warp's x in shared memory.
BALEEN_DEVICE void TransformWarp(float* x, int size, bool round) {
  __syncwarp();
  for (int i = Lane(); i < size; i += kWarpSize) x[i] = RoundIf(round, x[i]);
  WarpHadamard(x, size);
  for (int i = Lane(); i < size; i += kWarpSize) x[i] = RoundIf(round, x[i]);
  __syncwarp();
}

// Groups of 128 of bf16 values to e4m3, a warp for each; x are shared and
// rounded to bf16 already.  Or copies them, where rows are bf16.
BALEEN_DEVICE void BlockStoreRounded(const View& out, int row, const float* x,
                                     int size) {
  if (out.type == BALEEN_TYPE_BF16) {
    for (int i = Thread(); i < size; i += Threads()) {
      RowOf<uint16_t>(out, row)[i] = Bf16FromFloat(x[i]);
    }
    return;
  }
  const int groups = (size + 127) / 128;
  for (int group = WarpIndex(); group < groups;
       group += Threads() / kWarpSize) {
    float largest = 0;
    for (int i = group * 128 + Lane(); i < group * 128 + 128; i += kWarpSize) {
      if (i < size) largest = Larger(largest, fabsf(x[i]));
    }
    const uint8_t scale = Fp8ScaleCode(WarpLargest(largest));
    if (Lane() == 0) out.scales[int64_t{row} * groups + group] = scale;
    for (int i = group * 128 + Lane(); i < group * 128 + 128; i += kWarpSize) {
      if (i >= size) continue;
      RowOf<uint8_t>(out, row)[i] = Fp8FromFloat(x[i] * E8m0Inverse(scale));
    }
  }
}

// kv [plain + rotated], normed and rotated, to an entry, by a block.
BALEEN_DEVICE void BlockEncodeEntry(const float* kv, int plain, int rotated,
                                    const ItemPlace& entry) {
  const int groups = plain / kEntryGroup;
  for (int group = WarpIndex(); group < groups;
       group += Threads() / kWarpSize) {
    const int i = group * kEntryGroup + Lane();
    const float a = kv[i];
    const float b = kv[i + kWarpSize];
    const uint8_t scale = Fp8ScaleCode(WarpLargest(Larger(fabsf(a), fabsf(b))));
    const float inverse = E8m0Inverse(scale);
    entry.data[i] = Fp8FromFloat(a * inverse);
    entry.data[i + kWarpSize] = Fp8FromFloat(b * inverse);
    if (Lane() == 0) entry.scales[group] = scale;
  }
  for (int i = groups + Thread(); i < (groups + 7) / 8 * 8; i += Threads()) {
    entry.scales[i] = 0;
  }
  uint16_t* turned = reinterpret_cast<uint16_t*>(entry.data + plain);
  for (int i = Thread(); i < rotated; i += Threads()) {
    turned[i] = Bf16FromFloat(kv[plain + i]);
  }
}

// A group of 32 of a warp's lanes to e2m1; returns the lane's code, and the
// scale's to all.
BALEEN_DEVICE uint8_t WarpFp4(float x, uint8_t* scale) {
  *scale = Fp4ScaleCode(WarpLargest(fabsf(x)));
  return Fp4FromFloat(x * E8m0Inverse(*scale));
}

}  // namespace baleen::cuda
