// Products with AVX2, FMA and F16C.
//
// Activations are floats in their own order.  e4m3 becomes f16 by a shift (the
// exponent then is 8 too small, e4m3's subnormals stay subnormals) and float by
// F16C; e2m1 becomes float by vpermps on its eight magnitudes, or 2 * e2m1 + 12
// for vpmaddubsw with int8 activations, whose pairs stay below 2 * 24 * 127.
#include <immintrin.h>

#include "cpu/product.h"
#include "numeric/fp4.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kGroup = 32;  // Columns summed in one chain.
constexpr int kParts = 4;       // Vectors of eight floats in a group.
constexpr int64_t kGroups = kBlock / kGroup;
constexpr int kRowsAtOnce = 4;  // More sums than these would not fit registers.

inline float SumLanes(__m256 lanes) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(lanes),
                          _mm256_extractf128_ps(lanes, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

inline __m128i Load64(const uint8_t* data) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(data));
}

struct Bf16Weights {
  static constexpr int64_t kBlockBytes = kBlock * 2;
  static constexpr bool kGroupScales = false;
  void Row(const Matrix&, int64_t) {}
  float Scale(int64_t) const { return 1.0f; }
  void Decode(const uint8_t* data, int64_t group, __m256* parts) const {
    for (int i = 0; i < kParts; ++i) {
      const __m128i bits = _mm_loadu_si128(
          reinterpret_cast<const __m128i*>(data + group * kGroup * 2 + i * 16));
      parts[i] = _mm256_castsi256_ps(
          _mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
    }
  }
};

class Fp8Weights {
 public:
  static constexpr int64_t kBlockBytes = kBlock;
  static constexpr bool kGroupScales = false;
  void Row(const Matrix& matrix, int64_t row) {
    if (row / matrix.block_rows == row_block_) return;
    row_block_ = row / matrix.block_rows;
    BlockScales(matrix, row, scales_);
    // What the exponent of f16 lacks.
    for (int64_t i = 0; i < matrix.row_scales; ++i) scales_[i] *= 256.0f;
  }
  float Scale(int64_t block) const { return scales_[block]; }
  void Decode(const uint8_t* data, int64_t group, __m256* parts) const {
    const __m128i magnitude = _mm_set1_epi16(0x3F80);
    const __m128i sign = _mm_set1_epi16(static_cast<int16_t>(0x8000));
    for (int i = 0; i < kParts; ++i) {
      const __m128i codes =
          _mm_cvtepu8_epi16(Load64(data + group * kGroup + i * 8));
      const __m128i half =
          _mm_or_si128(_mm_and_si128(_mm_slli_epi16(codes, 7), magnitude),
                       _mm_and_si128(_mm_slli_epi16(codes, 8), sign));
      parts[i] = _mm256_cvtph_ps(half);
    }
  }

 private:
  int64_t row_block_ = -1;
  float scales_[kMostBlocks];
};

class Fp4Weights {
 public:
  static constexpr int64_t kBlockBytes = kBlock / 2;
  static constexpr bool kGroupScales = true;
  void Row(const Matrix&, int64_t) {}
  void Decode(const uint8_t* data, int64_t group, __m256* parts) const {
    const __m256 table =
        _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    const __m256i sign = _mm256_set1_epi32(INT32_MIN);
    for (int i = 0; i < kParts; ++i) {
      int32_t eight;
      std::memcpy(&eight, data + group * kGroup / 2 + i * 4, sizeof(eight));
      const __m256i codes = _mm256_srlv_epi32(_mm256_set1_epi32(eight), shifts);
      const __m256i signs =
          _mm256_and_si256(_mm256_slli_epi32(codes, 28), sign);
      parts[i] = _mm256_xor_ps(_mm256_permutevar8x32_ps(table, codes),
                               _mm256_castsi256_ps(signs));
    }
  }
};

// Adds a block; `scales` are the four e8m0 codes of e2m1 weights.
template <typename Weights, int kRows>
inline void AddBlock(const Weights& weights, const uint8_t* data, int64_t block,
                     const uint8_t* scales, const uint8_t* const* packed,
                     __m256* sums) {
  __m256 block_sums[kRows] = {};
  for (int64_t group = 0; group < kGroups; ++group) {
    __m256 parts[kParts];
    weights.Decode(data, group, parts);
    for (int r = 0; r < kRows; ++r) {
      const float* row = reinterpret_cast<const float*>(packed[r]) +
                         block * kBlock + group * kGroup;
      __m256 sum = _mm256_mul_ps(parts[0], _mm256_load_ps(row));
      for (int i = 1; i < kParts; ++i) {
        sum = _mm256_fmadd_ps(parts[i], _mm256_load_ps(row + i * 8), sum);
      }
      if constexpr (Weights::kGroupScales) {
        sums[r] = _mm256_fmadd_ps(
            sum, _mm256_set1_ps(E8m0ToFloat(scales[group])), sums[r]);
      } else {
        block_sums[r] = group == 0 ? sum : _mm256_add_ps(block_sums[r], sum);
      }
    }
  }
  if constexpr (!Weights::kGroupScales) {
    const __m256 scale = _mm256_set1_ps(weights.Scale(block));
    for (int r = 0; r < kRows; ++r) {
      sums[r] = _mm256_fmadd_ps(block_sums[r], scale, sums[r]);
    }
  }
}

template <typename Weights, int kRows>
void MultiplyFloat(const Matrix& matrix, int64_t first, int64_t count,
                   const uint8_t* const* packed, float* out,
                   int64_t out_stride) {
  Weights weights;
  const int64_t whole = matrix.columns / kBlock;
  const int64_t rest = matrix.row_bytes - whole * Weights::kBlockBytes;
  for (int64_t n = 0; n < count; ++n) {
    const uint8_t* data = matrix.data + (first + n) * matrix.row_bytes;
    const uint8_t* scales =
        Weights::kGroupScales ? matrix.scales + (first + n) * matrix.row_scales
                              : nullptr;
    weights.Row(matrix, first + n);
    __m256 sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = _mm256_setzero_ps();
    for (int64_t b = 0; b < whole; ++b) {
      AddBlock<Weights, kRows>(
          weights, data + b * Weights::kBlockBytes, b,
          Weights::kGroupScales ? scales + b * kGroups : nullptr, packed, sums);
    }
    if (rest != 0) {
      uint8_t last[Weights::kBlockBytes] = {};
      uint8_t last_scales[kGroups] = {};
      std::memcpy(last, data + whole * Weights::kBlockBytes,
                  static_cast<size_t>(rest));
      if constexpr (Weights::kGroupScales) {
        std::memcpy(last_scales, scales + whole * kGroups,
                    static_cast<size_t>(matrix.row_scales - whole * kGroups));
      }
      AddBlock<Weights, kRows>(weights, last, whole, last_scales, packed, sums);
    }
    for (int r = 0; r < kRows; ++r) {
      out[r * out_stride + n] = SumLanes(sums[r]);
    }
  }
}

// ---- e2m1 times int8 ----

// A packed half block of 64 columns: 32 activations of even columns, 32 of odd
// ones, minus 12 times the sums of the eight that share a lane, the scales by
// lane.
constexpr int64_t kHalf = 64;
constexpr int64_t kHalfBytes = 128;

inline __m256i Load256(const uint8_t* data) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
}

// Two e8m0 codes to eight floats, four of each.
inline __m256 TwoScales(const uint8_t* codes) {
  const __m256i bits = _mm256_setr_m128i(_mm_set1_epi32(codes[0] << 23),
                                         _mm_set1_epi32(codes[1] << 23));
  // Code 0 is 2^-127, a subnormal.
  return _mm256_castsi256_ps(
      _mm256_max_epi32(bits, _mm256_set1_epi32(0x00400000)));
}

template <int kRows>
inline void AddHalf(__m256i table, const uint8_t* data, const uint8_t* scales,
                    const uint8_t* const* packed, int64_t half, __m256* sums) {
  const __m256i mask = _mm256_set1_epi8(15);
  const __m256i codes = Load256(data);
  const __m256i even =
      _mm256_shuffle_epi8(table, _mm256_and_si256(codes, mask));
  const __m256i odd = _mm256_shuffle_epi8(
      table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask));
  const __m256 scale = TwoScales(scales);
  for (int r = 0; r < kRows; ++r) {
    const uint8_t* row = packed[r] + half * kHalfBytes;
    const __m256i pairs =
        _mm256_add_epi16(_mm256_maddubs_epi16(even, Load256(row)),
                         _mm256_maddubs_epi16(odd, Load256(row + 32)));
    const __m256i sum = _mm256_add_epi32(
        _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)), Load256(row + 64));
    const __m256 product = _mm256_mul_ps(
        scale, _mm256_load_ps(reinterpret_cast<const float*>(row + 96)));
    sums[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), product, sums[r]);
  }
}

template <int kRows>
void MultiplyInt8(const Matrix& matrix, int64_t first, int64_t count,
                  const uint8_t* const* packed, float* out,
                  int64_t out_stride) {
  alignas(32) uint8_t entries[32];
  for (uint32_t i = 0; i < 32; ++i) {
    entries[i] = static_cast<uint8_t>(Fp4Twice(i & 15u) + 12);
  }
  const __m256i table = Load256(entries);
  constexpr int64_t kBytes = kHalf / 2;
  const int64_t whole = matrix.columns / kHalf;
  const int64_t rest = matrix.row_bytes - whole * kBytes;
  for (int64_t n = 0; n < count; ++n) {
    const uint8_t* data = matrix.data + (first + n) * matrix.row_bytes;
    const uint8_t* scales = matrix.scales + (first + n) * matrix.row_scales;
    __m256 sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = _mm256_setzero_ps();
    for (int64_t half = 0; half < whole; ++half) {
      AddHalf<kRows>(table, data + half * kBytes, scales + half * 2, packed,
                     half, sums);
    }
    if (rest != 0) {
      uint8_t last[kBytes] = {};
      uint8_t last_scales[2] = {};
      std::memcpy(last, data + whole * kBytes, static_cast<size_t>(rest));
      std::memcpy(last_scales, scales + whole * 2,
                  static_cast<size_t>(matrix.row_scales - whole * 2));
      AddHalf<kRows>(table, last, last_scales, packed, whole, sums);
    }
    for (int r = 0; r < kRows; ++r) {
      out[r * out_stride + n] = SumLanes(sums[r]);
    }
  }
}

// ---- Packing ----

void PackHalf(const uint16_t* values, int64_t count, uint8_t* packed) {
  int8_t codes[kHalf] = {};
  int32_t sums[8];
  float scales[8];
  for (int64_t group = 0; group < kHalf; group += kInt8Group) {
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
  for (int64_t lane = 0; lane < 8; ++lane) {
    int32_t sum = 0;
    for (int64_t i = 0; i < 8; ++i) sum += codes[lane * 8 + i];
    sums[lane] = -12 * sum;
  }
  for (int64_t i = 0; i < kHalf / 2; ++i) {
    packed[i] = static_cast<uint8_t>(codes[2 * i]);
    packed[32 + i] = static_cast<uint8_t>(codes[2 * i + 1]);
  }
  std::memcpy(packed + 64, sums, sizeof(sums));
  std::memcpy(packed + 96, scales, sizeof(scales));
}

void Pack(Product product, const uint16_t* values, int64_t count,
          uint8_t* packed) {
  if (product == Product::kFp4Int8) {
    PackHalf(values, count, packed);
    PackHalf(values + kHalf, count - kHalf, packed + kHalfBytes);
    return;
  }
  float* to = reinterpret_cast<float*>(packed);
  for (int64_t i = 0; i < count; ++i) to[i] = Bf16ToFloat(values[i]);
  for (int64_t i = count; i < kBlock; ++i) to[i] = 0.0f;
}

int64_t PackedBlock(Product product) {
  return product == Product::kFp4Int8 ? 2 * kHalfBytes : kBlock * 4;
}

// ---- Choice by the number of rows ----

template <int kRows>
void MultiplyRows(Product product, const Matrix& matrix, int64_t first,
                  int64_t count, const uint8_t* const* packed, float* out,
                  int64_t out_stride) {
  switch (product) {
    case Product::kBf16:
      return MultiplyFloat<Bf16Weights, kRows>(matrix, first, count, packed,
                                               out, out_stride);
    case Product::kFp8:
      return MultiplyFloat<Fp8Weights, kRows>(matrix, first, count, packed, out,
                                              out_stride);
    case Product::kFp4:
      return MultiplyFloat<Fp4Weights, kRows>(matrix, first, count, packed, out,
                                              out_stride);
    case Product::kFp4Int8:
      return MultiplyInt8<kRows>(matrix, first, count, packed, out, out_stride);
  }
}

void Multiply(Product product, const Matrix& matrix, int64_t first,
              int64_t count, const uint8_t* const* packed, int rows, float* out,
              int64_t out_stride) {
  using Function = void (*)(Product, const Matrix&, int64_t, int64_t,
                            const uint8_t* const*, float*, int64_t);
  static constexpr Function kByRows[kRowsAtOnce] = {
      MultiplyRows<1>, MultiplyRows<2>, MultiplyRows<3>, MultiplyRows<4>};
  for (int r = 0; r < rows; r += kRowsAtOnce) {
    const int size = rows - r < kRowsAtOnce ? rows - r : kRowsAtOnce;
    kByRows[size - 1](product, matrix, first, count, packed + r,
                      out + r * out_stride, out_stride);
  }
}

}  // namespace

const ProductKernels kAvx2Kernels = {"avx2", Product::kFp4Int8, PackedBlock,
                                     Pack, Multiply};

}  // namespace baleen::cpu
