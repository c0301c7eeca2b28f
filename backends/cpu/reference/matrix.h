// Products as the reference does them: one element after another, summed in
// float32.  Products of what is stored are exact, so only this order matters; it
// is the one that the golden layers agree with best (a sum in double turns one
// key of the first tiny layer, and with it the 128 tokens that see it).
#pragma once

#include "cpu/activation.h"
#include "cpu/weights.h"
#include "numeric/fp4.h"

namespace baleen::cpu {

// Element [row, column], with its scale.
inline float WeightAt(const Matrix& matrix, int64_t row, int64_t column) {
  const uint8_t* data = matrix.data + row * matrix.row_bytes;
  float value = 0.0f;
  switch (matrix.type) {
    case MatrixType::kBf16: {
      uint16_t bits;
      std::memcpy(&bits, data + column * 2, sizeof(bits));
      return Bf16ToFloat(bits);
    }
    case MatrixType::kFp8:
      value = Fp8ToFloat(data[column]);
      break;
    case MatrixType::kFp4:
      value = Fp4ToFloat(Fp4CodeAt(data, column));
      break;
  }
  const int64_t scale = row / matrix.block_rows * matrix.row_scales +
                        column / matrix.block_columns;
  if (matrix.float_scales) {
    float factor;
    std::memcpy(&factor, matrix.scales + scale * 4, sizeof(factor));
    return value * factor;
  }
  return value * E8m0ToFloat(matrix.scales[scale]);
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
