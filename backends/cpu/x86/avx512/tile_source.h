// Where kernels get 16 weight rows from: packed vectors, or rows of a checkpoint
// through an exchange of rows and columns in registers.
//
// A step is 16 bytes of each row: four vectors of 16 dwords, a row to a lane.
#pragma once

#include <immintrin.h>

#include "cpu/tile_rows.h"

namespace baleen::cpu {
namespace {

constexpr int kStepVectors = 4;
constexpr int64_t kStepBytes = 16;  // Of a row.

class PackedSource {
 public:
  PackedSource(const Matrix& matrix, int64_t tile)
      : block_bytes_(PackedBlockBytes(matrix.type)),
        tile_(matrix.data + tile * PackedTileBytes(matrix)) {}
  void Seek(int64_t block) { data_ = tile_ + block * block_bytes_; }
  void Load(int64_t step, __m512i* vectors) const {
    // Pages end the processor's own prefetching.
    constexpr int64_t kAhead = 4096;
    const uint8_t* from = data_ + step * kStepVectors * kVector;
    for (int i = 0; i < kStepVectors; ++i) {
      _mm_prefetch(from + kAhead + i * kVector, _MM_HINT_T0);
      vectors[i] = _mm512_load_si512(from + i * kVector);
    }
  }
  // The block's four fp4 scales of each row.
  __m512i Scales() const {
    return _mm512_load_si512(data_ + block_bytes_ - kVector);
  }

 private:
  int64_t block_bytes_;
  const uint8_t* tile_;
  const uint8_t* data_ = nullptr;
};

// 16 bytes of rows i, i + 4, i + 8 and i + 12.
inline __m512i EveryFourthRow(const uint8_t* row, int64_t stride) {
  const auto load = [&](int64_t i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i * stride));
  };
  __m512i rows = _mm512_castsi128_si512(load(0));
  rows = _mm512_mask_broadcast_i32x4(rows, 0x00F0, load(4));
  rows = _mm512_mask_broadcast_i32x4(rows, 0x0F00, load(8));
  return _mm512_mask_broadcast_i32x4(rows, 0xF000, load(12));
}

class RawSource {
 public:
  RawSource(const Matrix& matrix, int64_t tile)
      : matrix_(matrix), tile_(tile) {}
  void Seek(int64_t block) {
    block_ = block;
    rows_ = BlockRows(matrix_, tile_, block, &copy_);
  }
  void Load(int64_t step, __m512i* vectors) const {
    const uint8_t* from = rows_.data + step * kStepBytes;
    const int64_t stride = rows_.stride;
    // The next tile's bytes: 16 rows at once are too many for the processor's
    // own prefetching.  A line of four rows a step makes one of each in four.
    const uint8_t* next = from + (kTileRows + step % 4 * 4) * stride;
    for (int i = 0; i < 4; ++i) _mm_prefetch(next + i * stride, _MM_HINT_T0);
    const __m512i a = EveryFourthRow(from, stride);
    const __m512i b = EveryFourthRow(from + stride, stride);
    const __m512i c = EveryFourthRow(from + 2 * stride, stride);
    const __m512i d = EveryFourthRow(from + 3 * stride, stride);
    const __m512i ab_low = _mm512_unpacklo_epi32(a, b);
    const __m512i ab_high = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi32(c, d);
    const __m512i cd_high = _mm512_unpackhi_epi32(c, d);
    vectors[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
    vectors[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
    vectors[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
    vectors[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
  }
  __m512i Scales() {
    const RowBytes scales = Fp4ScaleRows(matrix_, tile_, block_, &copy_);
    const __m512i lanes =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i at = _mm512_mullo_epi32(
        lanes, _mm512_set1_epi32(static_cast<int>(scales.stride)));
    return _mm512_i32gather_epi32(at, scales.data, 1);
  }

 private:
  const Matrix& matrix_;
  int64_t tile_;
  int64_t block_ = 0;
  RowBytes rows_{};
  CopiedBlock copy_;
};

}  // namespace
}  // namespace baleen::cpu
