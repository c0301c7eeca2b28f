// The rows of a tile where a checkpoint has them, block by block.
//
// A block is read in place unless the tile has fewer than 16 rows or the row
// ends within it; then its bytes are copied, with zeros around them, so that a
// kernel may read all of it and gets what it would from packed weights.
//
// Functions are static since files of different instruction sets must not share
// a copy.
#pragma once

#include <cstring>

#include "cpu/packed_layout.h"
#include "numeric/e8m0.h"

namespace baleen::cpu {

// 16 rows of bytes.
struct RowBytes {
  const uint8_t* data;
  int64_t stride;
};

struct CopiedBlock {
  alignas(64) uint8_t data[kTileRows * kBlock * 2];
  alignas(64) uint8_t scales[kTileRows * kFp4Groups];
};

static inline bool IsWholeBlock(const Matrix& matrix, int64_t tile,
                                int64_t block) {
  return (tile + 1) * kTileRows <= matrix.rows &&
         (block + 1) * kBlock <= matrix.columns;
}

// What there is of 16 rows of `bytes`, from row first and byte `from` of rows of
// `row_bytes`; zeros elsewhere.
static inline void CopyRows(const uint8_t* data, int64_t rows,
                            int64_t row_bytes, int64_t first, int64_t from,
                            int64_t bytes, uint8_t* to) {
  std::memset(to, 0, static_cast<size_t>(kTileRows * bytes));
  const int64_t rest = row_bytes - from;
  const size_t count = static_cast<size_t>(rest < bytes ? rest : bytes);
  for (int64_t i = 0; i < kTileRows && first + i < rows; ++i) {
    std::memcpy(to + i * bytes, data + (first + i) * row_bytes + from, count);
  }
}

static inline RowBytes BlockRows(const Matrix& matrix, int64_t tile,
                                 int64_t block, CopiedBlock* copy) {
  const int64_t bytes = RowBlockBytes(matrix.type);
  const int64_t first = tile * kTileRows;
  if (IsWholeBlock(matrix, tile, block)) {
    return {matrix.data + first * matrix.row_bytes + block * bytes,
            matrix.row_bytes};
  }
  CopyRows(matrix.data, matrix.rows, matrix.row_bytes, first, block * bytes,
           bytes, copy->data);
  return {copy->data, bytes};
}

// The four scales of a block of fp4 rows.
static inline RowBytes Fp4ScaleRows(const Matrix& matrix, int64_t tile,
                                    int64_t block, CopiedBlock* copy) {
  const int64_t first = tile * kTileRows;
  if (IsWholeBlock(matrix, tile, block)) {
    return {matrix.scales + first * matrix.row_scales + block * kFp4Groups,
            matrix.row_scales};
  }
  CopyRows(matrix.scales, matrix.rows, matrix.row_scales, first,
           block * kFp4Groups, kFp4Groups, copy->scales);
  return {copy->scales, kFp4Groups};
}

// Where the fp8 scales of a row begin.
static inline int64_t Fp8ScalesOfRow(const Matrix& matrix, int64_t row) {
  return row / matrix.block_rows * matrix.row_scales;
}

static inline float Fp8ScaleAt(const Matrix& matrix, int64_t at) {
  if (!matrix.float_scales) return E8m0ToFloat(matrix.scales[at]);
  float scale;
  std::memcpy(&scale, matrix.scales + at * 4, sizeof(scale));
  return scale;
}

// The scale of block `block` of an fp8 row.
static inline float Fp8Scale(const Matrix& matrix, int64_t row, int64_t block) {
  return Fp8ScaleAt(matrix, Fp8ScalesOfRow(matrix, row) + block);
}

// Whether the 16 rows of each tile share a scale.
static inline bool TilesShareScales(const Matrix& matrix) {
  return matrix.block_rows % kTileRows == 0;
}

// The scales of block `block` of each row of a tile; zero where there is no row.
static inline void Fp8TileScales(const Matrix& matrix, int64_t tile,
                                 int64_t block, float* scales) {
  for (int64_t i = 0; i < kTileRows; ++i) {
    const int64_t row = tile * kTileRows + i;
    scales[i] = row < matrix.rows ? Fp8Scale(matrix, row, block) : 0.0f;
  }
}

}  // namespace baleen::cpu
