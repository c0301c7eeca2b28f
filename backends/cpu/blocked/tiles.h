// Tiles of products: packing of activations, and loops of a kernel over rows.
//
// The split into tiles is fixed by the weights' shapes, so it is the same for
// any number of rows or threads.
#pragma once

#include <algorithm>

#include "cpu/activation.h"
#include "cpu/parallel.h"
#include "cpu/product.h"

namespace baleen::cpu {

constexpr int64_t kTile = 64;          // Weight rows of a task.
constexpr int64_t kMostTile = 512;     // Of any task: a head.
constexpr int64_t kMostValues = 8192;  // Products made at once: 32 KiB.

// NULL, or why the kernels do not take a matrix.
inline const char* MatrixRefusal(const Matrix& matrix) {
  if (BlocksOf(matrix.columns) > kMostBlocks) return "rows are too long";
  if (matrix.type == MatrixType::kFp8 && matrix.block_columns != kBlock) {
    return "scales are not of 128 columns";
  }
  return nullptr;
}

// NULL, or why the kernels do not take one of a weight; no weight is fine.
inline const char* WeightRefusal(const baleen_weight* handle) {
  if (handle == nullptr) return nullptr;
  const Weight& weight = *FromHandle(handle);
  for (uint32_t i = 0; i < weight.count; ++i) {
    const char* reason = MatrixRefusal(weight.matrices()[i]);
    if (reason != nullptr) return reason;
  }
  return nullptr;
}

// Packed activations, row after row.
struct PackedRows {
  uint8_t* data = nullptr;
  int64_t stride = 0;
  const uint8_t* row(int64_t i) const { return data + i * stride; }
};

// From a packed row to the next.  One vector more than a row takes, since rows
// at a power of two from each other would share few places in the caches.
inline int64_t PackedStride(int64_t columns, int64_t block_bytes) {
  return BlocksOf(columns) * block_bytes + kVector;
}

// Bytes for `rows` of any product, aligned.
inline uint64_t PackedBytes(int64_t rows, int64_t columns) {
  return static_cast<uint64_t>(rows * PackedStride(columns, kMostPackedBlock));
}

inline void PackRow(const ProductKernels& kernels, MatrixType type,
                    const ActivationRow& row, int64_t columns,
                    uint8_t* packed) {
  const int64_t bytes = kernels.packed_block(type);
  for (int64_t first = 0; first < columns; first += kBlock) {
    const int64_t count = std::min(kBlock, columns - first);
    uint16_t values[kBlock];
    LoadBf16(row, first, count, values);
    kernels.pack(type, values, count, packed + first / kBlock * bytes);
  }
}

// Packs the rows of a tensor; `rows` counts through all but its last dimension.
inline PackedRows PackRows(const Queue& queue, const ProductKernels& kernels,
                           MatrixType type, const baleen_tensor& in,
                           int64_t rows, void* memory) {
  const int64_t columns = in.size[in.rank - 1];
  const PackedRows packed{static_cast<uint8_t*>(memory),
                          PackedStride(columns, kernels.packed_block(type))};
  constexpr int64_t kRowsOfTask = 8;
  ParallelRanges(queue, rows, kRowsOfTask, [&](int64_t first, int64_t end) {
    for (int64_t i = first; i < end; ++i) {
      PackRow(kernels, type, ActivationRowOf(in, i), columns,
              packed.data + i * packed.stride);
    }
  });
  return packed;
}

// How many activation rows are multiplied at once by `count` weight rows.
inline int64_t RowsAtOnce(int64_t count) {
  return std::clamp<int64_t>(kMostValues / std::max<int64_t>(count, 1), 1,
                             kMostRows);
}

// Weight rows [first, first + count) times `rows` activation rows, packed_at(i)
// being the packed row i; emit(i, values) gets the `count` products of row i.
template <typename PackedAt, typename Emit>
void MultiplyTile(const ProductKernels& kernels, const Matrix& matrix,
                  int64_t first, int64_t count, int64_t rows,
                  const PackedAt& packed_at, const Emit& emit) {
  alignas(64) float values[kMostValues];
  const int64_t at_once = RowsAtOnce(count);
  for (int64_t row = 0; row < rows; row += at_once) {
    const int64_t size = std::min(at_once, rows - row);
    const uint8_t* packed[kMostRows];
    for (int64_t r = 0; r < size; ++r) packed[r] = packed_at(row + r);
    kernels.multiply(matrix, first, count, packed, size, values, count);
    for (int64_t r = 0; r < size; ++r) emit(row + r, values + r * count);
  }
}

// A matrix, the activations it multiplies, and where the products go.
struct ProductPart {
  const Matrix* matrix;
  PackedRows packed;
  const baleen_tensor* out;  // bf16 or f32 [rows, matrix rows]
};

// The products of several parts as one loop over tiles.
inline void MultiplyParts(const Queue& queue, const ProductKernels& kernels,
                          const ProductPart* parts, int part_count,
                          int64_t rows) {
  if (rows == 0) return;
  int64_t tasks = 0;
  for (int i = 0; i < part_count; ++i) {
    tasks += GroupsOf(parts[i].matrix->rows, kTile);
  }
  ParallelFor(queue, tasks, [&](int64_t task) {
    const ProductPart* part = parts;
    for (; task >= GroupsOf(part->matrix->rows, kTile); ++part) {
      task -= GroupsOf(part->matrix->rows, kTile);
    }
    const int64_t first = task * kTile;
    const int64_t count = std::min(kTile, part->matrix->rows - first);
    MultiplyTile(
        kernels, *part->matrix, first, count, rows,
        [&](int64_t i) { return part->packed.row(i); },
        [&](int64_t i, const float* values) {
          StoreFloats(*part->out, i, first, count, values);
        });
  });
}

}  // namespace baleen::cpu
