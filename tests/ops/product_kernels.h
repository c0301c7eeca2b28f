// The kernels of products, called as operators call them.
#pragma once

#include "cpu/device.h"
#include "cpu/product.h"
#include "cpu/weight_pack.h"
#include "ops/oracle.h"

namespace baleen::conformance {

// Those that sum as the reference does.
inline std::vector<const cpu::ProductKernels*> OrderedKernels() {
  std::vector<const cpu::ProductKernels*> present = {&cpu::kPortableKernels};
#if defined(__x86_64__)
  if (cpu::BestIsa() >= cpu::Isa::kAvx2) {
    present.push_back(&cpu::kAvx2OrderedKernels);
  }
  if (cpu::BestIsa() >= cpu::Isa::kAvx512Core) {
    present.push_back(&cpu::kAvx512OrderedKernels);
  }
#endif
  return present;
}

// Those of fast mode where there is something better: they multiply e2m1 by int8.
inline std::vector<const cpu::ProductKernels*> FastKernels() {
  std::vector<const cpu::ProductKernels*> present;
#if defined(__x86_64__)
  if (cpu::BestIsa() >= cpu::Isa::kAvx2) present.push_back(&cpu::kAvx2Kernels);
  if (cpu::BestIsa() >= cpu::Isa::kAvx512Core) {
    present.push_back(&cpu::kAvx512CoreKernels);
  }
  if (cpu::BestIsa() >= cpu::Isa::kAvx512) {
    present.push_back(&cpu::kAvx512Kernels);
  }
  if (cpu::BestIsa() >= cpu::Isa::kAmx) present.push_back(&cpu::kAmxKernels);
#endif
  return present;
}

inline std::vector<const cpu::ProductKernels*> Kernels() {
  std::vector<const cpu::ProductKernels*> all = OrderedKernels();
  for (const cpu::ProductKernels* kernels : FastKernels()) {
    all.push_back(kernels);
  }
  return all;
}

inline constexpr cpu::MatrixType kMatrixTypes[] = {
    cpu::MatrixType::kBf16, cpu::MatrixType::kFp8, cpu::MatrixType::kFp4};

inline cpu::Matrix MatrixOf(const baleen_tensor& tensor) {
  cpu::Matrix matrix{};
  matrix.rows = tensor.size[0];
  matrix.columns = tensor.size[1];
  matrix.data = static_cast<const uint8_t*>(tensor.data);
  matrix.scales = static_cast<const uint8_t*>(tensor.scales);
  matrix.float_scales = tensor.scale_type == BALEEN_TYPE_F32;
  matrix.block_rows = tensor.block_rows;
  matrix.block_columns = tensor.block_columns;
  if (tensor.block_columns != 0) {
    matrix.row_scales =
        (matrix.columns + matrix.block_columns - 1) / matrix.block_columns;
  }
  switch (tensor.type) {
    case BALEEN_TYPE_BF16:
      matrix.type = cpu::MatrixType::kBf16;
      matrix.row_bytes = 2 * matrix.columns;
      break;
    case BALEEN_TYPE_F8_E4M3:
      matrix.type = cpu::MatrixType::kFp8;
      matrix.row_bytes = matrix.columns;
      break;
    default:
      matrix.type = cpu::MatrixType::kFp4;
      matrix.row_bytes = matrix.columns / 2;
  }
  return matrix;
}

// A packed copy, whose last byte a page follows that may not be touched.
class PackedCopy {
 public:
  explicit PackedCopy(const cpu::Matrix& raw)
      : blob_(cpu::BlobBytes(BALEEN_WEIGHT_LINEAR, raw)) {
    cpu::PackMatrix(raw, BALEEN_WEIGHT_LINEAR, blob_.data());
    matrix_ = cpu::PackedMatrix(raw, BALEEN_WEIGHT_LINEAR, blob_.data());
  }
  const cpu::Matrix& operator*() const { return matrix_; }

 private:
  GuardedBuffer blob_;
  cpu::Matrix matrix_;
};

// Rows of activations, packed for kernels.
class PackedActivations {
 public:
  PackedActivations(const cpu::ProductKernels& kernels, cpu::MatrixType type,
                    const uint16_t* values, int64_t rows, int64_t columns)
      : stride_(cpu::BlocksOf(columns) * kernels.packed_block(type)),
        buffer_(static_cast<size_t>(rows * stride_)) {
    const int64_t block = kernels.packed_block(type);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t first = 0; first < columns; first += cpu::kBlock) {
        kernels.pack(
            type, values + row * columns + first,
            std::min(cpu::kBlock, columns - first),
            buffer_.data() + row * stride_ + first / cpu::kBlock * block);
      }
      rows_.push_back(buffer_.data() + row * stride_);
    }
  }
  const uint8_t* const* rows() const { return rows_.data(); }

 private:
  int64_t stride_;
  GuardedBuffer buffer_;
  std::vector<const uint8_t*> rows_;
};

}  // namespace baleen::conformance
