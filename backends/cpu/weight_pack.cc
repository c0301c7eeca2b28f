// Packing of weights: each byte is read once and written once.
#include "cpu/weight_pack.h"

#include <cstring>

#include "cpu/tile_rows.h"

namespace baleen::cpu {
namespace {

constexpr uint64_t kAlign = 64;
constexpr uint64_t kExpertAlign = 4096;

constexpr uint64_t AlignUp(uint64_t bytes, uint64_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

uint64_t RawBytes(const Matrix& matrix) {
  return static_cast<uint64_t>(matrix.rows * matrix.row_bytes);
}

uint64_t TileBytes(const Matrix& matrix) {
  return static_cast<uint64_t>(TilesOf(matrix.rows) * PackedTileBytes(matrix));
}

uint64_t Fp8ScaleBytes(const Matrix& matrix) {
  const int64_t rows =
      (matrix.rows + matrix.block_rows - 1) / matrix.block_rows;
  return static_cast<uint64_t>(rows * matrix.row_scales *
                               (matrix.float_scales ? 4 : 1));
}

// Vectors of 16 dwords from 16 rows of `bytes`.  Row after row: rows that are a
// power of two apart would push each other out of the cache.
void Interleave(const RowBytes& rows, int64_t bytes, uint8_t* to) {
  for (int64_t i = 0; i < kTileRows; ++i) {
    for (int64_t at = 0; at < bytes; at += 4) {
      std::memcpy(to + at / 4 * kVector + i * 4,
                  rows.data + i * rows.stride + at, 4);
    }
  }
}

// `size` bytes at `from`, and zeros up to `whole`.
void CopyAndFill(const uint8_t* from, uint64_t size, uint64_t whole,
                 uint8_t* to) {
  if (size != 0) std::memcpy(to, from, size);
  std::memset(to + size, 0, whole - size);
}

}  // namespace

uint64_t BlobBytes(baleen_weight_kind kind, const Matrix& matrix) {
  if (!IsPackedKind(kind)) return AlignUp(RawBytes(matrix), kAlign);
  uint64_t bytes = TileBytes(matrix);
  if (matrix.type == MatrixType::kFp8) bytes += Fp8ScaleBytes(matrix);
  return AlignUp(bytes, kAlign);
}

uint64_t PlaceAfter(baleen_weight_kind kind, const Matrix& matrix, uint32_t i,
                    uint64_t place) {
  place += BlobBytes(kind, matrix);
  const bool ends_expert = kind == BALEEN_WEIGHT_EXPERTS && i % 3 == 2;
  return ends_expert ? AlignUp(place, kExpertAlign) : place;
}

void PackMatrix(const Matrix& raw, baleen_weight_kind kind, uint8_t* to) {
  if (!IsPackedKind(kind)) {
    CopyAndFill(raw.data, RawBytes(raw), BlobBytes(kind, raw), to);
    return;
  }
  const int64_t row_block = RowBlockBytes(raw.type);
  const int64_t block_bytes = PackedBlockBytes(raw.type);
  CopiedBlock copy;
  uint8_t* at = to;
  for (int64_t tile = 0; tile < TilesOf(raw.rows); ++tile) {
    for (int64_t block = 0; block < BlocksOf(raw.columns); ++block) {
      Interleave(BlockRows(raw, tile, block, &copy), row_block, at);
      if (raw.type == MatrixType::kFp4) {
        Interleave(Fp4ScaleRows(raw, tile, block, &copy), kFp4Groups,
                   at + block_bytes - kVector);
      }
      at += block_bytes;
    }
  }
  if (raw.type != MatrixType::kFp8) return;
  CopyAndFill(raw.scales, Fp8ScaleBytes(raw),
              BlobBytes(kind, raw) - TileBytes(raw), at);
}

Matrix PackedMatrix(const Matrix& shape, baleen_weight_kind kind,
                    const uint8_t* data) {
  Matrix matrix = shape;
  matrix.data = data;
  if (!IsPackedKind(kind)) return matrix;
  matrix.packed = true;
  matrix.scales =
      shape.type == MatrixType::kFp8 ? data + TileBytes(shape) : nullptr;
  return matrix;
}

}  // namespace baleen::cpu
