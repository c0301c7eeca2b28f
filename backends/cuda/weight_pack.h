// Packing of raw tensors into the layout of layout.h, on the host.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

#include "cuda/weights.h"

namespace baleen::cuda {

class Device;

// NULL, or why the tensors are not a weight that this backend can multiply by.
const char* SourceError(const baleen_weight_source& source, bool needs_data);

// A matrix of the source; `data` stays NULL.
Matrix MatrixOf(const baleen_tensor& tensor);

// Bytes of a matrix of such a weight, packed; tables stay as they are.
int64_t PackedBytes(baleen_weight_kind kind, const baleen_tensor& tensor);
inline int64_t PackedBytes(const baleen_weight_source& source, uint32_t i) {
  return PackedBytes(source.kind, source.tensors[i]);
}

// Packs tile rows [first, end) of a tensor into its place `to`.
void PackTiles(const baleen_tensor& tensor, int64_t first, int64_t end,
               uint8_t* to);

// Packs a matrix of a weight of that kind, or a table, to `to` with all the
// host's workers.
void PackMatrix(const Device& device, baleen_weight_kind kind,
                const baleen_tensor& tensor, uint8_t* to);

}  // namespace baleen::cuda
