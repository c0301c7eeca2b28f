// Products in the order of the reference: column after column, each weight times
// its scale before it meets an activation (reference/matrix.h).
//
// All of reference mode's products come from here, so that a key, on which 128
// and more tokens depend, has the same bits on every processor; fast mode has
// these where there is nothing better.  Written in the compiler's own vectors.
// The file that includes this has defined kVectorBytes before and is compiled for
// its instruction set; all is in an unnamed namespace, so that each has its own.
//
// A weight of a block is decoded once for all activation rows, into floats of 16
// rows side by side: 8 KiB, which stay in the first cache.
#include <cstring>

#include "cpu/product.h"
#include "cpu/tile_rows.h"
#include "cpu/unroll.h"
#include "numeric/bf16.h"

namespace baleen::cpu {
namespace {

using Floats = float __attribute__((vector_size(kVectorBytes)));
using Ints = int32_t __attribute__((vector_size(kVectorBytes)));
constexpr int kLanes = kVectorBytes / 4;
constexpr int kTileVectors = static_cast<int>(kTileRows) / kLanes;
// Activation rows together: eight vectors of sums, so that none waits.
constexpr int kRowsTogether = kLanes / 2;

// The weights of a block, by column and lane.
struct DecodedBlock {
  alignas(64) float at[kBlock][kTileRows];
};

// A block of 16 rows as packed_layout.h has it.
struct TileBlock {
  const uint8_t* data;
  const uint8_t* scales;  // Four fp4 scales of each row.
};

struct BlockBuffer {
  CopiedBlock copy;
  alignas(64) uint8_t data[kTileRows * kBlock * 2];
  alignas(64) uint8_t scales[kVector];
};

// Dwords of 16 rows, side by side.
inline void Interleave(const RowBytes& rows, int64_t bytes, uint8_t* to) {
  for (int64_t row = 0; row < kTileRows; ++row) {
    const uint8_t* from = rows.data + row * rows.stride;
    for (int64_t at = 0; at < bytes; at += 4) {
      std::memcpy(to + at / 4 * kVector + row * 4, from + at, 4);
    }
  }
}

TileBlock BlockOf(const Matrix& matrix, int64_t tile, int64_t block,
                  BlockBuffer* buffer) {
  const int64_t block_bytes = PackedBlockBytes(matrix.type);
  if (matrix.packed) {
    const uint8_t* data =
        matrix.data + tile * PackedTileBytes(matrix) + block * block_bytes;
    return {data, data + block_bytes - kVector};
  }
  Interleave(BlockRows(matrix, tile, block, &buffer->copy),
             RowBlockBytes(matrix.type), buffer->data);
  if (matrix.type == MatrixType::kFp4) {
    Interleave(Fp4ScaleRows(matrix, tile, block, &buffer->copy), kFp4Groups,
               buffer->scales);
  }
  return {buffer->data, buffer->scales};
}

BALEEN_ALWAYS_INLINE inline Ints LoadDwords(const uint8_t* data) {
  Ints dwords;
  std::memcpy(&dwords, data, sizeof(dwords));
  return dwords;
}

BALEEN_ALWAYS_INLINE inline Floats AsFloats(Ints bits) {
  return reinterpret_cast<Floats>(bits);
}

// The values of e4m3 codes (model.md §3.2).
BALEEN_ALWAYS_INLINE inline Floats Fp8Values(Ints codes) {
  const Ints magnitude = codes & 127;
  const Ints small = reinterpret_cast<Ints>(
      __builtin_convertvector(magnitude, Floats) * 0.001953125f);  // 2^-9
  Ints bits = magnitude < 8 ? small : (magnitude << 20) + (120 << 23);
  bits = magnitude == 127 ? small * 0 + 0x7FC00000 : bits;
  return AsFloats(bits | (codes & 128) << 24);
}

// The values of e2m1 codes (model.md §3.3).
BALEEN_ALWAYS_INLINE inline Floats Fp4Values(Ints codes) {
  const Ints magnitude = codes & 7;
  const Ints small = magnitude * (126 << 23);  // 0 or 1/2
  const Ints bits = magnitude < 2 ? small : (magnitude << 22) + (126 << 23);
  return AsFloats(bits | (codes & 8) << 28);
}

// decode(dwords) for each vector of a row of dwords, of which there are `count`.
template <typename Decode>
BALEEN_ALWAYS_INLINE inline void ForDwords(const TileBlock& from, int64_t count,
                                           const Decode& decode) {
  for (int64_t at = 0; at < count; ++at) {
    for (int v = 0; v < kTileVectors; ++v) {
      decode(LoadDwords(from.data + at * kVector + v * kVectorBytes), at,
             v * kLanes);
    }
  }
}

BALEEN_ALWAYS_INLINE inline void StoreFloats(float* to, Floats values) {
  std::memcpy(to, &values, sizeof(values));
}

void DecodeBf16(const TileBlock& from, DecodedBlock* to) {
  ForDwords(from, kBlock / 2, [&](Ints dwords, int64_t at, int lane) {
    StoreFloats(&to->at[at * 2][lane], AsFloats(dwords << 16));
    StoreFloats(&to->at[at * 2 + 1][lane], AsFloats(dwords & -65536));
  });
}

void DecodeFp8(const TileBlock& from, const float* scales, DecodedBlock* to) {
  ForDwords(from, kBlock / 4, [&](Ints dwords, int64_t at, int lane) {
    Floats scale;
    std::memcpy(&scale, scales + lane, sizeof(scale));
    Unroll<4>([&](auto i) BALEEN_ALWAYS_INLINE {
      StoreFloats(&to->at[at * 4 + i][lane],
                  Fp8Values(dwords >> (8 * i) & 255) * scale);
    });
  });
}

void DecodeFp4(const TileBlock& from, DecodedBlock* to) {
  alignas(64) float scales[kFp4Groups][kTileRows];
  for (int64_t lane = 0; lane < kTileRows; ++lane) {
    for (int64_t group = 0; group < kFp4Groups; ++group) {
      scales[group][lane] = E8m0ToFloat(from.scales[lane * 4 + group]);
    }
  }
  ForDwords(from, kBlock / 8, [&](Ints dwords, int64_t at, int lane) {
    Floats scale;
    std::memcpy(&scale, &scales[at * 8 / kFp4Group][lane], sizeof(scale));
    Unroll<8>([&](auto i) BALEEN_ALWAYS_INLINE {
      StoreFloats(&to->at[at * 8 + i][lane],
                  Fp4Values(dwords >> (4 * i) & 15) * scale);
    });
  });
}

void DecodeBlock(const Matrix& matrix, int64_t tile, int64_t block,
                 BlockBuffer* buffer, DecodedBlock* to) {
  const TileBlock from = BlockOf(matrix, tile, block, buffer);
  switch (matrix.type) {
    case MatrixType::kBf16:
      return DecodeBf16(from, to);
    case MatrixType::kFp8: {
      float scales[kTileRows];
      Fp8TileScales(matrix, tile, block, scales);
      return DecodeFp8(from, scales, to);
    }
    case MatrixType::kFp4:
      return DecodeFp4(from, to);
  }
}

// Adds a block to the sums of kRows rows.  A product is rounded before it is
// added, as the reference does, which matters for scales that are no powers of
// two; all other products are exact.
template <int kRows>
void AddRows(const DecodedBlock& block, const uint8_t* const* packed,
             int64_t offset, float (*sums)[kTileRows]) {
  Floats lanes[kRows][kTileVectors];
  const float* activations[kRows];
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    std::memcpy(lanes[r], sums[r], sizeof(lanes[r]));
    activations[r] = reinterpret_cast<const float*>(packed[r] + offset);
  });
  for (int64_t k = 0; k < kBlock; ++k) {
    Floats weights[kTileVectors];
    std::memcpy(weights, block.at[k], sizeof(weights));
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      Unroll<kTileVectors>([&](auto v) BALEEN_ALWAYS_INLINE {
        lanes[r][v] += weights[v] * activations[r][k];
      });
    });
  }
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    std::memcpy(sums[r], lanes[r], sizeof(lanes[r]));
  });
}

void MultiplyOrdered(const Matrix& matrix, int64_t first, int64_t count,
                     const uint8_t* const* packed, int64_t rows, float* out,
                     int64_t out_stride) {
  const int64_t end = first + count;
  BlockBuffer buffer;
  DecodedBlock decoded;
  for (int64_t at = first; at < end;) {
    const int64_t tile = at / kTileRows;
    const int64_t begin = tile * kTileRows;
    const int64_t stop = begin + kTileRows < end ? begin + kTileRows : end;
    alignas(64) float sums[kMostRows][kTileRows] = {};
    for (int64_t b = 0; b < BlocksOf(matrix.columns); ++b) {
      DecodeBlock(matrix, tile, b, &buffer, &decoded);
      const int64_t offset = b * kBlock * 4;
      int64_t r = 0;
      for (; r + kRowsTogether <= rows; r += kRowsTogether) {
        AddRows<kRowsTogether>(decoded, packed + r, offset, sums + r);
      }
      for (; r < rows; ++r) AddRows<1>(decoded, packed + r, offset, sums + r);
    }
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(out + r * out_stride + (at - first), sums[r] + (at - begin),
                  static_cast<size_t>(stop - at) * sizeof(float));
    }
    at = stop;
  }
}

void PackFloats(MatrixType, const uint16_t* values, int64_t count,
                uint8_t* packed) {
  float* to = reinterpret_cast<float*>(packed);
  for (int64_t i = 0; i < count; ++i) to[i] = Bf16ToFloat(values[i]);
  for (int64_t i = count; i < kBlock; ++i) to[i] = 0.0f;
}

int64_t PackedFloats(MatrixType) { return kBlock * 4; }

}  // namespace
}  // namespace baleen::cpu
