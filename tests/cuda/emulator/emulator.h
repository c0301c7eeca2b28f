// A CUDA device made of one host thread, so that kernels run where there is no
// GPU: each thread of a block is a fiber, which gives way at barriers, shuffles
// and matrix instructions as lanes of a warp do.
//
// It checks what hardware would punish or hide: vector loads must be aligned,
// lanes of a warp must meet at the same collective, and memory of a block holds
// garbage at first.  Threads run in ascending order in one block, descending in
// the next, so that a missing barrier shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int x_in = 1, unsigned int y_in = 1,
                 unsigned int z_in = 1)
      : x(x_in), y(y_in), z(z_in) {}
};
struct uint3 {
  unsigned int x, y, z;
};

namespace baleen::emulator {

struct Coordinates {
  uint3 thread;
  uint3 block;
  dim3 block_size;
  dim3 grid_size;
};

// Of the fiber that runs.
inline Coordinates current_place;
inline const Coordinates& Where() { return current_place; }
void* DynamicShared();

// All threads of the block, or of the warp, that have not ended.
void BlockBarrier();
void WarpBarrier();

// Every lane gives `size` bytes and gets back where those of all 32 lie, one
// after another, until it meets the next collective.  `join` works on them
// first, once.
const void* Exchange(const void* value, size_t size,
                     void (*join)(void* all) = nullptr);

// The matrix instructions of kernel.h.
void MultiplyBf16(const uint32_t a[4], uint32_t b0, uint32_t b1, float sum[4]);
void MultiplyBytes(const uint32_t a[4], uint32_t b0, uint32_t b1,
                   int32_t sum[4]);

// A copy whose addresses and size are multiples of 16.
void CopyAligned(void* to, const void* from, size_t bytes);
// Gives way until *barrier, a count of phases, has passed one of this parity.
void AwaitPhase(const uint64_t* barrier, uint32_t parity);

// Ends the process with a message.
[[noreturn]] void Fault(const char* message);

// Runs body() for every thread of every block, one block after another.
void RunGrid(dim3 grid, dim3 block, size_t shared_bytes,
             const std::function<void()>& body);

}  // namespace baleen::emulator
