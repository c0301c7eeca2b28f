// Products with AVX2, FMA and F16C.
//
// A half tile is eight weight rows.  Sums of floats are two chains (bf16: even
// and odd columns) or lanes (fp8: two columns of a row side by side) of 128
// columns, then their sum times the scale.
//
// e4m3 becomes f16 by a shift (the exponent then is 8 too small, e4m3's
// subnormals stay subnormals) and float by F16C.  e2m1 becomes 2 * e2m1 + 12 for
// vpmaddubsw with int8 activations, of which four sums of pairs stay below
// 4 * 2 * 24 * 127.
#include "cpu/product.h"
#include "cpu/int8_block.h"
#include "cpu/unroll.h"
#include "cpu/x86/avx2/tile_block.h"
#include "numeric/fp4.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kHalfBytes = 32;  // Of a vector.
constexpr int64_t kHalfRows = 8;

inline __m256i Load256(const uint8_t* data) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(data));
}

// Two floats, again and again.
inline __m256 BroadcastPair(const float* pair) {
  double both;
  std::memcpy(&both, pair, sizeof(both));
  return _mm256_castpd_ps(_mm256_set1_pd(both));
}

// Eight words of f16 from the lower and the upper half.
inline __m256 LowFloats(__m256i halves) {
  return _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
}
inline __m256 HighFloats(__m256i halves) {
  return _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
}

// ---- Weights ----
//
// Each adds one vector (the same four bytes of eight rows) to two sums of an
// activation row; Total makes eight rows of the sums.  PlaceOf is where a column
// goes among packed activations, kFloats is how many of those a vector meets.

struct Bf16Weights {
  static constexpr MatrixType kType = MatrixType::kBf16;
  static constexpr int kVectors = 64;  // Of a block.
  static constexpr int kFloats = 2;
  static int64_t PlaceOf(int64_t i) { return i; }
  template <int kRows>
  BALEEN_ALWAYS_INLINE void Add(__m256i bits, const float* const* row,
                                int64_t at, __m256 (*sums)[2]) const {
    const __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
    const __m256 odd =
        _mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32(-65536)));
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      sums[r][0] =
          _mm256_fmadd_ps(even, _mm256_broadcast_ss(row[r] + at), sums[r][0]);
      sums[r][1] = _mm256_fmadd_ps(odd, _mm256_broadcast_ss(row[r] + at + 1),
                                   sums[r][1]);
    });
  }
  static __m256 Total(const __m256* sums) {
    return _mm256_add_ps(sums[0], sums[1]);
  }
};

struct Fp8Weights {
  static constexpr MatrixType kType = MatrixType::kFp8;
  static constexpr int kVectors = 32;
  static constexpr int kFloats = 4;
  // Columns 0 and 2 of four, then 1 and 3.
  static int64_t PlaceOf(int64_t i) {
    return i / 4 * 4 + i % 2 * 2 + i % 4 / 2;
  }
  template <int kRows>
  BALEEN_ALWAYS_INLINE void Add(__m256i codes, const float* const* row,
                                int64_t at, __m256 (*sums)[2]) const {
    const __m256i used = _mm256_set1_epi16(static_cast<int16_t>(0xBF80));
    const __m256i even = _mm256_and_si256(
        _mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 1), used);
    const __m256i odd = _mm256_and_si256(_mm256_srai_epi16(codes, 1), used);
    AddHalves<kRows>(even, row, at, sums);
    AddHalves<kRows>(odd, row, at + 2, sums);
  }
  static __m256 Total(const __m256* sums) {
    // Rows 0 1 4 5 and 2 3 6 7.
    const __m256 mixed = _mm256_hadd_ps(sums[0], sums[1]);
    return _mm256_castpd_ps(
        _mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xD8));
  }

 private:
  // Words of f16 hold two columns of each of eight rows: four rows to a sum.
  template <int kRows>
  BALEEN_ALWAYS_INLINE static void AddHalves(__m256i halves,
                                             const float* const* row,
                                             int64_t at, __m256 (*sums)[2]) {
    const __m256 low = LowFloats(halves);
    const __m256 high = HighFloats(halves);
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      const __m256 pair = BroadcastPair(row[r] + at);
      sums[r][0] = _mm256_fmadd_ps(low, pair, sums[r][0]);
      sums[r][1] = _mm256_fmadd_ps(high, pair, sums[r][1]);
    });
  }
};

// Code `group` of four e8m0 codes in each dword, as floats.
inline __m256 Fp4Scale(const uint8_t* scales, int64_t group) {
  const __m256i codes = Load256(scales);
  const __m256i code = _mm256_and_si256(
      _mm256_srl_epi32(codes, _mm_cvtsi32_si128(static_cast<int>(8 * group))),
      _mm256_set1_epi32(255));
  // Code 0 is 2^-127, a subnormal.
  return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_slli_epi32(code, 23),
                                              _mm256_set1_epi32(0x00400000)));
}

// ---- Sums ----

// Scales of an fp8 block, by half; f16 lacks 2^8.
struct BlockScales {
  __m256 half[2];
};

inline BlockScales Fp8Scales(const Matrix& matrix, int64_t tile,
                             int64_t block) {
  const __m256 lacking = _mm256_set1_ps(256.0f);
  alignas(32) float scales[kTileRows];
  Fp8TileScales(matrix, tile, block, scales);
  return {{_mm256_mul_ps(_mm256_load_ps(scales), lacking),
           _mm256_mul_ps(_mm256_load_ps(scales + kHalfRows), lacking)}};
}

// Adds a block of floats for kHalves halves from `half` on.
template <int kHalves, int kRows, typename Weights>
BALEEN_ALWAYS_INLINE inline void AddBlock(const Weights& weights,
                                          const TileBlock& block,
                                          const BlockScales& scales, int half,
                                          const float* const* row,
                                          __m256 (*sums)[2]) {
  __m256 chains[kHalves][kRows][2];
  Unroll<kHalves * kRows>([&](auto i) BALEEN_ALWAYS_INLINE {
    __m256* chain = chains[i / kRows][i % kRows];
    chain[0] = chain[1] = _mm256_setzero_ps();
  });
  for (int v = 0; v < Weights::kVectors; ++v) {
    Unroll<kHalves>([&](auto h) BALEEN_ALWAYS_INLINE {
      weights.template Add<kRows>(
          Load256(block.data + v * kVector + (half + h) * kHalfBytes), row,
          v * Weights::kFloats, chains[h]);
    });
  }
  Unroll<kHalves * kRows>([&](auto i) BALEEN_ALWAYS_INLINE {
    constexpr int h = i / kRows;
    constexpr int r = i % kRows;
    const __m256 total = Weights::Total(chains[h][r]);
    __m256& sum = sums[r][half + h];
    if constexpr (Weights::kType == MatrixType::kBf16) {
      sum = _mm256_add_ps(sum, total);
    } else {
      sum = _mm256_fmadd_ps(total, scales.half[half + h], sum);
    }
  });
}

// ---- e2m1 times int8 ----

inline __m256i BroadcastDword(const uint8_t* dword) {
  int32_t value;
  std::memcpy(&value, dword, sizeof(value));
  return _mm256_set1_epi32(value);
}

class Int8Weights {
 public:
  static constexpr MatrixType kType = MatrixType::kFp4;
  // Even columns of eight, then odd ones.
  Int8Weights() {
    alignas(32) uint8_t table[32];
    for (uint32_t i = 0; i < 32; ++i) {
      table[i] = static_cast<uint8_t>(Fp4Twice(i & 15u) + kInt8Raise);
    }
    table_ = Load256(table);
  }
  // Words of sums of pairs: even columns, then odd ones, of 32.
  template <int kRows>
  BALEEN_ALWAYS_INLINE void AddGroup(const uint8_t* data, int64_t half,
                                     const uint8_t* const* row, int64_t at,
                                     __m256i (*words)[2]) const {
    constexpr int kVectors = 4;
    const __m256i mask = _mm256_set1_epi8(15);
    Unroll<kVectors>([&](auto v) BALEEN_ALWAYS_INLINE {
      const __m256i codes = Load256(data + v * kVector + half * kHalfBytes);
      const __m256i even =
          _mm256_shuffle_epi8(table_, _mm256_and_si256(codes, mask));
      const __m256i odd = _mm256_shuffle_epi8(
          table_, _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask));
      Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
        const uint8_t* from = row[r] + at + v * 8;
        const __m256i a = _mm256_maddubs_epi16(even, BroadcastDword(from));
        const __m256i b = _mm256_maddubs_epi16(odd, BroadcastDword(from + 4));
        words[r][0] = v == 0 ? a : _mm256_add_epi16(words[r][0], a);
        words[r][1] = v == 0 ? b : _mm256_add_epi16(words[r][1], b);
      });
    });
  }

 private:
  __m256i table_;
};

template <int kHalves, int kRows>
BALEEN_ALWAYS_INLINE inline void AddBlock(const Int8Weights& weights,
                                          const TileBlock& block,
                                          const BlockScales&, int half,
                                          const uint8_t* const* row,
                                          __m256 (*sums)[2]) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (int g = 0; g < kFp4Groups; ++g) {
    Unroll<kHalves>([&](auto h) BALEEN_ALWAYS_INLINE {
      __m256i words[kRows][2];
      weights.AddGroup<kRows>(block.data + g * 4 * kVector, half + h, row,
                              g * kFp4Group, words);
      const __m256 scale = Fp4Scale(block.scales + (half + h) * kHalfBytes, g);
      Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
        const __m256i product = _mm256_add_epi32(
            _mm256_add_epi32(_mm256_madd_epi16(words[r][0], ones),
                             _mm256_madd_epi16(words[r][1], ones)),
            BroadcastDword(row[r] + kInt8Sums + g * 4));
        const __m256 both = _mm256_mul_ps(
            scale,
            _mm256_castsi256_ps(BroadcastDword(row[r] + kInt8Scales + g * 4)));
        __m256& sum = sums[r][half + h];
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(product), both, sum);
      });
    });
  }
}

// ---- Tiles ----

// Lanes [begin, end) of a tile, and where the first of them goes in a row.
struct Lanes {
  int64_t begin;
  int64_t end;
  float* out;
  int64_t stride;
};

template <typename Weights>
constexpr int64_t kActivationBytes =
    std::is_same_v<Weights, Int8Weights> ? kInt8Bytes : kBlock * 4;

// The products of a tile for kRows rows.  One row has both halves at once, to
// have sums enough for the processor; more would not fit registers.
template <int kRows, typename Weights>
void MultiplyTile(const Weights& weights, const Matrix& matrix, int64_t tile,
                  const uint8_t* const* packed, const Lanes& lanes) {
  constexpr bool kInt8 = std::is_same_v<Weights, Int8Weights>;
  using Element = std::conditional_t<kInt8, uint8_t, float>;
  BlockBuffer buffer;
  __m256 sums[kRows][2];
  for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_ps();
  for (int64_t b = 0; b < BlocksOf(matrix.columns); ++b) {
    const TileBlock block = BlockOf<Weights::kType>(matrix, tile, b, &buffer);
    BlockScales scales{};
    if constexpr (Weights::kType == MatrixType::kFp8) {
      scales = Fp8Scales(matrix, tile, b);
    }
    const Element* row[kRows];
    for (int r = 0; r < kRows; ++r) {
      row[r] = reinterpret_cast<const Element*>(packed[r] +
                                                b * kActivationBytes<Weights>);
    }
    if constexpr (kRows == 1) {
      AddBlock<2, kRows>(weights, block, scales, 0, row, sums);
    } else {
      for (int half = 0; half < 2; ++half) {
        AddBlock<1, kRows>(weights, block, scales, half, row, sums);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    alignas(32) float values[kTileRows];
    _mm256_store_ps(values, sums[r][0]);
    _mm256_store_ps(values + kHalfRows, sums[r][1]);
    std::memcpy(lanes.out + r * lanes.stride, values + lanes.begin,
                static_cast<size_t>(lanes.end - lanes.begin) * sizeof(float));
  }
}

template <typename Weights>
void MultiplyBy(const Matrix& matrix, int64_t first, int64_t count,
                const uint8_t* const* packed, int64_t rows, float* out,
                int64_t out_stride) {
  using Function = void (*)(const Weights&, const Matrix&, int64_t,
                            const uint8_t* const*, const Lanes&);
  constexpr int64_t kRowsAtOnce = 4;
  static constexpr Function kByRows[kRowsAtOnce] = {
      MultiplyTile<1, Weights>, MultiplyTile<2, Weights>,
      MultiplyTile<3, Weights>, MultiplyTile<4, Weights>};
  const Weights weights;
  const int64_t end = first + count;
  for (int64_t at = first; at < end;) {
    const int64_t tile = at / kTileRows;
    const int64_t begin = tile * kTileRows;
    const int64_t stop = begin + kTileRows < end ? begin + kTileRows : end;
    for (int64_t r = 0; r < rows; r += kRowsAtOnce) {
      const int64_t size = rows - r < kRowsAtOnce ? rows - r : kRowsAtOnce;
      const Lanes lanes{at - begin, stop - begin,
                        out + r * out_stride + (at - first), out_stride};
      kByRows[size - 1](weights, matrix, tile, packed + r, lanes);
    }
    at = stop;
  }
}

void Multiply(const Matrix& matrix, int64_t first, int64_t count,
              const uint8_t* const* packed, int64_t rows, float* out,
              int64_t out_stride) {
  // As MatrixType counts them.
  static constexpr decltype(ProductKernels::multiply) kByType[] = {
      MultiplyBy<Bf16Weights>, MultiplyBy<Fp8Weights>, MultiplyBy<Int8Weights>};
  kByType[static_cast<size_t>(matrix.type)](matrix, first, count, packed, rows,
                                            out, out_stride);
  // GCC 12 leaves it out where the last call within took a vector; the caller's
  // code without AVX would then take 70 cycles for each turn to it and back.
  _mm256_zeroupper();
}

// ---- Packing of activations ----

template <typename Weights>
void PackFloats(const uint16_t* values, int64_t count, uint8_t* packed) {
  float* to = reinterpret_cast<float*>(packed);
  for (int64_t i = 0; i < kBlock; ++i) {
    to[Weights::PlaceOf(i)] = i < count ? Bf16ToFloat(values[i]) : 0.0f;
  }
}

void Pack(MatrixType type, const uint16_t* values, int64_t count,
          uint8_t* packed) {
  switch (type) {
    case MatrixType::kBf16:
      return PackFloats<Bf16Weights>(values, count, packed);
    case MatrixType::kFp8:
      return PackFloats<Fp8Weights>(values, count, packed);
    case MatrixType::kFp4:
      return PackInt8Block(values, count, packed);
  }
}

int64_t PackedBlock(MatrixType type) {
  return type == MatrixType::kFp4 ? kInt8Bytes : kBlock * 4;
}

}  // namespace

const ProductKernels kAvx2Kernels = {"avx2", PackedBlock, Pack, Multiply,
                                     &kAvx2RowKernels};

}  // namespace baleen::cpu
