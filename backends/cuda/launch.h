// Launches of kernels that take one struct of parameters.
#pragma once

#include <cuda_runtime.h>

#include "cuda/device.h"

namespace baleen::cuda {

inline dim3 Grid(int64_t x, int64_t y = 1, int64_t z = 1) {
  return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y),
              static_cast<unsigned int>(z));
}

// Whether the operator's kernels may start while the one before ends; those of
// others wait for its end, whatever they were written for.
inline bool StartsEarly(const Queue& queue) {
  constexpr int kLeastCapability = 90;
  return (queue.device->settings().early_launch >> queue.op & 1) != 0 &&
         queue.device->capability() >= kLeastCapability;
}

// A grid of no blocks is nothing to do.  `shared` beyond 12 KB must have been
// allowed (AllowShared), unless the kernel is known to declare little.
template <typename Params>
baleen_status Launch(const Queue& queue, void (*kernel)(Params), dim3 grid,
                     int threads, size_t shared, const Params& params) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return BALEEN_OK;
  const dim3 block(static_cast<unsigned int>(threads));
#if defined(__CUDACC__)
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = queue.stream;
  cudaLaunchAttribute attribute;
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  if (StartsEarly(queue)) {
    config.attrs = &attribute;
    config.numAttrs = 1;
  }
  void* arguments[] = {const_cast<Params*>(&params)};
  return queue.device->Check(
      cudaLaunchKernelExC(&config, reinterpret_cast<const void*>(kernel),
                          arguments),
      "starting a kernel");
#else
  emulator::Submit(
      queue.stream,
      [=] { emulator::RunGrid(grid, block, shared, [&] { kernel(params); }); },
      StartsEarly(queue));
  return BALEEN_OK;
#endif
}

template <typename Params>
baleen_status AllowShared(const Device& device, void (*kernel)(Params),
                          size_t shared) {
#if defined(__CUDACC__)
  // A block has 48 KB without being asked, of which what a kernel declares is a
  // part: at most 36 KB.
  constexpr size_t kAlways = 12 << 10;
  if (shared <= kAlways) return BALEEN_OK;
  return device.Check(
      cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                           cudaFuncAttributeMaxDynamicSharedMemorySize,
                           static_cast<int>(shared)),
      "shared memory of a kernel");
#else
  static_cast<void>(device);
  static_cast<void>(kernel);
  static_cast<void>(shared);
  return BALEEN_OK;
#endif
}

}  // namespace baleen::cuda
