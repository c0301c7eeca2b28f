// Products with AVX-512 BF16, VNNI and VBMI.
//
// e4m3 becomes bf16 by two 128-entry byte tables: exact, and with e4m3's
// subnormals as normal numbers, since vdpbf16ps takes bf16 subnormals for zero.
// e2m1 becomes bf16 by vpermw, whose five index bits need no mask when the 16
// entries stand twice; for int8 activations it becomes 2 * e2m1 + 12 (unsigned,
// exact), and 12 times the sum of the activations is taken off.
#include <immintrin.h>

#include "cpu/product.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

namespace baleen::cpu {
namespace {

constexpr int kParts = 4;  // Vectors of 32 bf16 in a block.

inline __m512bh AsBf16(__m512i bits) {
  return reinterpret_cast<__m512bh>(bits);
}

// ---- Weights as bf16 ----

struct Bf16Weights {
  static constexpr int64_t kBlockBytes = kBlock * 2;
  explicit Bf16Weights(const Matrix&) {}
  void Row(const Matrix&, int64_t) {}
  __m512 Scale(int64_t) const { return _mm512_set1_ps(1.0f); }
  void Decode(const uint8_t* data, __m512i* parts) const {
    for (int i = 0; i < kParts; ++i) {
      parts[i] = _mm512_loadu_si512(data + i * 64);
    }
  }
};

struct Fp8Tables {
  alignas(64) uint8_t high[128];
  alignas(64) uint8_t low[128];
};

constexpr Fp8Tables MakeFp8Tables() {
  Fp8Tables tables{};
  for (uint32_t code = 0; code < 128; ++code) {
    uint32_t bits = (code << 4) + (120u << 7);
    if (code == 0) {
      bits = 0;
    } else if (code < 8) {
      // code * 2^-9, with the leading one taken out.
      const uint32_t exponent = code < 2 ? 0 : (code < 4 ? 1 : 2);
      bits = ((118u + exponent) << 7) | (((code << (3 - exponent)) & 7u) << 4);
    } else if (code == 127) {
      bits = 0x7FC0u;
    }
    tables.high[code] = static_cast<uint8_t>(bits >> 8);
    tables.low[code] = static_cast<uint8_t>(bits & 255u);
  }
  return tables;
}

constexpr Fp8Tables kFp8Tables = MakeFp8Tables();

class Fp8Weights {
 public:
  static constexpr int64_t kBlockBytes = kBlock;
  explicit Fp8Weights(const Matrix&)
      : high0_(_mm512_load_si512(kFp8Tables.high)),
        high1_(_mm512_load_si512(kFp8Tables.high + 64)),
        low0_(_mm512_load_si512(kFp8Tables.low)),
        low1_(_mm512_load_si512(kFp8Tables.low + 64)) {}
  void Row(const Matrix& matrix, int64_t row) {
    if (row / matrix.block_rows == row_block_) return;
    row_block_ = row / matrix.block_rows;
    BlockScales(matrix, row, scales_);
  }
  __m512 Scale(int64_t block) const { return _mm512_set1_ps(scales_[block]); }
  void Decode(const uint8_t* data, __m512i* parts) const {
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    for (int i = 0; i < 2; ++i) {
      const __m512i codes = _mm512_loadu_si512(data + i * 64);
      // high | (codes & sign)
      const __m512i high = _mm512_ternarylogic_epi64(
          _mm512_permutex2var_epi8(high0_, codes, high1_), codes, sign, 0xF8);
      const __m512i low = _mm512_permutex2var_epi8(low0_, codes, low1_);
      parts[2 * i] = _mm512_unpacklo_epi8(low, high);
      parts[2 * i + 1] = _mm512_unpackhi_epi8(low, high);
    }
  }

 private:
  __m512i high0_, high1_, low0_, low1_;
  int64_t row_block_ = -1;
  float scales_[kMostBlocks];
};

// Four e8m0 codes to 16 floats, four of each.
inline __m512 Fp4Scales(const uint8_t* codes) {
  uint32_t four;
  std::memcpy(&four, codes, sizeof(four));
  const __m512i pick =
      _mm512_set_epi32(-253, -253, -253, -253, -254, -254, -254, -254, -255,
                       -255, -255, -255, -256, -256, -256, -256);
  // The low byte of each index picks byte 0 to 3 of its 128 bits; the others
  // have the top bit set, which gives zero.
  const __m512i bytes =
      _mm512_shuffle_epi8(_mm512_set1_epi32(static_cast<int>(four)), pick);
  // Code 0 is 2^-127, a subnormal.
  return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_slli_epi32(bytes, 23),
                                              _mm512_set1_epi32(0x00400000)));
}

class Fp4Weights {
 public:
  static constexpr int64_t kBlockBytes = kBlock / 2;
  explicit Fp4Weights(const Matrix&) {
    alignas(64) uint16_t table[32];
    for (uint32_t i = 0; i < 32; ++i) {
      table[i] = Bf16FromFloat(Fp4ToFloat(i & 15u));
    }
    table_ = _mm512_load_si512(table);
  }
  void Row(const Matrix& matrix, int64_t row) {
    scales_ = matrix.scales + row * matrix.row_scales;
  }
  __m512 Scale(int64_t block) const { return Fp4Scales(scales_ + block * 4); }
  void UseScales(const uint8_t* scales) { scales_ = scales; }
  void Decode(const uint8_t* data, __m512i* parts) const {
    const __m512i codes = _mm512_loadu_si512(data);
    parts[0] = _mm512_permutexvar_epi16(codes, table_);
    parts[1] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 4), table_);
    parts[2] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 8), table_);
    parts[3] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 12), table_);
  }

 private:
  __m512i table_;
  const uint8_t* scales_ = nullptr;
};

template <typename Weights, int kRows>
inline void AddBlock(const Weights& weights, const uint8_t* data, __m512 scale,
                     const uint8_t* const* packed, int64_t offset,
                     __m512* sums) {
  __m512i parts[kParts];
  weights.Decode(data, parts);
  for (int r = 0; r < kRows; ++r) {
    const uint8_t* row = packed[r] + offset;
    __m512 sum = _mm512_setzero_ps();
    for (int i = 0; i < kParts; ++i) {
      sum = _mm512_dpbf16_ps(sum, AsBf16(parts[i]),
                             AsBf16(_mm512_load_si512(row + i * 64)));
    }
    sums[r] = _mm512_fmadd_ps(sum, scale, sums[r]);
  }
}

template <typename Weights, int kRows>
void MultiplyBf16(const Matrix& matrix, int64_t first, int64_t count,
                  const uint8_t* const* packed, float* out,
                  int64_t out_stride) {
  Weights weights(matrix);
  const int64_t whole = matrix.columns / kBlock;
  const int64_t rest = matrix.row_bytes - whole * Weights::kBlockBytes;
  for (int64_t n = 0; n < count; ++n) {
    const uint8_t* data = matrix.data + (first + n) * matrix.row_bytes;
    weights.Row(matrix, first + n);
    __m512 sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = _mm512_setzero_ps();
    for (int64_t b = 0; b < whole; ++b) {
      AddBlock<Weights, kRows>(weights, data + b * Weights::kBlockBytes,
                               weights.Scale(b), packed, b * kBlock * 2, sums);
    }
    if (rest != 0) {
      alignas(64) uint8_t last[Weights::kBlockBytes] = {};
      std::memcpy(last, data + whole * Weights::kBlockBytes,
                  static_cast<size_t>(rest));
      uint8_t last_scales[4] = {};
      __m512 scale;
      if constexpr (requires { weights.UseScales(last_scales); }) {
        std::memcpy(last_scales,
                    matrix.scales + (first + n) * matrix.row_scales + whole * 4,
                    static_cast<size_t>(matrix.row_scales - whole * 4));
        scale = Fp4Scales(last_scales);
      } else {
        scale = weights.Scale(whole);
      }
      AddBlock<Weights, kRows>(weights, last, scale, packed, whole * kBlock * 2,
                               sums);
    }
    for (int r = 0; r < kRows; ++r) {
      out[r * out_stride + n] = _mm512_reduce_add_ps(sums[r]);
    }
  }
}

// ---- e2m1 times int8 ----

// A packed block: 64 activations of even columns, 64 of odd ones, minus 12 times
// the sums of the eight that share a lane, the scales by lane.
constexpr int64_t kInt8Bytes = 256;

class Int8Table {
 public:
  Int8Table() {
    alignas(64) uint8_t table[64];
    for (uint32_t i = 0; i < 64; ++i) {
      table[i] = static_cast<uint8_t>(Fp4Twice(i & 15u) + 12);
    }
    table_ = _mm512_load_si512(table);
  }
  template <int kRows>
  void AddBlock(const uint8_t* data, const uint8_t* scales,
                const uint8_t* const* packed, int64_t offset,
                __m512* sums) const {
    const __m512i mask = _mm512_set1_epi8(15);
    const __m512i codes = _mm512_loadu_si512(data);
    const __m512i even =
        _mm512_shuffle_epi8(table_, _mm512_and_si512(codes, mask));
    const __m512i odd = _mm512_shuffle_epi8(
        table_, _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask));
    const __m512 scale = Fp4Scales(scales);
    for (int r = 0; r < kRows; ++r) {
      const uint8_t* row = packed[r] + offset;
      __m512i sum = _mm512_load_si512(row + 128);
      sum = _mm512_dpbusd_epi32(sum, even, _mm512_load_si512(row));
      sum = _mm512_dpbusd_epi32(sum, odd, _mm512_load_si512(row + 64));
      const __m512 product = _mm512_mul_ps(
          scale, _mm512_load_ps(reinterpret_cast<const float*>(row + 192)));
      sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), product, sums[r]);
    }
  }

 private:
  __m512i table_;
};

template <int kRows>
void MultiplyInt8(const Matrix& matrix, int64_t first, int64_t count,
                  const uint8_t* const* packed, float* out,
                  int64_t out_stride) {
  constexpr int64_t kBytes = kBlock / 2;
  const Int8Table table;
  const int64_t whole = matrix.columns / kBlock;
  const int64_t rest = matrix.row_bytes - whole * kBytes;
  for (int64_t n = 0; n < count; ++n) {
    const uint8_t* data = matrix.data + (first + n) * matrix.row_bytes;
    const uint8_t* scales = matrix.scales + (first + n) * matrix.row_scales;
    __m512 sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = _mm512_setzero_ps();
    for (int64_t b = 0; b < whole; ++b) {
      table.AddBlock<kRows>(data + b * kBytes, scales + b * 4, packed,
                            b * kInt8Bytes, sums);
    }
    if (rest != 0) {
      alignas(64) uint8_t last[kBytes] = {};
      uint8_t last_scales[4] = {};
      std::memcpy(last, data + whole * kBytes, static_cast<size_t>(rest));
      std::memcpy(last_scales, scales + whole * 4,
                  static_cast<size_t>(matrix.row_scales - whole * 4));
      table.AddBlock<kRows>(last, last_scales, packed, whole * kInt8Bytes,
                            sums);
    }
    for (int r = 0; r < kRows; ++r) {
      out[r * out_stride + n] = _mm512_reduce_add_ps(sums[r]);
    }
  }
}

// ---- Packing ----

// Where column `i` of a block goes.
inline int64_t PlaceOf(Product product, int64_t i) {
  switch (product) {
    case Product::kFp8: {  // As vpunpck{l,h}bw leave 64 bytes.
      const int64_t in64 = i % 64;
      return i / 64 * 64 + in64 % 16 / 8 * 32 + in64 / 16 * 8 + in64 % 8;
    }
    case Product::kFp4:  // By the nibble of a 16-bit word.
      return i % 4 * 32 + i / 4;
    default:
      return i;
  }
}

void PackInt8(const uint16_t* values, int64_t count, uint8_t* packed) {
  int8_t codes[kBlock] = {};
  int32_t sums[16];
  float scales[16];
  for (int64_t group = 0; group < kBlock; group += kInt8Group) {
    const int64_t rest = count - group;
    const int64_t size = rest < 0 ? 0 : (rest < kInt8Group ? rest : kInt8Group);
    float floats[kInt8Group];
    for (int64_t i = 0; i < size; ++i) {
      floats[i] = Bf16ToFloat(values[group + i]);
    }
    // Half, because the weights are doubled.
    const float scale = 0.5f * RoundToInt8(floats, size, codes + group);
    for (int64_t i = 0; i < 4; ++i) scales[group / 8 + i] = scale;
  }
  for (int64_t lane = 0; lane < 16; ++lane) {
    int32_t sum = 0;
    for (int64_t i = 0; i < 8; ++i) sum += codes[lane * 8 + i];
    sums[lane] = -12 * sum;
  }
  for (int64_t i = 0; i < kBlock / 2; ++i) {
    packed[i] = static_cast<uint8_t>(codes[2 * i]);
    packed[64 + i] = static_cast<uint8_t>(codes[2 * i + 1]);
  }
  std::memcpy(packed + 128, sums, sizeof(sums));
  std::memcpy(packed + 192, scales, sizeof(scales));
}

void Pack(Product product, const uint16_t* values, int64_t count,
          uint8_t* packed) {
  if (product == Product::kFp4Int8) {
    PackInt8(values, count, packed);
    return;
  }
  uint16_t* to = reinterpret_cast<uint16_t*>(packed);
  for (int64_t i = 0; i < kBlock; ++i) {
    to[PlaceOf(product, i)] = i < count ? values[i] : uint16_t{0};
  }
}

int64_t PackedBlock(Product product) {
  return product == Product::kFp4Int8 ? kInt8Bytes : kBlock * 2;
}

// ---- Choice by the number of rows ----

template <int kRows>
void MultiplyRows(Product product, const Matrix& matrix, int64_t first,
                  int64_t count, const uint8_t* const* packed, float* out,
                  int64_t out_stride) {
  switch (product) {
    case Product::kBf16:
      return MultiplyBf16<Bf16Weights, kRows>(matrix, first, count, packed, out,
                                              out_stride);
    case Product::kFp8:
      return MultiplyBf16<Fp8Weights, kRows>(matrix, first, count, packed, out,
                                             out_stride);
    case Product::kFp4:
      return MultiplyBf16<Fp4Weights, kRows>(matrix, first, count, packed, out,
                                             out_stride);
    case Product::kFp4Int8:
      return MultiplyInt8<kRows>(matrix, first, count, packed, out, out_stride);
  }
}

void Multiply(Product product, const Matrix& matrix, int64_t first,
              int64_t count, const uint8_t* const* packed, int rows, float* out,
              int64_t out_stride) {
  // Eight packed rows of 4096 are 64 KiB, more than the first cache holds.  The
  // int8 kernel needs their bandwidth (124 GOP/s with eight rows, 160 with
  // four); vdpbf16ps does not.
  constexpr int kInt8Rows = 4;
  if (product == Product::kFp4Int8 && rows > kInt8Rows) {
    Multiply(product, matrix, first, count, packed, kInt8Rows, out, out_stride);
    Multiply(product, matrix, first, count, packed + kInt8Rows,
             rows - kInt8Rows, out + kInt8Rows * out_stride, out_stride);
    return;
  }
  using Function = void (*)(Product, const Matrix&, int64_t, int64_t,
                            const uint8_t* const*, float*, int64_t);
  static constexpr Function kByRows[kMostRows] = {
      MultiplyRows<1>, MultiplyRows<2>, MultiplyRows<3>, MultiplyRows<4>,
      MultiplyRows<5>, MultiplyRows<6>, MultiplyRows<7>, MultiplyRows<8>};
  kByRows[rows - 1](product, matrix, first, count, packed, out, out_stride);
}

}  // namespace

const ProductKernels kAvx512Kernels = {"avx512", Product::kFp4Int8, PackedBlock,
                                       Pack, Multiply};

}  // namespace baleen::cpu
