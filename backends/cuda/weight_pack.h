// Packing of raw tensors into the layout of layout.h, on the host.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

#include "cuda/weights.h"

namespace baleen::cuda {

// NULL, or why the tensors are not a weight that this backend can multiply by.
const char* SourceError(const baleen_weight_source& source, bool needs_data);

// A matrix of the source; `data` stays NULL.
Matrix MatrixOf(const baleen_tensor& tensor);

// Bytes of matrix `i` of the source, packed; tables stay as they are.
int64_t PackedBytes(const baleen_weight_source& source, uint32_t i);

// Packs tile rows [first, end) of a tensor into its place `to`.
void PackTiles(const baleen_tensor& tensor, int64_t first, int64_t end,
               uint8_t* to);

}  // namespace baleen::cuda
