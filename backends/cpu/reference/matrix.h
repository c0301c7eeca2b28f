// Products as the reference does them: one element after another, summed in
// float32.  Products of what is stored are exact, so only this order matters; it
// is the one that the golden layers agree with best (a sum in double turns one
// key of the first tiny layer, and with it the 128 tokens that see it).
#pragma once

#include "cpu/activation.h"
#include "cpu/packed_layout.h"
#include "numeric/fp4.h"

namespace baleen::cpu {

// Byte `byte` of a row, wherever it lies.
inline uint8_t WeightByte(const Matrix& matrix, int64_t row, int64_t byte) {
  return matrix.data[matrix.packed ? PackedOffset(matrix, row, byte)
                                   : row * matrix.row_bytes + byte];
}

inline float WeightScale(const Matrix& matrix, int64_t row, int64_t column) {
  const int64_t block = column / matrix.block_columns;
  if (matrix.type == MatrixType::kFp4 && matrix.packed) {
    return E8m0ToFloat(matrix.data[PackedScaleOffset(matrix, row, block)]);
  }
  const int64_t at = row / matrix.block_rows * matrix.row_scales + block;
  if (!matrix.float_scales) return E8m0ToFloat(matrix.scales[at]);
  float factor;
  std::memcpy(&factor, matrix.scales + at * 4, sizeof(factor));
  return factor;
}

// Element [row, column], with its scale.
inline float WeightAt(const Matrix& matrix, int64_t row, int64_t column) {
  switch (matrix.type) {
    case MatrixType::kBf16: {
      const uint32_t low = WeightByte(matrix, row, column * 2);
      const uint32_t high = WeightByte(matrix, row, column * 2 + 1);
      return Bf16ToFloat(static_cast<uint16_t>(high << 8 | low));
    }
    case MatrixType::kFp8:
      return Fp8ToFloat(WeightByte(matrix, row, column)) *
             WeightScale(matrix, row, column);
    default: {
      const uint8_t byte = WeightByte(matrix, row, column / 2);
      return Fp4ToFloat(Fp4CodeAt(&byte, column % 2)) *
             WeightScale(matrix, row, column);
    }
  }
}

inline float ActivationAt(const ActivationRow& row, int64_t i) {
  if (row.scales != nullptr) {
    return Fp8ToFloat(row.data[i]) * E8m0ToFloat(row.scales[i / row.block]);
  }
  uint16_t bits;
  std::memcpy(&bits, row.data + i * 2, sizeof(bits));
  return Bf16ToFloat(bits);
}

// Row `n` of the matrix times a row of activations.
inline float Dot(const Matrix& matrix, int64_t n, const ActivationRow& row) {
  float sum = 0;
  for (int64_t i = 0; i < matrix.columns; ++i) {
    sum += WeightAt(matrix, n, i) * ActivationAt(row, i);
  }
  return sum;
}

}  // namespace baleen::cpu
