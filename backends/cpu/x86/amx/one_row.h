// Products of a single activation row by packed fp8, without tiles.
//
// To a tile register one row is a sixteenth of its work, and weights pass
// through memory on their way to it: from memory that is an eighth slower than
// multiplying where they are decoded.  The sums are those of tdpbf16ps, so that
// a row alone has the bits that it has among others: of each 32 columns, from
// zero, the even ones one after another and the odd ones likewise, then both.
#pragma once

#include "cpu/x86/amx/few_rows.h"

namespace baleen::cpu {
namespace {

// Tiles take subnormals for zero and give none.  Activations of 2^-60 and more,
// and zeros, lead to no subnormals: products with e4m3 are multiples of 2^-76.
// Others, and what is no number, are left to tiles.
inline bool HasOrdinaryValues(const uint8_t* packed, int64_t blocks) {
  constexpr int16_t kLeast = (127 - 60) << 7;
  constexpr int16_t kInfinity = 255 << 7;
  __mmask32 others = 0;
  for (int64_t at = 0; at < blocks * kBf16Bytes; at += kVector) {
    const __m512i size = _mm512_and_si512(_mm512_load_si512(packed + at),
                                          _mm512_set1_epi16(0x7FFF));
    const __m512i above = _mm512_sub_epi16(size, _mm512_set1_epi16(kLeast));
    others |=
        _mm512_mask_cmpge_epu16_mask(_mm512_test_epi16_mask(size, size), above,
                                     _mm512_set1_epi16(kInfinity - kLeast));
  }
  return others == 0;
}

inline __m512 EvenColumns(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}
inline __m512 OddColumns(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(
      pairs, _mm512_set1_epi32(static_cast<int>(0xFFFF0000u))));
}

// A block of the row as floats, by pairs of columns.
struct RowBlock {
  static constexpr int64_t kPairs = kBlock / 2;
  alignas(64) float even[kPairs];
  alignas(64) float odd[kPairs];

  explicit RowBlock(const uint8_t* packed) {
    for (int64_t i = 0; i < kPairs; i += kTileRows) {
      const __m512i pairs = _mm512_load_si512(packed + i * 4);
      _mm512_store_ps(even + i, EvenColumns(pairs));
      _mm512_store_ps(odd + i, OddColumns(pairs));
    }
  }
};

// Adds the 32 columns of register `i` to `sum`.
BALEEN_ALWAYS_INLINE inline __m512 AddRegister(const Fp8Weights& weights,
                                               const PackedSource& source,
                                               const RowBlock& row, int64_t i,
                                               __m512 sum) {
  constexpr int kParts = kStepVectors * Fp8Weights::kSplit;
  constexpr int kSteps = kRegisterVectors / kParts;
  __m512 even = _mm512_setzero_ps();
  __m512 odd = _mm512_setzero_ps();
  Unroll<kSteps>([&](auto step) BALEEN_ALWAYS_INLINE {
    __m512i vectors[kStepVectors];
    __m512i parts[kParts];
    source.Load(i * kSteps + step, vectors);
    DecodeVectors(weights, vectors, parts);
    const int64_t at = i * kRegisterVectors + step * kParts;
    Unroll<kParts>([&](auto p) BALEEN_ALWAYS_INLINE {
      even = _mm512_fmadd_ps(EvenColumns(parts[p]),
                             _mm512_set1_ps(row.even[at + p]), even);
      odd = _mm512_fmadd_ps(OddColumns(parts[p]),
                            _mm512_set1_ps(row.odd[at + p]), odd);
    });
  });
  return _mm512_add_ps(sum, _mm512_add_ps(even, odd));
}

// A part of two tiles times one row of ordinary values.
inline void MultiplyOneRow(const Part& part, const uint8_t* packed) {
  constexpr int64_t kRegisters = kBlockVectors<Fp8Weights> / kRegisterVectors;
  const Fp8Weights weights;
  const int64_t tile = part.first_tile;
  PackedSource sources[kPartTiles] = {PackedSource(part.matrix, tile, 2),
                                      PackedSource(part.matrix, tile + 1, 2)};
  const BlockScales scales[kPartTiles] = {BlockScales(part.matrix, tile),
                                          BlockScales(part.matrix, tile + 1)};
  __m512 sums[kPartTiles] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  const int64_t blocks = BlocksOf(part.matrix.columns);
  for (int64_t block = 0; block < blocks; ++block) {
    const RowBlock row(packed + block * kBf16Bytes);
    __m512 products[kPartTiles] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    Unroll<kPartTiles>([&](auto t)
                           BALEEN_ALWAYS_INLINE { sources[t].Seek(block); });
    for (int64_t i = 0; i < kRegisters; ++i) {
      Unroll<kPartTiles>([&](auto t) BALEEN_ALWAYS_INLINE {
        products[t] = AddRegister(weights, sources[t], row, i, products[t]);
      });
    }
    Unroll<kPartTiles>([&](auto t) BALEEN_ALWAYS_INLINE {
      sums[t] = AddBlockSum<Fp8Weights>(products[t], scales[t], block, sums[t]);
    });
  }
  Unroll<kPartTiles>(
      [&](auto t) BALEEN_ALWAYS_INLINE { part.lanes[t].Store(0, sums[t]); });
}

}  // namespace
}  // namespace baleen::cpu
