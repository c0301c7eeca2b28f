// What every kernel stands on: conversions of packed numbers, 16-byte loads, the
// matrix instruction, and sums of a warp and a block in a fixed order.
//
// Compiled by nvcc it is the device's; by a host compiler, with the toolkit's
// header replaced, the same kernels run on the emulated device of tests/cuda.
// Nothing is fused behind our back (-fmad=false): where a fused multiply-add is
// wanted it is written, so both give the same bits but for exp and its like.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

#include "numeric/bf16.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

namespace baleen::cuda {

constexpr unsigned int kFullWarp = 0xFFFFFFFFu;
constexpr int kWarpSize = 32;

#define BALEEN_DEVICE static __device__ __forceinline__

struct alignas(16) Words4 {
  uint32_t at[4];
};
struct alignas(8) Words2 {
  uint32_t at[2];
};

// ---- Loads -------------------------------------------------------------------

#if defined(__CUDACC__)
BALEEN_DEVICE Words4 Load16(const void* from) {
  const uint4 v = *static_cast<const uint4*>(from);
  return {{v.x, v.y, v.z, v.w}};
}
// Of what is read once, such as weights: past the first cache.
BALEEN_DEVICE Words4 Stream16(const void* from) {
  Words4 out;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.at[0]), "=r"(out.at[1]), "=r"(out.at[2]),
                 "=r"(out.at[3])
               : "l"(from));
  return out;
}
BALEEN_DEVICE Words2 Load8(const void* from) {
  const uint2 v = *static_cast<const uint2*>(from);
  return {{v.x, v.y}};
}
BALEEN_DEVICE void* SharedMemory() {
  extern __shared__ __align__(128) uint8_t baleen_shared[];
  return baleen_shared;
}
#else
template <typename Vector>
Vector LoadAligned(const void* from) {
  if (reinterpret_cast<uintptr_t>(from) % sizeof(Vector) != 0) {
    emulator::Fault("a vector load is not aligned");
  }
  Vector out;
  std::memcpy(&out, from, sizeof(out));
  return out;
}
BALEEN_DEVICE Words4 Load16(const void* from) {
  return LoadAligned<Words4>(from);
}
BALEEN_DEVICE Words4 Stream16(const void* from) {
  return LoadAligned<Words4>(from);
}
BALEEN_DEVICE Words2 Load8(const void* from) {
  return LoadAligned<Words2>(from);
}
BALEEN_DEVICE void* SharedMemory() { return emulator::DynamicShared(); }
#endif

// ---- Numbers -------------------------------------------------------------------

BALEEN_DEVICE uint32_t PackBf16(float low, float high) {
  return static_cast<uint32_t>(Bf16FromFloat(low)) |
         static_cast<uint32_t>(Bf16FromFloat(high)) << 16;
}

// Both halves times a power of two, exactly.
BALEEN_DEVICE uint32_t ScaleBf16x2(uint32_t pair, uint32_t factors) {
#if defined(__CUDACC__)
  uint32_t out;
  // A sum with -0 keeps the sign of zeros.
  asm("fma.rn.bf16x2 %0, %1, %2, %3;"
      : "=r"(out)
      : "r"(pair), "r"(factors), "r"(0x80008000u));
  return out;
#else
  const float factor = Bf16ToFloat(static_cast<uint16_t>(factors));
  return PackBf16(Bf16ToFloat(static_cast<uint16_t>(pair)) * factor,
                  Bf16ToFloat(static_cast<uint16_t>(pair >> 16)) * factor);
#endif
}

// Two e4m3 in the upper bytes of the halves of `spread` to bf16: the bits of
// the magnitude four places down are the value times 2^-120, subnormals too.
BALEEN_DEVICE uint32_t Fp8PairToBf16(uint32_t spread) {
  constexpr uint32_t kTwoTo120 = 0x7B807B80u;
  const uint32_t small = (spread & 0x80008000u) | ((spread >> 4) & 0x07F007F0u);
  return ScaleBf16x2(small, kTwoTo120);
}

// Four e4m3 of a word, in order, to two pairs of bf16.
BALEEN_DEVICE void Fp8ToBf16(uint32_t word, uint32_t* low, uint32_t* high) {
  *low = Fp8PairToBf16((word << 8 & 0xFF00u) | (word << 16 & 0xFF000000u));
  *high = Fp8PairToBf16((word >> 8 & 0xFF00u) | (word & 0xFF000000u));
}

// Puts NaN where a word has the codes 0x7F and 0xFF, which the above takes for
// 480.
BALEEN_DEVICE void MendFp8Nan(uint32_t word, uint32_t* low, uint32_t* high) {
  const uint32_t nan = (word & 0x7F7F7F7Fu) + 0x01010101u;
  if ((nan & 0x00000080u) != 0) *low = (*low & 0xFFFF0000u) | 0x7FC0u;
  if ((nan & 0x00008000u) != 0) *low = (*low & 0xFFFFu) | 0x7FC00000u;
  if ((nan & 0x00800000u) != 0) *high = (*high & 0xFFFF0000u) | 0x7FC0u;
  if ((nan & 0x80000000u) != 0) *high = (*high & 0xFFFFu) | 0x7FC00000u;
}

// Pair `i` of a word of eight e2m1 whose pairs lie 16 bits apart (layout.h), to
// bf16: likewise, times 2^-126.
BALEEN_DEVICE uint32_t Fp4PairToBf16(uint32_t word, int i) {
  constexpr uint32_t kTwoTo126 = 0x7E807E80u;
  const uint32_t pair = word >> (4 * i);
  const uint32_t small = (pair << 12 & 0x80008000u) | (pair << 6 & 0x01C001C0u);
  return ScaleBf16x2(small, kTwoTo126);
}

// ---- The matrix instruction -----------------------------------------------------

// sum[16 x 8] += a[16 x 16] * b[16 x 8] of bf16 in float32.  Lane l holds, with
// g = l / 4 and t = l % 4, pairs of columns: of a, row g columns 2t, row g + 8
// columns 2t, row g columns 2t + 8, row g + 8 columns 2t + 8; of b, column g
// rows 2t and rows 2t + 8; of sum, row g columns 2t and 2t + 1, row g + 8 the
// same.
BALEEN_DEVICE void MultiplyBf16(const uint32_t a[4], uint32_t b0, uint32_t b1,
                                float sum[4]) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  emulator::MultiplyBf16(a, b0, b1, sum);
#endif
}

// sum[16 x 8] = a[16 x 32] * b[32 x 8] of signed bytes.  As above, with four
// columns from 4t for two from 2t, and 16 for 8.
BALEEN_DEVICE void MultiplyBytes(const uint32_t a[4], uint32_t b0, uint32_t b1,
                                 int32_t sum[4]) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %10, %10, %10};"
      : "=r"(sum[0]), "=r"(sum[1]), "=r"(sum[2]), "=r"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(0));
#else
  emulator::MultiplyBytes(a, b0, b1, sum);
#endif
}

// ---- Warps and blocks -------------------------------------------------------------

BALEEN_DEVICE int Lane() { return static_cast<int>(threadIdx.x) % kWarpSize; }
BALEEN_DEVICE int WarpIndex() {
  return static_cast<int>(threadIdx.x) / kWarpSize;
}
BALEEN_DEVICE int Thread() { return static_cast<int>(threadIdx.x); }
BALEEN_DEVICE int Threads() { return static_cast<int>(blockDim.x); }

template <typename T>
BALEEN_DEVICE T WarpSum(T value) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kFullWarp, value, step);
  }
  return value;
}

BALEEN_DEVICE float Larger(float a, float b) { return a > b ? a : b; }

BALEEN_DEVICE float WarpLargest(float value) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    value = Larger(value, __shfl_xor_sync(kFullWarp, value, step));
  }
  return value;
}

// Of all threads, given to all; `memory` is shared, a T for each warp.
template <typename T>
BALEEN_DEVICE T BlockSum(T value, T* memory) {
  value = WarpSum(value);
  __syncthreads();
  if (Lane() == 0) memory[WarpIndex()] = value;
  __syncthreads();
  T sum = 0;
  for (int i = 0; i < Threads() / kWarpSize; ++i) sum += memory[i];
  return sum;
}

BALEEN_DEVICE float BlockLargest(float value, float* memory) {
  value = WarpLargest(value);
  __syncthreads();
  if (Lane() == 0) memory[WarpIndex()] = value;
  __syncthreads();
  float largest = memory[0];
  for (int i = 1; i < Threads() / kWarpSize; ++i) {
    largest = Larger(largest, memory[i]);
  }
  return largest;
}

// Whether this block is the last of `count` that come here: then what the others
// wrote before is seen by all of its threads.  *counter is zero at first, and is
// so again after the last.
BALEEN_DEVICE bool IsLastBlock(int32_t* counter, int32_t count) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (Thread() == 0) {
    last = atomicAdd(counter, 1) + 1 == count;
    if (last) *counter = 0;
  }
  __syncthreads();
  if (last) __threadfence();
  return last;
}

// ---- Dependent launches -----------------------------------------------------------

// Before a kernel reads what the one before wrote: it may have been started
// early.  And when a kernel is far enough for the next to start.
BALEEN_DEVICE void WaitForInputs() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
BALEEN_DEVICE void LetNextStart() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

}  // namespace baleen::cuda
