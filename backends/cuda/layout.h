// How weights lie on the device: one layout for one row and for many.
//
// A matrix [N, K] is cut into tiles of 16 rows, and these into blocks of 128
// columns, each one run of bytes in the order in which the lanes of a warp read
// it, 16 bytes at a time.  In 32 columns, lane 4g + t has columns 8t to 8t + 7
// of rows g and g + 8: just what it multiplies (kernel.h), for columns may stand
// in any order if those of the activations do too.  So a warp's load is 512
// contiguous bytes, and nothing is moved between lanes.
//
//   bf16  4096 bytes a block: for each 32 columns, row g of all lanes, then g + 8
//   e4m3  2048 bytes: for each 32 columns, 8 bytes of row g and 8 of g + 8
//   e2m1  1024 bytes: for each 64 columns, 4 bytes of row g, 4 of row g + 8, and
//         these of the next 32 columns; of eight numbers in a word, pair i lies
//         at bits 4i and 16 + 4i
//
// After the data of the matrix its scales: e4m3, a float for each tile and
// block, whose sign says that the codes of NaN are among its own; e2m1, an e8m0
// for each 32 columns, of a block first those of row 0, then of row 1, ...  What
// a tile or block lacks to be whole is zero.
#pragma once

#include <cstdint>

namespace baleen::cuda {

constexpr int kTileRows = 16;
constexpr int kBlockColumns = 128;
constexpr int kFp4Group = 32;
constexpr char kLayoutName[] = "cuda.m16k128.2";
// Of an e4m3 block's scale; kernels need not look for NaN in the others.
constexpr uint32_t kHasNan = 0x80000000u;

enum MatrixType : int32_t { kBf16 = 0, kFp8 = 1, kFp4 = 2 };

constexpr int64_t RoundUp(int64_t value, int64_t to) {
  return (value + to - 1) / to * to;
}

// Of a block of a tile, without scales.
constexpr int64_t BlockBytes(int32_t type) {
  return type == kBf16 ? 4096 : type == kFp8 ? 2048 : 1024;
}
// Scales of a block of a tile.
constexpr int64_t BlockScaleBytes(int32_t type) {
  return type == kBf16  ? 0
         : type == kFp8 ? 4
                        : kTileRows * kBlockColumns / kFp4Group;
}
constexpr int64_t TilesOf(int64_t rows) {
  return (rows + kTileRows - 1) / kTileRows;
}
constexpr int64_t BlocksOf(int64_t columns) {
  return (columns + kBlockColumns - 1) / kBlockColumns;
}
constexpr int64_t DataBytes(int32_t type, int64_t rows, int64_t columns) {
  return TilesOf(rows) * BlocksOf(columns) * BlockBytes(type);
}
// All of a matrix; the next begins at a multiple of 256.
constexpr int64_t MatrixBytes(int32_t type, int64_t rows, int64_t columns) {
  return RoundUp(DataBytes(type, rows, columns) +
                     TilesOf(rows) * BlocksOf(columns) * BlockScaleBytes(type),
                 256);
}

}  // namespace baleen::cuda
