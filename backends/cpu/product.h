// Products of weight rows with activation rows, the inner loop of every operator
// that has a weight: one set of kernels for each instruction set.
//
// A kernel takes 16 weight rows at a time, one to a lane (packed_layout.h), as
// they are packed or from where a checkpoint has them.  Every output is the sum
// of its products by ascending columns, in an order that is the same for packed
// and raw weights and for any number of activation rows.  Activations are packed
// first, in blocks of 128, with zeros up to a whole block.
#pragma once

#include <cstdint>

#include "cpu/packed_layout.h"
#include "cpu/row_kernels.h"

namespace baleen::cpu {

constexpr int64_t kMostRows = 128;         // Activation rows of a kernel call.
constexpr int64_t kMostBlocks = 512;       // Of a row: at most 65536 columns.
constexpr int64_t kMostPackedBlock = 512;  // Bytes, of any kernels.

// How activations are held is the kernels' affair, and may differ by the type of
// the weights that they are for.
struct ProductKernels {
  const char* name;

  // Bytes of a packed block of activations; a multiple of 64.
  int64_t (*packed_block)(MatrixType type);

  // Packs a block: `count` bf16 values, of which there are 1 to 128.
  void (*pack)(MatrixType type, const uint16_t* values, int64_t count,
               uint8_t* packed);

  // out[r * out_stride + n] = weight row first + n times activation row r, for n
  // below count and r below rows (1..kMostRows).
  void (*multiply)(const Matrix& matrix, int64_t first, int64_t count,
                   const uint8_t* const* packed, int64_t rows, float* out,
                   int64_t out_stride);

  // For what comes after the products.
  const RowKernels* rows;
};

extern const ProductKernels kPortableKernels;
extern const ProductKernels kAvx2Kernels;
extern const ProductKernels kAvx512CoreKernels;
extern const ProductKernels kAvx512Kernels;
extern const ProductKernels kAmxKernels;

// Those that sum as the reference does, for reference mode
// (ordered_product_body.h); the portable ones always do.
extern const ProductKernels kAvx2OrderedKernels;
extern const ProductKernels kAvx512OrderedKernels;

}  // namespace baleen::cpu
