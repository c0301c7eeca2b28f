// Weights of the CUDA backend: packed in device memory, or in host memory that
// the device reads over the bus, where there is no room.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

#include "cuda/layout.h"

namespace baleen::cuda {

// A matrix as kernels see it.  Those of experts lie at `offset` of each.
struct Matrix {
  const uint8_t* data;
  int32_t type;
  int32_t rows;
  int32_t columns;
  int32_t reserved;
  int64_t offset;
};

struct Weight {
  baleen_device* device;
  baleen_weight_kind kind;
  uint32_t count;         // Matrices; of experts, three of each.
  uint32_t experts;       // Of EXPERTS: all, the shared one too.
  uint32_t host_experts;  // How many of them lie in host memory.
  uint8_t* memory;        // On the device.
  uint8_t* host_memory;   // Pinned; NULL without.
  // Of EXPERTS: where each expert's matrices begin, in device memory.
  const uint8_t** places;
  // `count` matrices follow; of EXPERTS six: w1, w3, w2 of the routed experts,
  // then of the last, which may be of another type.
  const Matrix* matrices() const {
    return reinterpret_cast<const Matrix*>(this + 1);
  }
};

inline const Weight* FromHandle(const baleen_weight* weight) {
  return reinterpret_cast<const Weight*>(weight);
}

const char* WeightLayout(baleen_device* device);
baleen_status WeightSize(baleen_device* device,
                         const baleen_weight_source* source, uint64_t* bytes);
baleen_status WeightPack(baleen_device* device,
                         const baleen_weight_source* source, uint32_t first,
                         uint32_t count, void* blob);
baleen_status WeightOpen(baleen_device* device,
                         const baleen_weight_source* source, const void* blob,
                         baleen_weight** weight);
void WeightClose(baleen_weight* weight);

}  // namespace baleen::cuda
