// The kernels themselves: every code of every format, extreme scales, and the
// error of int8 activations.
#include "cpu/product.h"

#include "cpu/device.h"
#include "cpu/tensor_view.h"
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

using cpu::Isa;
using cpu::ProductKernels;

std::vector<const ProductKernels*> Kernels() {
  std::vector<const ProductKernels*> present = {&cpu::kPortableKernels};
#if defined(__x86_64__)
  if (cpu::BestIsa() >= Isa::kAvx2) present.push_back(&cpu::kAvx2Kernels);
  if (cpu::BestIsa() >= Isa::kAvx512) present.push_back(&cpu::kAvx512Kernels);
#endif
  return present;
}

cpu::Matrix MatrixOf(const baleen_tensor& tensor) {
  cpu::Matrix matrix{};
  matrix.rows = tensor.size[0];
  matrix.columns = tensor.size[1];
  matrix.data = static_cast<const uint8_t*>(tensor.data);
  matrix.scales = static_cast<const uint8_t*>(tensor.scales);
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

// The matrix times one row of activations.
std::vector<float> Multiply(const ProductKernels& kernels, cpu::Product product,
                            const Tensor& matrix,
                            const std::vector<uint16_t>& row) {
  const int64_t block = kernels.packed_block(product);
  const int64_t columns = static_cast<int64_t>(row.size());
  GuardedBuffer packed(static_cast<size_t>(cpu::BlocksOf(columns) * block));
  for (int64_t first = 0; first < columns; first += cpu::kBlock) {
    kernels.pack(product, row.data() + first,
                 std::min(cpu::kBlock, columns - first),
                 packed.data() + first / cpu::kBlock * block);
  }
  const uint8_t* rows[] = {packed.data()};
  std::vector<float> out(static_cast<size_t>((*matrix).size[0]));
  kernels.multiply(product, MatrixOf(*matrix), 0, (*matrix).size[0], rows, 1,
                   out.data(), (*matrix).size[0]);
  return out;
}

// One weight of each code, alone in its row: its product with 1 is the weight.
TEST(Product, DecodesEveryFp8CodeExactly) {
  for (const ProductKernels* kernels : Kernels()) {
    for (int64_t column : {0, 5, 63, 64, 127}) {
      Tensor matrix(BALEEN_TYPE_F8_E4M3, {256, 128});
      matrix.WithScales(BALEEN_TYPE_E8M0, 128, 128);
      std::memset(matrix->data, 0, 256 * 128);
      std::memset(matrix->scales, 127 + 3, 2);
      for (int64_t code = 0; code < 256; ++code) {
        const bool number = (code & 127) != 127;
        matrix.row<uint8_t>(code)[column] =
            static_cast<uint8_t>(number ? code : 0);
      }
      const std::vector<float> got =
          Multiply(*kernels, cpu::Product::kFp8, matrix,
                   std::vector<uint16_t>(128, 0x3F80));
      for (int64_t code = 0; code < 256; ++code) {
        if ((code & 127) == 127) continue;
        EXPECT_EQ(static_cast<double>(got[static_cast<size_t>(code)]),
                  8 * DecodeFp8(static_cast<uint8_t>(code)))
            << kernels->name << " code " << code;
      }
    }
  }
}

TEST(Product, DecodesEveryFp4CodeExactly) {
  for (const ProductKernels* kernels : Kernels()) {
    for (cpu::Product product : {cpu::Product::kFp4, cpu::Product::kFp4Int8}) {
      if (product == cpu::Product::kFp4Int8 &&
          kernels->fp4_fast != cpu::Product::kFp4Int8) {
        continue;
      }
      for (int64_t column = 0; column < 128; ++column) {
        Tensor matrix(BALEEN_TYPE_F4_E2M1, {16, 128});
        matrix.WithScales(BALEEN_TYPE_E8M0, 1, 32);
        std::memset(matrix->data, 0, 16 * 64);
        for (size_t i = 0; i < 64; ++i) {
          matrix.scales()->data()[i] = static_cast<uint8_t>(120 + i % 9);
        }
        std::vector<uint16_t> row(128, 0x3F80);
        for (int64_t code = 0; code < 16; ++code) {
          static_cast<uint8_t*>(matrix->data)[code * 64 + column / 2] =
              static_cast<uint8_t>(column % 2 == 0 ? code : code << 4);
        }
        const std::vector<float> got = Multiply(*kernels, product, matrix, row);
        for (int64_t code = 0; code < 16; ++code) {
          // An activation of 1 is 127 * (1 / 127) as int8, one rounding off.
          EXPECT_NEAR(static_cast<double>(got[static_cast<size_t>(code)]),
                      ValueAt(*matrix, code, column),
                      product == cpu::Product::kFp4
                          ? 0
                          : 1e-7 * std::fabs(ValueAt(*matrix, code, column)))
              << kernels->name << " code " << code << " column " << column;
        }
      }
    }
  }
}

TEST(Product, KeepsTheLeastAndTheGreatestScale) {
  for (const ProductKernels* kernels : Kernels()) {
    for (int code : {0, 1, 240}) {
      Tensor matrix(BALEEN_TYPE_F4_E2M1, {1, 32});
      matrix.WithScales(BALEEN_TYPE_E8M0, 1, 32);
      std::memset(matrix->data, 0, 16);
      static_cast<uint8_t*>(matrix->data)[0] = 2;  // 1.0
      matrix.scales()->data()[0] = static_cast<uint8_t>(code);
      std::vector<uint16_t> row(32, 0);
      row[0] = EncodeBf16(1024.0);
      const std::vector<float> got =
          Multiply(*kernels, cpu::Product::kFp4, matrix, row);
      EXPECT_EQ(static_cast<double>(got[0]),
                1024 * DecodeE8m0(static_cast<uint8_t>(code)))
          << kernels->name << " code " << code;
    }
  }
}

// Fast mode must round activations less than the model's own code does, which
// is to e4m3 in groups of 128.
TEST(Product, Int8ActivationsAreCloserThanTheModelsOwnRounding) {
  constexpr int64_t kColumns = 4096;
  Tensor matrix = RandomMatrix(Kind::kFp4, 64, kColumns, 1);
  Tensor in(BALEEN_TYPE_BF16, {1, kColumns});
  Fill(in, 2);
  Tensor rounded(BALEEN_TYPE_F8_E4M3, {1, kColumns});
  rounded.WithScales(BALEEN_TYPE_E8M0, 1, 128);
  const std::vector<uint16_t> row(in.row<uint16_t>(0),
                                  in.row<uint16_t>(0) + kColumns);
  cpu::RoundToFp8(row.data(), kColumns, 128, rounded.row<uint8_t>(0),
                  rounded.scales()->data());
  for (const ProductKernels* kernels : Kernels()) {
    const std::vector<float> got =
        Multiply(*kernels, kernels->fp4_fast, matrix, row);
    double error = 0;
    double model_error = 0;
    for (int64_t n = 0; n < 64; ++n) {
      const double exact = DotAt(*matrix, n, *in, 0, BALEEN_MODE_FAST).value;
      const double model =
          DotAt(*matrix, n, *rounded, 0, BALEEN_MODE_REFERENCE).value - exact;
      const double ours =
          static_cast<double>(got[static_cast<size_t>(n)]) - exact;
      error += ours * ours;
      model_error += model * model;
    }
    EXPECT_LT(std::sqrt(error), std::sqrt(model_error) / 3) << kernels->name;
  }
}

TEST(Product, WhatIsNotFiniteIsNotLost) {
  Tensor matrix = RandomMatrix(Kind::kFp4, 4, 64, 1);
  for (uint16_t bad : {uint16_t{0x7F80}, uint16_t{0x7FC0}}) {
    std::vector<uint16_t> row(64, 0x3F80);
    row[40] = bad;
    for (const ProductKernels* kernels : Kernels()) {
      for (float value : Multiply(*kernels, kernels->fp4_fast, matrix, row)) {
        EXPECT_FALSE(std::isfinite(value)) << kernels->name;
      }
    }
  }
}

}  // namespace
}  // namespace baleen::conformance
