// Copies from device memory to the shared memory of a block of threads that go on
// while a warp computes, and the barriers that say when they are there.
//
// From capability 9.0 on one lane orders bulk copies, whose bytes the barrier
// counts; before, each lane copies 16 bytes at a time and tells the barrier.  The
// emulated device copies at once.
#pragma once

#include "cuda/kernel.h"

namespace baleen::cuda {

// What a warp waits for; its phases have the parity 0, 1, 0, ...
using CopyBarrier = uint64_t;

#if defined(__CUDACC__)
BALEEN_DEVICE uint32_t SharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}
#endif

// By one lane, before the barrier's first copy.
BALEEN_DEVICE void InitCopyBarrier(CopyBarrier* barrier) {
#if !defined(__CUDACC__)
  *barrier = 0;  // Phases that have ended.
#elif __CUDA_ARCH__ >= 900
  asm volatile(
      "mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(SharedAddress(barrier))
      : "memory");
  // So that copies, which are another proxy's, see it.
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  asm volatile(
      "mbarrier.init.shared.b64 [%0], %1;" ::"r"(SharedAddress(barrier)),
      "r"(kWarpSize)
      : "memory");
#endif
}

#if defined(__CUDACC__) && __CUDA_ARCH__ >= 900
BALEEN_DEVICE void CopyBulk(void* to, const void* from, uint32_t bytes,
                            CopyBarrier* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1], %2, [%3];" ::"r"(SharedAddress(to)),
      "l"(__cvta_generic_to_global(from)), "r"(bytes),
      "r"(SharedAddress(barrier))
      : "memory");
}
#elif defined(__CUDACC__)
BALEEN_DEVICE void CopyByLanes(void* to, const void* from, uint32_t bytes) {
  const uint32_t shared = SharedAddress(to);
  const uint8_t* global = static_cast<const uint8_t*>(from);
  for (uint32_t i = static_cast<uint32_t>(Lane()) * 16; i < bytes;
       i += kWarpSize * 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared + i),
                 "l"(__cvta_generic_to_global(global + i))
                 : "memory");
  }
}
#endif

// Two runs of bytes to shared memory, the second of which may be none.  All
// lanes call it; addresses and sizes are multiples of 16.
BALEEN_DEVICE void CopyToShared(void* first_to, const void* first,
                                uint32_t first_bytes, void* second_to,
                                const void* second, uint32_t second_bytes,
                                CopyBarrier* barrier) {
#if !defined(__CUDACC__)
  if (Lane() != 0) return;
  emulator::CopyAligned(first_to, first, first_bytes);
  emulator::CopyAligned(second_to, second, second_bytes);
  ++*barrier;
#elif __CUDA_ARCH__ >= 900
  if (Lane() != 0) return;
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                   SharedAddress(barrier)),
               "r"(first_bytes + second_bytes)
               : "memory");
  CopyBulk(first_to, first, first_bytes, barrier);
  if (second_bytes != 0) CopyBulk(second_to, second, second_bytes, barrier);
#else
  CopyByLanes(first_to, first, first_bytes);
  CopyByLanes(second_to, second, second_bytes);
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(
                   SharedAddress(barrier))
               : "memory");
#endif
}

// Waits for the end of a phase of this parity.
BALEEN_DEVICE void WaitForCopies(CopyBarrier* barrier, uint32_t parity) {
#if !defined(__CUDACC__)
  emulator::AwaitPhase(barrier, parity);
#else
  uint32_t done = 0;
  while (done == 0) {
    asm volatile(
        "{\n"
        "  .reg .pred ended;\n"
#if __CUDA_ARCH__ >= 900
        "  mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;\n"
#else
        "  mbarrier.test_wait.parity.shared.b64 ended, [%1], %2;\n"
#endif
        "  selp.u32 %0, 1, 0, ended;\n"
        "}"
        : "=r"(done)
        : "r"(SharedAddress(barrier)), "r"(parity)
        : "memory");
  }
#endif
}

}  // namespace baleen::cuda
