// Products as the reference does them: one element after another, summed in
// double, so that the order of summation does not matter to the float.
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
  double sum = 0;
  for (int64_t i = 0; i < matrix.columns; ++i) {
    sum += static_cast<double>(WeightAt(matrix, n, i)) *
           static_cast<double>(ActivationAt(row, i));
  }
  return static_cast<float>(sum);
}

}  // namespace baleen::cpu
