// The layout "cpu.r16.1" of packed weights.
//
// A tile is 16 rows.  A vector of 64 bytes holds the same four bytes of each of
// its rows, so that a row is a lane: a kernel adds up 16 outputs side by side,
// never across lanes, and reads memory in one stream.  A tile's blocks of 128
// columns follow each other, then the next tile:
//   bf16  64 vectors
//   fp8   32 vectors; the scales lie behind the tiles, as in the checkpoint
//   fp4   16 vectors, and one of the four scales of each row
// Rows and columns that complete a tile or a block are zeros.
#pragma once

#include "cpu/weights.h"

namespace baleen::cpu {

constexpr const char* kPackedLayout = "cpu.r16.1";

constexpr int64_t kTileRows = 16;
constexpr int64_t kBlock = 128;    // Columns of a block.
constexpr int64_t kVector = 64;    // Bytes.
constexpr int64_t kFp4Group = 32;  // Columns of an fp4 scale.
constexpr int64_t kFp4Groups = kBlock / kFp4Group;

static constexpr int64_t BlocksOf(int64_t columns) {
  return (columns + kBlock - 1) / kBlock;
}

static constexpr int64_t TilesOf(int64_t rows) {
  return (rows + kTileRows - 1) / kTileRows;
}

// Bytes of a row within a block, without scales.
static constexpr int64_t RowBlockBytes(MatrixType type) {
  switch (type) {
    case MatrixType::kBf16:
      return kBlock * 2;
    case MatrixType::kFp8:
      return kBlock;
    default:
      return kBlock / 2;
  }
}

static constexpr int64_t PackedBlockBytes(MatrixType type) {
  return kTileRows * RowBlockBytes(type) +
         (type == MatrixType::kFp4 ? kVector : 0);
}

static constexpr int64_t PackedTileBytes(const Matrix& matrix) {
  return BlocksOf(matrix.columns) * PackedBlockBytes(matrix.type);
}

// Where byte `byte` of row `row`, as it is in the checkpoint, lies.
static constexpr int64_t PackedOffset(const Matrix& matrix, int64_t row,
                                      int64_t byte) {
  const int64_t row_block = RowBlockBytes(matrix.type);
  const int64_t in_block = byte % row_block;
  return row / kTileRows * PackedTileBytes(matrix) +
         byte / row_block * PackedBlockBytes(matrix.type) +
         in_block / 4 * kVector + row % kTileRows * 4 + in_block % 4;
}

// Where fp4 scale `group` of row `row` lies.
static constexpr int64_t PackedScaleOffset(const Matrix& matrix, int64_t row,
                                           int64_t group) {
  const int64_t block_bytes = PackedBlockBytes(matrix.type);
  return row / kTileRows * PackedTileBytes(matrix) +
         group / kFp4Groups * block_bytes + block_bytes - kVector +
         row % kTileRows * 4 + group % kFp4Groups;
}

}  // namespace baleen::cpu
