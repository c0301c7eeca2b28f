// Products in plain C++, in loops over the 16 lanes of a tile that any compiler
// can vectorize: each weight of a block is decoded once for all activation rows.
#include <array>
#include <bit>

#include "cpu/product.h"
#include "cpu/tile_rows.h"
#include "numeric/bf16.h"

namespace baleen::cpu {
namespace {

// The values of e4m3 codes.
constexpr std::array<float, 256> MakeFp8Table() {
  std::array<float, 256> table{};
  for (uint32_t code = 0; code < 128; ++code) {
    float value = static_cast<float>(code) * 0.001953125f;  // 2^-9
    if (code >= 8) value = std::bit_cast<float>((code << 20) + (120u << 23));
    if (code == 127) value = std::bit_cast<float>(0x7FC00000u);
    table[code] = value;
    table[code + 128] = -value;
  }
  return table;
}

constexpr std::array<float, 256> kFp8Table = MakeFp8Table();
constexpr float kFp4Table[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,
                                 4.0f,  6.0f,  -0.0f, -0.5f, -1.0f, -1.5f,
                                 -2.0f, -3.0f, -4.0f, -6.0f};

// The bytes of 16 rows, packed or not.
struct TileBytes {
  const uint8_t* data;
  int64_t row_stride;
  int64_t dword_stride;
  uint8_t at(int64_t row, int64_t byte) const {
    return data[row * row_stride + byte / 4 * dword_stride + byte % 4];
  }
};

TileBytes Raw(const RowBytes& rows) { return {rows.data, rows.stride, 4}; }
TileBytes Packed(const uint8_t* data) { return {data, 4, kVector}; }

// The weights of a block, by column and lane.
using DecodedBlock = float[kBlock][kTileRows];

void DecodeBf16(const TileBytes& bytes, DecodedBlock& weights) {
  for (int64_t k = 0; k < kBlock; ++k) {
    for (int64_t lane = 0; lane < kTileRows; ++lane) {
      const uint32_t low = bytes.at(lane, 2 * k);
      const uint32_t high = bytes.at(lane, 2 * k + 1);
      weights[k][lane] = Bf16ToFloat(static_cast<uint16_t>(high << 8 | low));
    }
  }
}

void DecodeFp8(const TileBytes& bytes, const float* scales,
               DecodedBlock& weights) {
  for (int64_t k = 0; k < kBlock; ++k) {
    for (int64_t lane = 0; lane < kTileRows; ++lane) {
      weights[k][lane] = kFp8Table[bytes.at(lane, k)] * scales[lane];
    }
  }
}

void DecodeFp4(const TileBytes& bytes, const TileBytes& scales,
               DecodedBlock& weights) {
  for (int64_t lane = 0; lane < kTileRows; ++lane) {
    for (int64_t k = 0; k < kBlock; k += 2) {
      const float scale = E8m0ToFloat(scales.at(lane, k / kFp4Group));
      const uint8_t byte = bytes.at(lane, k / 2);
      weights[k][lane] = kFp4Table[byte & 15] * scale;
      weights[k + 1][lane] = kFp4Table[byte >> 4] * scale;
    }
  }
}

void DecodeBlock(const Matrix& matrix, int64_t tile, int64_t block,
                 DecodedBlock& weights) {
  CopiedBlock copy;
  const int64_t block_bytes = PackedBlockBytes(matrix.type);
  const uint8_t* packed =
      matrix.data + tile * PackedTileBytes(matrix) + block * block_bytes;
  const TileBytes bytes = matrix.packed
                              ? Packed(packed)
                              : Raw(BlockRows(matrix, tile, block, &copy));
  switch (matrix.type) {
    case MatrixType::kBf16:
      return DecodeBf16(bytes, weights);
    case MatrixType::kFp8: {
      float scales[kTileRows];
      Fp8TileScales(matrix, tile, block, scales);
      return DecodeFp8(bytes, scales, weights);
    }
    case MatrixType::kFp4:
      return DecodeFp4(bytes,
                       matrix.packed
                           ? Packed(packed + block_bytes - kVector)
                           : Raw(Fp4ScaleRows(matrix, tile, block, &copy)),
                       weights);
  }
}

void AddBlock(const DecodedBlock& weights, const uint8_t* packed, float* sums) {
  const float* activations = reinterpret_cast<const float*>(packed);
  float lanes[kTileRows];
  std::memcpy(lanes, sums, sizeof(lanes));
  for (int64_t k = 0; k < kBlock; ++k) {
    for (int64_t lane = 0; lane < kTileRows; ++lane) {
      lanes[lane] += weights[k][lane] * activations[k];
    }
  }
  std::memcpy(sums, lanes, sizeof(lanes));
}

void Multiply(Product, const Matrix& matrix, int64_t first, int64_t count,
              const uint8_t* const* packed, int64_t rows, float* out,
              int64_t out_stride) {
  const int64_t end = first + count;
  for (int64_t at = first; at < end;) {
    const int64_t tile = at / kTileRows;
    const int64_t begin = tile * kTileRows;
    const int64_t stop = begin + kTileRows < end ? begin + kTileRows : end;
    float sums[kMostRows][kTileRows] = {};
    for (int64_t b = 0; b < BlocksOf(matrix.columns); ++b) {
      DecodedBlock weights;
      DecodeBlock(matrix, tile, b, weights);
      for (int64_t r = 0; r < rows; ++r) {
        AddBlock(weights, packed[r] + b * kBlock * 4, sums[r]);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(out + r * out_stride + (at - first), sums[r] + (at - begin),
                  static_cast<size_t>(stop - at) * sizeof(float));
    }
    at = stop;
  }
}

void Pack(Product, const uint16_t* values, int64_t count, uint8_t* packed) {
  float* to = reinterpret_cast<float*>(packed);
  for (int64_t i = 0; i < count; ++i) to[i] = Bf16ToFloat(values[i]);
  for (int64_t i = count; i < kBlock; ++i) to[i] = 0.0f;
}

int64_t PackedBlock(Product) { return kBlock * 4; }

}  // namespace

const ProductKernels kPortableKernels = {"portable", Product::kFp4, PackedBlock,
                                         Pack, Multiply};

}  // namespace baleen::cpu
