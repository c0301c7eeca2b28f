// Weights of a tile as vectors of products, for the kernels of AVX-512 and AMX.
//
// e4m3 becomes bf16 by two 128-entry byte tables: exact, and with e4m3's
// subnormals as normal numbers, since products of bf16 take subnormals for zero.
// e2m1 becomes 2 * e2m1 + 12 (unsigned, exact) for int8 activations, and 12 times
// the sum of the activations is taken off.
#pragma once

#include <type_traits>

#include "cpu/int8_block.h"
#include "cpu/unroll.h"
#include "cpu/x86/avx512/tile_source.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

namespace baleen::cpu {
namespace {

inline __m512i Broadcast(const uint8_t* dword) {
  int32_t value;
  std::memcpy(&value, dword, sizeof(value));
  return _mm512_set1_epi32(value);
}

inline __m512 BroadcastFloat(const uint8_t* dword) {
  float value;
  std::memcpy(&value, dword, sizeof(value));
  return _mm512_set1_ps(value);
}

// Code `group` of four e8m0 codes in each dword, as floats.
template <int group>
inline __m512 Fp4Scale(__m512i codes) {
  __m512i bits;
  if constexpr (group == 3) {
    bits = _mm512_srli_epi32(codes, 1);
  } else {
    bits = _mm512_slli_epi32(codes, 23 - 8 * group);
  }
  bits = _mm512_and_si512(bits, _mm512_set1_epi32(0x7F800000));
  // Code 0 is 2^-127, a subnormal.
  return _mm512_castsi512_ps(
      _mm512_max_epi32(bits, _mm512_set1_epi32(0x00400000)));
}

// Weights of a step, decoded: kSplit vectors come of each of its four.  PlaceOf is
// where a column of a block goes among packed activations, so that each vector
// meets a dword of them.

struct Bf16Weights {
  static constexpr int kSplit = 1;
  static constexpr int kSteps = 16;
  static constexpr MatrixType kType = MatrixType::kBf16;
  static int64_t PlaceOf(int64_t i) { return i; }
  void Decode(__m512i bits, __m512i* parts) const { parts[0] = bits; }
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
  static constexpr int kSplit = 2;  // Columns 0 and 2 of four, then 1 and 3.
  static constexpr int kSteps = 8;
  static constexpr MatrixType kType = MatrixType::kFp8;
  static int64_t PlaceOf(int64_t i) {
    return (i / 4 * 2 + i % 2) * 2 + i % 4 / 2;
  }
  Fp8Weights()
      : high0_(_mm512_load_si512(kFp8Tables.high)),
        high1_(_mm512_load_si512(kFp8Tables.high + 64)),
        low0_(_mm512_load_si512(kFp8Tables.low)),
        low1_(_mm512_load_si512(kFp8Tables.low + 64)) {}
  void Decode(__m512i codes, __m512i* parts) const {
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i low_byte = _mm512_set1_epi16(0x00FF);
    // high | (codes & sign)
    const __m512i high = _mm512_ternarylogic_epi64(
        _mm512_permutex2var_epi8(high0_, codes, high1_), codes, sign, 0xF8);
    const __m512i low = _mm512_permutex2var_epi8(low0_, codes, low1_);
    // low_byte ? low : high, of bytes 0 and 2, then 1 and 3.
    parts[0] = _mm512_ternarylogic_epi64(low_byte, low,
                                         _mm512_slli_epi16(high, 8), 0xCA);
    parts[1] = _mm512_ternarylogic_epi64(low_byte, _mm512_srli_epi16(low, 8),
                                         high, 0xCA);
  }

 private:
  __m512i high0_, high1_, low0_, low1_;
};

// `raise` makes the doubled weights unsigned.
template <int raise>
class Fp4Weights {
 public:
  static constexpr int kSplit = 2;  // Even columns of eight, then odd ones.
  static constexpr int kSteps = 4;
  static constexpr MatrixType kType = MatrixType::kFp4;
  Fp4Weights() {
    alignas(64) uint8_t table[64];
    for (uint32_t i = 0; i < 64; ++i) {
      table[i] = static_cast<uint8_t>(Fp4Twice(i & 15u) + raise);
    }
    table_ = _mm512_load_si512(table);
  }
  // vpermb takes six bits of an index: the 16 entries stand four times.
  void Decode(__m512i codes, __m512i* parts) const {
    parts[0] = _mm512_permutexvar_epi8(codes, table_);
    parts[1] = _mm512_permutexvar_epi8(_mm512_srli_epi16(codes, 4), table_);
  }

 private:
  __m512i table_;
};

using Int8Weights = Fp4Weights<kInt8Raise>;

// Vectors of a block, and bytes of a block of packed activations.
template <typename Weights>
constexpr int64_t kBlockVectors =
    Weights::kSteps* kStepVectors* Weights::kSplit;

constexpr int64_t kBf16Bytes = kBlock * 2;

// Decoded as they are read, for few rows of activations.
template <typename Weights, typename Source>
class Decoding {
 public:
  static constexpr bool kDecoded = false;
  Decoding(const Weights& weights, const Matrix& matrix, int64_t tile,
           int64_t together = 1)
      : weights_(weights), source_(matrix, tile, together) {}
  void Seek(int64_t block) { source_.Seek(block); }
  void Step(int64_t step, __m512i* parts) const {
    __m512i vectors[kStepVectors];
    source_.Load(step, vectors);
    Unroll<kStepVectors>([&](auto i) BALEEN_ALWAYS_INLINE {
      weights_.Decode(vectors[i], parts + i * Weights::kSplit);
    });
  }
  __m512i Scales() { return source_.Scales(); }

 private:
  Weights weights_;
  Source source_;
};

// Scales of fp8 blocks, by lane.
class BlockScales {
 public:
  BlockScales(const Matrix& matrix, int64_t tile)
      : matrix_(matrix), tile_(tile), shared_(TilesShareScales(matrix)) {
    // Found once: a division takes longer than a block of one row.
    if (shared_ && matrix.type == MatrixType::kFp8) {
      first_ = Fp8ScalesOfRow(matrix, tile * kTileRows);
    }
  }
  __m512 Of(int64_t block) const {
    if (shared_) return _mm512_set1_ps(Fp8ScaleAt(matrix_, first_ + block));
    alignas(64) float scales[kTileRows];
    Fp8TileScales(matrix_, tile_, block, scales);
    return _mm512_load_ps(scales);
  }

 private:
  const Matrix& matrix_;
  int64_t tile_;
  bool shared_;
  int64_t first_ = 0;
};

// The sum of a block's bf16 products, times its scale, added to those before.
template <typename Weights>
BALEEN_ALWAYS_INLINE inline __m512 AddBlockSum(__m512 part,
                                               const BlockScales& scales,
                                               int64_t block, __m512 sum) {
  if constexpr (Weights::kType == MatrixType::kBf16) {
    return _mm512_add_ps(sum, part);
  } else {
    return _mm512_fmadd_ps(part, scales.Of(block), sum);
  }
}

// Lanes [begin, end) of a tile, and where the first of them goes in a row.
struct Lanes {
  int64_t begin;
  int64_t end;
  float* out;
  int64_t stride;
  __mmask16 mask() const {
    return static_cast<__mmask16>((1u << (end - begin)) - 1u);
  }
  __mmask16 own() const {
    return static_cast<__mmask16>(static_cast<unsigned>(mask()) << begin);
  }
  bool whole() const { return end - begin == kTileRows; }
  BALEEN_ALWAYS_INLINE __m512 Load(int64_t row) const {
    if (whole()) return _mm512_loadu_ps(out + row * stride);
    const __m512 values = _mm512_maskz_loadu_ps(mask(), out + row * stride);
    return _mm512_maskz_expand_ps(own(), values);
  }
  BALEEN_ALWAYS_INLINE void Store(int64_t row, __m512 values) const {
    if (whole()) return _mm512_storeu_ps(out + row * stride, values);
    _mm512_mask_storeu_ps(out + row * stride, mask(),
                          _mm512_maskz_compress_ps(own(), values));
  }
};

}  // namespace
}  // namespace baleen::cpu
