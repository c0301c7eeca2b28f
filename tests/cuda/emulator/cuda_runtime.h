// Stands in for the CUDA toolkit's header of this name where kernels and the
// host code around them are compiled for the emulated device: the part of the
// runtime that the backend uses, and the words of the language.
#pragma once

#include <cmath>
#include <cstring>
#include <functional>

#include "cuda/emulator/emulator.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)

#define threadIdx (::baleen::emulator::Where().thread)
#define blockIdx (::baleen::emulator::Where().block)
#define blockDim (::baleen::emulator::Where().block_size)
#define gridDim (::baleen::emulator::Where().grid_size)

inline void __syncthreads() { baleen::emulator::BlockBarrier(); }
inline void __syncwarp() { baleen::emulator::WarpBarrier(); }
inline void __threadfence() {}

template <typename T>
T __shfl_xor_sync(unsigned int, T value, int mask) {
  const T* all =
      static_cast<const T*>(baleen::emulator::Exchange(&value, sizeof(T)));
  return all[(threadIdx.x % 32) ^ static_cast<unsigned int>(mask)];
}
template <typename T>
T __shfl_sync(unsigned int, T value, int lane) {
  const T* all =
      static_cast<const T*>(baleen::emulator::Exchange(&value, sizeof(T)));
  return all[static_cast<unsigned int>(lane) % 32];
}
inline unsigned int __ballot_sync(unsigned int, bool value) {
  const bool* all = static_cast<const bool*>(
      baleen::emulator::Exchange(&value, sizeof(bool)));
  unsigned int bits = 0;
  for (int i = 0; i < 32; ++i) bits |= (all[i] ? 1u : 0u) << i;
  return bits;
}
template <typename T>
unsigned int __match_any_sync(unsigned int, T value) {
  const T* all =
      static_cast<const T*>(baleen::emulator::Exchange(&value, sizeof(T)));
  unsigned int bits = 0;
  for (int i = 0; i < 32; ++i) bits |= (all[i] == value ? 1u : 0u) << i;
  return bits;
}
inline int __popc(unsigned int value) { return __builtin_popcount(value); }

template <typename T>
T atomicAdd(T* to, T value) {
  const T before = *to;
  *to = before + value;
  return before;
}

// ---- The runtime ------------------------------------------------------------

using cudaError_t = int;
enum : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorNoDevice = 100
};
using cudaStream_t = struct EmulatedStream*;
using cudaEvent_t = struct EmulatedEvent*;
using cudaGraph_t = struct EmulatedGraph*;
using cudaGraphExec_t = struct EmulatedGraph*;
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
enum : unsigned int {
  cudaStreamNonBlocking = 1,
  cudaEventDisableTiming = 2,
  cudaHostAllocPortable = 1
};
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major;
  int minor;
  int multiProcessorCount;
  int integrated;
  size_t sharedMemPerBlockOptin;
};

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* facts, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total);
cudaError_t cudaMalloc(void** memory, size_t size);
cudaError_t cudaFree(void* memory);
cudaError_t cudaHostAlloc(void** memory, size_t size, unsigned int flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size,
                            cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int value, size_t size,
                            cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event,
                                unsigned int flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph,
                                 unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);

namespace baleen::emulator {

// Does it now, or when the graph being recorded runs; `early`: it may start while
// what comes before ends, which here is only counted.
void Submit(cudaStream_t stream, std::function<void()> work,
            bool early = false);

}  // namespace baleen::emulator
