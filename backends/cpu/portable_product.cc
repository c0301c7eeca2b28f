// Products in plain C++, in loops that any compiler can vectorize.
#include <array>
#include <bit>

#include "cpu/product.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kFp4Group = 32;  // Columns of a scale; weights.cc sees to it.

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

// `count` columns from `first` of a weight row, with their scales; zeros up to a
// block.
void DecodeBlock(const Matrix& matrix, int64_t row, int64_t first,
                 const float* scales, float* weights) {
  const int64_t rest = matrix.columns - first;
  const int64_t count = rest < kBlock ? rest : kBlock;
  const uint8_t* data = matrix.data + row * matrix.row_bytes;
  switch (matrix.type) {
    case MatrixType::kBf16:
      for (int64_t i = 0; i < count; ++i) {
        uint16_t bits;
        std::memcpy(&bits, data + (first + i) * 2, sizeof(bits));
        weights[i] = Bf16ToFloat(bits);
      }
      break;
    case MatrixType::kFp8: {
      const float scale = scales[first / kBlock];
      for (int64_t i = 0; i < count; ++i) {
        weights[i] = kFp8Table[data[first + i]] * scale;
      }
      break;
    }
    case MatrixType::kFp4: {
      const uint8_t* codes = matrix.scales + row * matrix.row_scales;
      const uint8_t* bytes = data + first / 2;
      for (int64_t i = 0; i < count; i += 2) {
        const float scale = E8m0ToFloat(codes[(first + i) / kFp4Group]);
        weights[i] = kFp4Table[bytes[i / 2] & 15] * scale;
        weights[i + 1] = kFp4Table[bytes[i / 2] >> 4] * scale;
      }
      break;
    }
  }
  for (int64_t i = count; i < kBlock; ++i) weights[i] = 0.0f;
}

void AddBlock(const float* weights, const uint8_t* packed, float* lanes) {
  const float* activations = reinterpret_cast<const float*>(packed);
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += weights[i + lane] * activations[i + lane];
    }
  }
}

float SumLanes(float* lanes) {
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

void Multiply(Product, const Matrix& matrix, int64_t first, int64_t count,
              const uint8_t* const* packed, int rows, float* out,
              int64_t out_stride) {
  float scales[kMostBlocks];
  for (int64_t n = 0; n < count; ++n) {
    if (matrix.type == MatrixType::kFp8) {
      BlockScales(matrix, first + n, scales);
    }
    float lanes[kMostRows][kLanes] = {};
    for (int64_t b = 0; b < BlocksOf(matrix.columns); ++b) {
      float weights[kBlock];
      DecodeBlock(matrix, first + n, b * kBlock, scales, weights);
      for (int r = 0; r < rows; ++r) {
        AddBlock(weights, packed[r] + b * kBlock * 4, lanes[r]);
      }
    }
    for (int r = 0; r < rows; ++r) {
      out[r * out_stride + n] = SumLanes(lanes[r]);
    }
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
