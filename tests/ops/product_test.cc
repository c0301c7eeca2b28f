// The kernels themselves: every code of every format, extreme scales, the error
// of int8 activations, and that packing changes no bit.
#include "cpu/reference/matrix.h"
#include "cpu/tensor_view.h"
#include "ops/product_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace baleen::conformance {
namespace {

using cpu::ProductKernels;

// The matrix times one row of activations.
std::vector<float> Multiply(const ProductKernels& kernels, const Tensor& tensor,
                            const std::vector<uint16_t>& row) {
  const cpu::Matrix matrix = MatrixOf(*tensor);
  const PackedActivations packed(kernels, matrix.type, row.data(), 1,
                                 static_cast<int64_t>(row.size()));
  std::vector<float> out(static_cast<size_t>(matrix.rows));
  kernels.multiply(matrix, 0, matrix.rows, packed.rows(), 1, out.data(),
                   matrix.rows);
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
          Multiply(*kernels, matrix, std::vector<uint16_t>(128, 0x3F80));
      for (int64_t code = 0; code < 256; ++code) {
        if ((code & 127) == 127) continue;
        EXPECT_EQ(static_cast<double>(got[static_cast<size_t>(code)]),
                  8 * DecodeFp8(static_cast<uint8_t>(code)))
            << kernels->name << " code " << code;
      }
    }
  }
}

// `relative` is what int8 activations may be off by.
void ExpectEveryFp4Code(const ProductKernels& kernels, double relative) {
  for (int64_t column = 0; column < 128; ++column) {
    Tensor matrix(BALEEN_TYPE_F4_E2M1, {16, 128});
    matrix.WithScales(BALEEN_TYPE_E8M0, 1, 32);
    std::memset(matrix->data, 0, 16 * 64);
    for (size_t i = 0; i < 64; ++i) {
      matrix.scales()->data()[i] = static_cast<uint8_t>(120 + i % 9);
    }
    for (int64_t code = 0; code < 16; ++code) {
      static_cast<uint8_t*>(matrix->data)[code * 64 + column / 2] =
          static_cast<uint8_t>(column % 2 == 0 ? code : code << 4);
    }
    const std::vector<float> got =
        Multiply(kernels, matrix, std::vector<uint16_t>(128, 0x3F80));
    for (int64_t code = 0; code < 16; ++code) {
      const double value = ValueAt(*matrix, code, column);
      EXPECT_NEAR(static_cast<double>(got[static_cast<size_t>(code)]), value,
                  relative * std::fabs(value))
          << kernels.name << " code " << code << " column " << column;
    }
  }
}

TEST(Product, DecodesEveryFp4CodeExactly) {
  for (const ProductKernels* kernels : OrderedKernels()) {
    ExpectEveryFp4Code(*kernels, 0);
  }
  // An activation of 1 is 127 * (1 / 127) as int8, one rounding off.
  for (const ProductKernels* kernels : FastKernels()) {
    ExpectEveryFp4Code(*kernels, 1e-7);
  }
}

// The product of 1024 and 1.0 with scale `code`.
float ScaledProduct(const ProductKernels& kernels, uint8_t code) {
  Tensor matrix(BALEEN_TYPE_F4_E2M1, {1, 32});
  matrix.WithScales(BALEEN_TYPE_E8M0, 1, 32);
  std::memset(matrix->data, 0, 16);
  static_cast<uint8_t*>(matrix->data)[0] = 2;  // 1.0
  matrix.scales()->data()[0] = code;
  std::vector<uint16_t> row(32, 0);
  row[0] = EncodeBf16(1024.0);
  return Multiply(kernels, matrix, row)[0];
}

TEST(Product, KeepsTheLeastAndTheGreatestScale) {
  for (uint8_t code : {uint8_t{0}, uint8_t{1}, uint8_t{240}}) {
    const double exact = 1024 * DecodeE8m0(code);
    for (const ProductKernels* kernels : OrderedKernels()) {
      EXPECT_EQ(static_cast<double>(ScaledProduct(*kernels, code)), exact)
          << kernels->name << " code " << int{code};
    }
    // Three roundings of 2^-24: of the activations' scale, of its product with
    // the weights', and of the whole.
    for (const ProductKernels* kernels : FastKernels()) {
      EXPECT_NEAR(static_cast<double>(ScaledProduct(*kernels, code)), exact,
                  2e-7 * exact)
          << kernels->name << " code " << int{code};
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
    const std::vector<float> got = Multiply(*kernels, matrix, row);
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

// Products of `rows` activation rows by weight rows [first, first + count), a
// row of which ends where its buffer does.
std::vector<uint8_t> Products(const ProductKernels& kernels,
                              const cpu::Matrix& matrix,
                              const PackedActivations& packed, int64_t from,
                              int64_t rows, int64_t first, int64_t count) {
  GuardedBuffer out(static_cast<size_t>(rows * count) * sizeof(float));
  kernels.multiply(matrix, first, count, packed.rows() + from, rows,
                   reinterpret_cast<float*>(out.data()), count);
  return {out.data(), out.data() + out.size()};
}

Kind KindOf(cpu::MatrixType type) {
  switch (type) {
    case cpu::MatrixType::kBf16:
      return Kind::kBf16;
    case cpu::MatrixType::kFp8:
      return Kind::kFp8;
    default:
      return Kind::kFp4;
  }
}

// One sum has one order: raw or packed, alone or among others.
void ExpectOneOrder(const ProductKernels& kernels, const Tensor& weights) {
  constexpr int64_t kRows = 67;
  const cpu::Matrix raw = MatrixOf(*weights);
  const PackedCopy packed(raw);
  Tensor in(BALEEN_TYPE_BF16, {kRows, raw.columns});
  Fill(in, 7);
  const PackedActivations activations(kernels, raw.type, in.row<uint16_t>(0),
                                      kRows, raw.columns);
  const std::vector<uint8_t> all =
      Products(kernels, raw, activations, 0, kRows, 0, raw.rows);
  for (int64_t rows : {1, 2, 3, 4, 5, 8, 9, 13, 16, 33, 67}) {
    const int64_t from = kRows - rows;
    const std::vector<uint8_t> expected(all.begin() + from * raw.rows * 4,
                                        all.end());
    for (const cpu::Matrix* matrix : {&raw, &*packed}) {
      EXPECT_EQ(
          Products(kernels, *matrix, activations, from, rows, 0, raw.rows),
          expected)
          << kernels.name << " type " << static_cast<int>(raw.type) << " of "
          << raw.rows << " x " << raw.columns << ", " << rows << " rows, "
          << (matrix->packed ? "packed" : "raw");
    }
  }
}

TEST(Product, HasTheSameBitsRawAndPackedAndForAnyRows) {
  constexpr int64_t kShapes[][2] = {{1, 32},    {16, 128},  {37, 96},
                                    {48, 1184}, {130, 640}, {31, 2048}};
  for (const ProductKernels* kernels : Kernels()) {
    for (Kind kind :
         {Kind::kBf16, Kind::kFp8, Kind::kFp8FloatScales, Kind::kFp4}) {
      for (const auto& [rows, columns] : kShapes) {
        ExpectOneOrder(*kernels, RandomMatrix(kind, rows, columns, 5));
      }
    }
    // Scales that rows of a tile do not share.
    Tensor weights(BALEEN_TYPE_F8_E4M3, {37, 256});
    weights.WithScales(BALEEN_TYPE_E8M0, 5, 128);
    Fill(weights, 6);
    ExpectOneOrder(*kernels, weights);
  }
}

// Reference mode's products have the bits of the definition on every processor,
// with scales that are no powers of two as well.
TEST(Product, OrderedKernelsHaveTheBitsOfTheReference) {
  constexpr int64_t kRows = 19;
  for (Kind kind :
       {Kind::kBf16, Kind::kFp8, Kind::kFp8FloatScales, Kind::kFp4}) {
    for (const auto& [outputs, columns] :
         {std::pair<int64_t, int64_t>{37, 96}, {16, 128}, {130, 640}}) {
      const Tensor weights = RandomMatrix(kind, outputs, columns, 5);
      cpu::Matrix raw = MatrixOf(*weights);
      if (kind == Kind::kFp4) {  // As weights.cc fills it in.
        raw.block_rows = 1;
        raw.block_columns = 32;
      }
      const PackedCopy packed(raw);
      Tensor in(BALEEN_TYPE_BF16, {kRows, columns});
      Fill(in, 7);
      for (const ProductKernels* kernels : OrderedKernels()) {
        const PackedActivations activations(
            *kernels, raw.type, in.row<uint16_t>(0), kRows, columns);
        for (const cpu::Matrix* matrix : {&std::as_const(raw), &*packed}) {
          const std::vector<uint8_t> got =
              Products(*kernels, *matrix, activations, 0, kRows, 0, outputs);
          for (int64_t r = 0; r < kRows; ++r) {
            for (int64_t n = 0; n < outputs; ++n) {
              float value;
              std::memcpy(&value, got.data() + (r * outputs + n) * 4, 4);
              EXPECT_EQ(value,
                        cpu::Dot(*matrix, n, cpu::ActivationRowOf(*in, r)))
                  << kernels->name << " of " << outputs << " x " << columns
                  << ", row " << r << ", output " << n;
            }
          }
        }
      }
    }
  }
}

#if defined(__x86_64__)
// They are one body of code, with vectors of 8 and of 16 rows.
TEST(Product, CoreAvx512HasTheBitsOfAvx2) {
  if (cpu::BestIsa() < cpu::Isa::kAvx512Core) GTEST_SKIP() << "it lacks it";
  constexpr int64_t kRows = 19;
  for (Kind kind :
       {Kind::kBf16, Kind::kFp8, Kind::kFp8FloatScales, Kind::kFp4}) {
    for (const auto& shape :
         {std::pair<int64_t, int64_t>{37, 96}, {16, 128}, {130, 640}}) {
      const int64_t outputs = shape.first;
      const int64_t columns = shape.second;
      const Tensor weights = RandomMatrix(kind, outputs, columns, 5);
      const cpu::Matrix matrix = MatrixOf(*weights);
      Tensor in(BALEEN_TYPE_BF16, {kRows, columns});
      Fill(in, 7);
      const auto products = [&](const ProductKernels& kernels) {
        const PackedActivations activations(
            kernels, matrix.type, in.row<uint16_t>(0), kRows, columns);
        return Products(kernels, matrix, activations, 0, kRows, 0, outputs);
      };
      EXPECT_EQ(products(cpu::kAvx512CoreKernels), products(cpu::kAvx2Kernels))
          << outputs << " x " << columns;
    }
  }
}
#endif

// From the least subnormal to 2^-50, and in every fourth row from the least
// normal number to 16 times that: products and sums are subnormal as well.
void FillTiny(Tensor& tensor, int64_t rows, int64_t columns,
              std::mt19937& random) {
  for (int64_t row = 0; row < rows; ++row) {
    const uint32_t least = row % 4 == 3 ? 0x80 : 0;
    const uint32_t end = row % 4 == 3 ? 0x280 : 0x2680;
    for (int64_t i = 0; i < columns; ++i) {
      const uint32_t bits = static_cast<uint32_t>(random());
      tensor.row<uint16_t>(row)[i] = static_cast<uint16_t>(
          (bits & 0x8000u) | (least + bits % (end - least)));
    }
  }
}

// Units that take subnormals for zeros must do so for any number of rows.
TEST(Product, TreatsSubnormalsAlikeForAnyRows) {
  constexpr int64_t kRows = 40;
  constexpr int64_t kColumns = 256;
  std::mt19937 random(4);
  for (const ProductKernels* kernels : Kernels()) {
    for (Kind kind : {Kind::kBf16, Kind::kFp8}) {
      Tensor weights = RandomMatrix(kind, 32, kColumns, 3);
      if (kind == Kind::kBf16) FillTiny(weights, 32, kColumns, random);
      Tensor in(BALEEN_TYPE_BF16, {kRows, kColumns});
      FillTiny(in, kRows, kColumns, random);
      // Every other row has sums that are not tiny.
      for (int64_t row = 0; row < kRows; row += 2) {
        for (int64_t i = 0; i < kColumns; i += 3) {
          in.row<uint16_t>(row)[i] = EncodeBf16(1.5);
        }
      }
      const cpu::Matrix raw = MatrixOf(*weights);
      const PackedCopy packed(raw);
      const PackedActivations activations(*kernels, raw.type,
                                          in.row<uint16_t>(0), kRows, kColumns);
      const std::vector<uint8_t> all =
          Products(*kernels, raw, activations, 0, kRows, 0, 32);
      for (const cpu::Matrix* matrix : {&raw, &*packed}) {
        for (const auto& [row, rows] : {std::pair{0, 1},
                                        {1, 1},
                                        {2, 1},
                                        {3, 1},
                                        {0, 2},
                                        {0, 3},
                                        {1, 6}}) {
          const auto begin = all.begin() + row * 32 * 4;
          EXPECT_EQ(Products(*kernels, *matrix, activations, row, rows, 0, 32),
                    std::vector<uint8_t>(begin, begin + rows * 32 * 4))
              << kernels->name << " row " << row << " of " << rows;
        }
      }
    }
  }
}

TEST(Product, TakesAnyRangeOfWeightRows) {
  constexpr int64_t kRows = 45;
  for (const ProductKernels* kernels : Kernels()) {
    for (cpu::MatrixType type : kMatrixTypes) {
      const Tensor weights = RandomMatrix(KindOf(type), kRows, 256, 5);
      const cpu::Matrix raw = MatrixOf(*weights);
      const PackedCopy packed(raw);
      Tensor in(BALEEN_TYPE_BF16, {1, 256});
      Fill(in, 7);
      const PackedActivations activations(*kernels, type, in.row<uint16_t>(0),
                                          1, 256);
      const std::vector<uint8_t> all =
          Products(*kernels, raw, activations, 0, 1, 0, kRows);
      for (int64_t first : {0, 3, 16, 31, 44}) {
        for (int64_t count : {1, 5, 13, 17, 45}) {
          if (first + count > kRows) continue;
          const std::vector<uint8_t> expected(
              all.begin() + first * 4, all.begin() + (first + count) * 4);
          for (const cpu::Matrix* matrix : {&raw, &*packed}) {
            EXPECT_EQ(
                Products(*kernels, *matrix, activations, 0, 1, first, count),
                expected)
                << kernels->name << " rows " << first << " to "
                << first + count;
          }
        }
      }
    }
  }
}

#if defined(__x86_64__)
// Bit 2, and 6: whether the upper parts of the first 16 vector registers hold
// anything (XGETBV of register 1).
uint32_t UppersInUse() {
  uint32_t low;
  uint32_t high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
  return low & (1u << 2 | 1u << 6);
}

// If kernels left them in use, what follows without AVX, such as the
// activation between the products of experts, would be ten times slower.
TEST(Product, LeavesNoUpperPartsOfRegistersInUse) {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  constexpr unsigned int kSavedState = 0xD;
  constexpr unsigned int kHasRegisterOne = 1u << 2;
  if (cpu::BestIsa() < cpu::Isa::kAvx2 ||
      __get_cpuid_count(kSavedState, 1, &a, &b, &c, &d) == 0 ||
      (a & kHasRegisterOne) == 0) {
    GTEST_SKIP() << "the processor does not tell";
  }
  __asm__ volatile("vzeroupper");
  if (UppersInUse() != 0) GTEST_SKIP() << "the processor does not tell";
  __asm__ volatile("vpcmpeqd %%ymm0, %%ymm0, %%ymm0" : : : "xmm0");
  EXPECT_NE(UppersInUse(), 0u);
  __asm__ volatile("vzeroupper");
  constexpr int64_t kMost = 40;
  for (const ProductKernels* kernels : Kernels()) {
    for (cpu::MatrixType type : kMatrixTypes) {
      const Tensor weights = RandomMatrix(KindOf(type), 37, 256, 5);
      const cpu::Matrix raw = MatrixOf(*weights);
      const PackedCopy packed(raw);
      Tensor in(BALEEN_TYPE_BF16, {kMost, 256});
      Fill(in, 7);
      const PackedActivations activations(*kernels, type, in.row<uint16_t>(0),
                                          kMost, 256);
      std::vector<float> out(static_cast<size_t>(kMost * raw.rows));
      for (int64_t rows : {1, 2, 4, 8, 16, 40}) {
        for (const cpu::Matrix* matrix : {&raw, &*packed}) {
          kernels->multiply(*matrix, 0, 32, activations.rows(), rows,
                            out.data(), raw.rows);
          EXPECT_EQ(UppersInUse(), 0u)
              << kernels->name << " type " << static_cast<int>(type) << ", "
              << rows << " rows, " << (matrix->packed ? "packed" : "raw");
        }
      }
    }
  }
}
#endif

TEST(Product, WhatIsNotFiniteIsNotLost) {
  Tensor matrix = RandomMatrix(Kind::kFp4, 4, 64, 1);
  for (uint16_t bad : {uint16_t{0x7F80}, uint16_t{0x7FC0}}) {
    std::vector<uint16_t> row(64, 0x3F80);
    row[40] = bad;
    for (const ProductKernels* kernels : Kernels()) {
      for (float value : Multiply(*kernels, matrix, row)) {
        EXPECT_FALSE(std::isfinite(value)) << kernels->name;
      }
    }
  }
}

}  // namespace
}  // namespace baleen::conformance
