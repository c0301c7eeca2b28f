// A block of 16 weight rows as packed_layout.h has it, for AVX2: where it lies,
// or, of a checkpoint's rows, exchanged into a buffer that stays in the first
// cache.
#pragma once

#include <immintrin.h>

#include "cpu/tile_rows.h"

namespace baleen::cpu {
namespace {

struct TileBlock {
  const uint8_t* data;
  const uint8_t* scales;  // Four fp4 scales of each row.
};

struct BlockBuffer {
  CopiedBlock copy;
  alignas(64) uint8_t data[kTileRows * kBlock * 2];
  alignas(64) uint8_t scales[kVector];
};

// 16 bytes of four rows to four vectors' places for them.
inline void ExchangeFour(const uint8_t* rows, int64_t stride, uint8_t* to) {
  const auto load = [&](int64_t i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + i * stride));
  };
  const auto store = [&](int64_t i, __m128i dwords) {
    _mm_store_si128(reinterpret_cast<__m128i*>(to + i * kVector), dwords);
  };
  const __m128i a = load(0);
  const __m128i b = load(1);
  const __m128i c = load(2);
  const __m128i d = load(3);
  const __m128i ab_low = _mm_unpacklo_epi32(a, b);
  const __m128i ab_high = _mm_unpackhi_epi32(a, b);
  const __m128i cd_low = _mm_unpacklo_epi32(c, d);
  const __m128i cd_high = _mm_unpackhi_epi32(c, d);
  store(0, _mm_unpacklo_epi64(ab_low, cd_low));
  store(1, _mm_unpackhi_epi64(ab_low, cd_low));
  store(2, _mm_unpacklo_epi64(ab_high, cd_high));
  store(3, _mm_unpackhi_epi64(ab_high, cd_high));
}

template <MatrixType type>
TileBlock BlockOf(const Matrix& matrix, int64_t tile, int64_t block,
                  BlockBuffer* buffer) {
  constexpr int64_t kBytes = RowBlockBytes(type);
  constexpr int64_t kFour = 4;
  if (matrix.packed) {
    const uint8_t* data = matrix.data + tile * PackedTileBytes(matrix) +
                          block * PackedBlockBytes(type);
    return {data, data + PackedBlockBytes(type) - kVector};
  }
  const RowBytes rows = BlockRows(matrix, tile, block, &buffer->copy);
  for (int64_t at = 0; at < kBytes; at += 16) {
    for (int64_t row = 0; row < kTileRows; row += kFour) {
      ExchangeFour(rows.data + row * rows.stride + at, rows.stride,
                   buffer->data + at / 4 * kVector + row * 4);
    }
  }
  if constexpr (type == MatrixType::kFp4) {
    const RowBytes scales = Fp4ScaleRows(matrix, tile, block, &buffer->copy);
    for (int64_t row = 0; row < kTileRows; ++row) {
      std::memcpy(buffer->scales + row * 4, scales.data + row * scales.stride,
                  4);
    }
  }
  return {buffer->data, buffer->scales};
}

}  // namespace
}  // namespace baleen::cpu
