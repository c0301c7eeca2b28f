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

// What is read next is asked for twice: the second cache half a kilobyte before
// the first.  The processor's own prefetching ends with each page; told of the
// next page early, it goes on there, and the two together read memory a sixth
// faster than either (probe_benchmark).
class PackedSource {
 public:
  // `together`: how many tiles are read side by side, this one among them.
  PackedSource(const Matrix& matrix, int64_t tile, int64_t together = 1)
      : block_bytes_(PackedBlockBytes(matrix.type)),
        tile_bytes_(PackedTileBytes(matrix)),
        others_((together - 1) * tile_bytes_),
        tile_(matrix.data + tile * tile_bytes_) {}
  void Seek(int64_t block) {
    const int64_t at = block * block_bytes_;
    data_ = tile_ + at;
    first_cache_ = Ahead(at + 2048);
    second_cache_ = Ahead(at + 2560);
  }
  void Load(int64_t step, __m512i* vectors) const {
    for (int i = 0; i < kStepVectors; ++i) {
      vectors[i] = LoadVector((step * kStepVectors + i) * kVector);
    }
  }
  // The block's four fp4 scales of each row.
  __m512i Scales() const { return LoadVector(block_bytes_ - kVector); }

 private:
  // What is read at `at` of the tile; what is read after its end lies behind the
  // others.
  const uint8_t* Ahead(int64_t at) const {
    return tile_ + at + (at < tile_bytes_ ? 0 : others_);
  }
  __m512i LoadVector(int64_t at) const {
    _mm_prefetch(first_cache_ + at, _MM_HINT_T0);
    _mm_prefetch(second_cache_ + at, _MM_HINT_T1);
    return _mm512_load_si512(data_ + at);
  }

  int64_t block_bytes_;
  int64_t tile_bytes_;
  int64_t others_;
  const uint8_t* tile_;
  const uint8_t* data_ = nullptr;
  const uint8_t* first_cache_ = nullptr;
  const uint8_t* second_cache_ = nullptr;
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
  RawSource(const Matrix& matrix, int64_t tile, int64_t /*together*/ = 1)
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
