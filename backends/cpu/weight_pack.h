// Sizes and places within a blob of packed weights, and packing itself.
#pragma once

#include "cpu/packed_layout.h"

namespace baleen::cpu {

// Bytes of a matrix in a blob; a multiple of 64.
uint64_t BlobBytes(baleen_weight_kind kind, const Matrix& matrix);

// Where matrix `i` + 1 begins in a blob (or the blob ends) if matrix `i` begins
// at `place`: experts are on pages of their own, so that one can be read or
// dropped by itself.
uint64_t PlaceAfter(baleen_weight_kind kind, const Matrix& matrix, uint32_t i,
                    uint64_t place);

// Whether a weight's blob has it tile by tile, or (a table, of which single rows
// are read) as it is.
constexpr bool IsPackedKind(baleen_weight_kind kind) {
  return kind != BALEEN_WEIGHT_TABLE;
}

// Writes the BlobBytes of a matrix.
void PackMatrix(const Matrix& raw, baleen_weight_kind kind, uint8_t* to);

// The matrix that PackMatrix wrote.
Matrix PackedMatrix(const Matrix& shape, baleen_weight_kind kind,
                    const uint8_t* data);

}  // namespace baleen::cpu
