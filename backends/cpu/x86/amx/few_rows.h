// Products of up to 16 activation rows: limited by how fast weights come.
//
// Weights are decoded one block ahead of the tiles that multiply, a register at
// a time in turn with a product: tile loads would wait for what was only just
// stored, and like this decoding, products and memory all run at once.
#pragma once

#include "cpu/x86/amx/registers.h"
#include "cpu/x86/avx512/tile_weights.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kRegisterVectors = 16;  // 32 columns.
constexpr int64_t kRegisterBytes = kRegisterVectors * kVector;

template <typename Weights>
BALEEN_ALWAYS_INLINE inline void DecodeVectors(const Weights& weights,
                                               const __m512i* vectors,
                                               __m512i* parts) {
  Unroll<kStepVectors>([&](auto i) BALEEN_ALWAYS_INLINE {
    weights.Decode(vectors[i], parts + i * Weights::kSplit);
  });
}

// Of normal numbers, both bytes of the bf16 are affine in the code's bits:
// 5 exponent bits e3 ~e3 ~e3 ~e3 ~e3 stand for the one on top.  Zeros,
// subnormals and NaN, one in thousands of weights, take the tables.
BALEEN_ALWAYS_INLINE inline void DecodeVectors(const Fp8Weights& weights,
                                               const __m512i* vectors,
                                               __m512i* parts) {
  // Twice the code without its sign, less 16: those others are from 238.
  const auto rank = [&](int i) BALEEN_ALWAYS_INLINE {
    return _mm512_add_epi8(_mm512_add_epi8(vectors[i], vectors[i]),
                           _mm512_set1_epi8(-16));
  };
  const __m512i most = _mm512_max_epu8(_mm512_max_epu8(rank(0), rank(1)),
                                       _mm512_max_epu8(rank(2), rank(3)));
  constexpr int kUnusual = 238;
  const __mmask64 unusual = _mm512_cmpge_epu8_mask(
      most, _mm512_set1_epi8(static_cast<char>(kUnusual)));
  if (__builtin_expect(unusual != 0, 0)) {
    DecodeVectors<Fp8Weights>(weights, vectors, parts);
    return;
  }
  constexpr int64_t kHighBits = 0x1020404040404080;
  constexpr int64_t kLowBits = 0x0000000001020408;
  constexpr int kHighOnes = 0x3C;
  const __m512i low_byte = _mm512_set1_epi16(0x00FF);
  Unroll<kStepVectors>([&](auto i) BALEEN_ALWAYS_INLINE {
    const __m512i high = _mm512_gf2p8affine_epi64_epi8(
        vectors[i], _mm512_set1_epi64(kHighBits), kHighOnes);
    const __m512i low = _mm512_gf2p8affine_epi64_epi8(
        vectors[i], _mm512_set1_epi64(kLowBits), 0);
    parts[2 * i] = _mm512_ternarylogic_epi64(
        low_byte, low, _mm512_bslli_epi128(high, 1), 0xCA);
    parts[2 * i + 1] = _mm512_ternarylogic_epi64(
        low_byte, _mm512_srli_epi16(low, 8), high, 0xCA);
  });
}

// A tile of weights, decoded into one of two places by turns.
template <typename Weights, typename Source>
class DecodedStream {
 public:
  static constexpr int64_t kRegisters =
      kBlockVectors<Weights> / kRegisterVectors;

  DecodedStream(const Matrix& matrix, int64_t tile, int64_t together)
      : source_(matrix, tile, together), scales_(matrix, tile) {}

  // The block that Decode is to take.
  void Seek(int64_t block) {
    source_.Seek(block);
    to_ = places_ + block % 2 * kPlaceBytes;
  }
  BALEEN_ALWAYS_INLINE void Decode(const Weights& weights, int64_t i) {
    constexpr int kParts = kStepVectors * Weights::kSplit;
    constexpr int kSteps = kRegisterVectors / kParts;
    Unroll<kSteps>([&](auto step) BALEEN_ALWAYS_INLINE {
      __m512i vectors[kStepVectors];
      __m512i parts[kParts];
      source_.Load(i * kSteps + step, vectors);
      DecodeVectors(weights, vectors, parts);
      uint8_t* to = to_ + i * kRegisterBytes + step * kParts * kVector;
      Unroll<kParts>([&](auto p) BALEEN_ALWAYS_INLINE {
        _mm512_store_si512(to + p * kVector, parts[p]);
      });
    });
  }
  const uint8_t* Register(int64_t block, int64_t i) const {
    return places_ + block % 2 * kPlaceBytes + i * kRegisterBytes;
  }
  BALEEN_ALWAYS_INLINE __m512 Add(__m512 part, int64_t block,
                                  __m512 sum) const {
    return AddBlockSum<Weights>(part, scales_, block, sum);
  }

 private:
  // Places of two streams do not share their addresses' low 12 bits, by which
  // loads are told from stores that they need not wait for.
  static constexpr int64_t kPlaceBytes = kRegisters * kRegisterBytes;
  alignas(64) uint8_t places_[2 * kPlaceBytes + kPlaceBytes / 2];
  Source source_;
  BlockScales scales_;
  uint8_t* to_ = nullptr;
};

// Sums of up to 16 rows by two tiles.
struct FewSums {
  alignas(64) float part[2][kRegisterRows][kTileRows];
  __m512 sum[2][kRegisterRows];
};

// Multiplies a block of the streams by a group of rows, and decodes the next if
// there is one.
template <bool two, typename Weights, typename Stream>
BALEEN_ALWAYS_INLINE inline void AddFewRows(const Weights& weights,
                                            Stream* streams, int64_t block,
                                            bool decode,
                                            const ActivationGroup& group,
                                            FewSums* sums) {
  const uint8_t* from = group.data + block * kBf16Bytes;
  const size_t stride = static_cast<size_t>(group.stride);
  FinishWrites();
  _tile_zero(0);
  if constexpr (two) _tile_zero(1);
  for (int64_t i = 0; i < Stream::kRegisters; ++i) {
    _tile_loadd(4, from + i * kVector, stride);
    _tile_loadd(6, streams[0].Register(block, i), kVector);
    _tile_dpbf16ps(0, 4, 6);
    if (decode) streams[0].Decode(weights, i);
    if constexpr (two) {
      _tile_loadd(7, streams[1].Register(block, i), kVector);
      _tile_dpbf16ps(1, 4, 7);
      if (decode) streams[1].Decode(weights, i);
    }
    FinishWrites();
  }
  _tile_stored(0, sums->part[0], kVector);
  if constexpr (two) _tile_stored(1, sums->part[1], kVector);
  for (int t = 0; t < (two ? 2 : 1); ++t) {
    for (int64_t r = 0; r < group.rows; ++r) {
      sums->sum[t][r] = streams[t].Add(_mm512_load_ps(sums->part[t][r]), block,
                                       sums->sum[t][r]);
    }
  }
}

template <bool two, typename Weights, typename Stream>
BALEEN_ALWAYS_INLINE inline void MultiplyStreams(const Weights& weights,
                                                 Stream* streams,
                                                 const Part& part,
                                                 const uint8_t* const* packed,
                                                 int64_t rows) {
  constexpr int kTiles = two ? 2 : 1;
  FewSums sums;
  for (int t = 0; t < kTiles; ++t) {
    for (int64_t r = 0; r < rows; ++r) sums.sum[t][r] = _mm512_setzero_ps();
    streams[t].Seek(0);
    for (int64_t i = 0; i < Stream::kRegisters; ++i) {
      streams[t].Decode(weights, i);
    }
  }
  GroupSource<Weights> source(packed, rows);
  const int64_t blocks = BlocksOf(part.matrix.columns);
  for (int64_t block = 0; block < blocks; ++block) {
    const bool more = block + 1 < blocks;
    for (int t = 0; t < kTiles && more; ++t) streams[t].Seek(block + 1);
    AddFewRows<two>(weights, streams, block, more, source.Of(0, rows, block, 0),
                    &sums);
  }
  for (int t = 0; t < kTiles; ++t) {
    for (int64_t r = 0; r < rows; ++r) part.lanes[t].Store(r, sums.sum[t][r]);
  }
}

// The tiles of a part times `rows` rows, at most 16.
template <typename Weights, typename Source, bool two>
void MultiplyFewRows(const Part& part, const uint8_t* const* packed,
                     int64_t rows, Registers* registers) {
  using Stream = DecodedStream<Weights, Source>;
  registers->Configure(rows, 0, false);
  const Weights weights;
  if constexpr (two) {
    Stream streams[2] = {Stream(part.matrix, part.first_tile, 2),
                         Stream(part.matrix, part.first_tile + 1, 2)};
    MultiplyStreams<true>(weights, streams, part, packed, rows);
  } else {
    Stream stream(part.matrix, part.first_tile, 1);
    MultiplyStreams<false>(weights, &stream, part, packed, rows);
  }
}

}  // namespace
}  // namespace baleen::cpu
