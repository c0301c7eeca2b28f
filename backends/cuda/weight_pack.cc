// Packing: bytes move, and pairs of e2m1, and signs from scales to codes; no
// number changes.
#include "cuda/weight_pack.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cuda/device.h"
#include "numeric/e8m0.h"

namespace baleen::cuda {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 40;

const char* MatrixError(const baleen_tensor& tensor, bool needs_data) {
  if (tensor.rank != 2) return "a matrix of a weight has not two dimensions";
  if (tensor.size[0] < 0 || tensor.size[1] < 0 ||
      (tensor.size[1] != 0 &&
       tensor.size[0] > kMostElements / tensor.size[1])) {
    return "a matrix of a weight has an impossible size";
  }
  if (tensor.stride[1] != 1 || tensor.stride[0] != tensor.size[1]) {
    return "a matrix of a weight is not contiguous";
  }
  if (needs_data && tensor.data == nullptr) {
    return "a matrix of a weight has no data";
  }
  if (tensor.type == BALEEN_TYPE_BF16) return nullptr;
  if (tensor.type != BALEEN_TYPE_F8_E4M3 &&
      tensor.type != BALEEN_TYPE_F4_E2M1) {
    return "a matrix of a weight is of a type that has no products here";
  }
  if (needs_data && tensor.scales == nullptr) {
    return "a matrix of a weight has no scales";
  }
  if (tensor.type == BALEEN_TYPE_F4_E2M1) {
    return tensor.size[1] % 2 == 0 && tensor.block_rows == 1 &&
                   tensor.block_columns == kFp4Group &&
                   tensor.scale_type == BALEEN_TYPE_E8M0
               ? nullptr
               : "4-bit numbers must have an e8m0 scale for each 32 of a row";
  }
  const bool known = tensor.scale_type == BALEEN_TYPE_E8M0 ||
                     tensor.scale_type == BALEEN_TYPE_F32;
  return known && tensor.block_rows != 0 &&
                 tensor.block_rows % kTileRows == 0 &&
                 tensor.block_columns != 0 &&
                 tensor.block_columns % kBlockColumns == 0
             ? nullptr
             : "scales of 8-bit numbers must be of blocks of 16 rows and 128 "
               "columns, or of several";
}

// kCount bytes of row `row` from byte `at`; zeros where there are none.
template <int64_t kCount>
void CopyRow(const baleen_tensor& tensor, int64_t row_bytes, int64_t row,
             int64_t at, uint8_t* to) {
  if (row >= tensor.size[0] || at >= row_bytes) {
    std::memset(to, 0, kCount);
    return;
  }
  const uint8_t* const from =
      static_cast<const uint8_t*>(tensor.data) + row * row_bytes + at;
  if (at + kCount <= row_bytes) {
    std::memcpy(to, from, kCount);
  } else {
    std::memset(to, 0, kCount);
    std::memcpy(to, from, static_cast<size_t>(row_bytes - at));
  }
}

// The low half of each byte, one after another.
uint32_t LowHalves(uint32_t word) {
  word &= 0x0F0F0F0Fu;
  word = (word | word >> 4) & 0x00FF00FFu;
  return (word | word >> 8) & 0xFFFFu;
}

// Eight e2m1 in the order of a row to pairs 16 bits apart.
uint32_t SpreadPairs(const uint8_t bytes[4]) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return LowHalves(word) | LowHalves(word >> 4) << 16;
}

// Experts are packed while a step waits for them: the sizes of copies are known
// to the compiler.
template <int32_t kType>
void PackBlockOf(const baleen_tensor& tensor, int64_t tile, int64_t block,
                 uint8_t* to) {
  const int64_t row_bytes = kType == kBf16  ? tensor.size[1] * 2
                            : kType == kFp8 ? tensor.size[1]
                                            : tensor.size[1] / 2;
  constexpr int64_t kEight = kType == kBf16 ? 16 : kType == kFp8 ? 8 : 4;
  for (int64_t part = 0; part < kBlockColumns / 32; ++part) {
    for (int64_t lane = 0; lane < 32; ++lane) {
      const int64_t at =
          (block * (kBlockColumns / 8) + part * 4 + lane % 4) * kEight;
      for (int64_t half = 0; half < 2; ++half) {
        uint8_t bytes[16];
        CopyRow<kEight>(tensor, row_bytes,
                        tile * kTileRows + lane / 4 + half * 8, at, bytes);
        if constexpr (kType == kBf16) {
          std::memcpy(to + ((part * 2 + half) * 32 + lane) * 16, bytes, 16);
        } else if constexpr (kType == kFp8) {
          std::memcpy(to + (part * 32 + lane) * 16 + half * 8, bytes, 8);
        } else {
          const uint32_t word = SpreadPairs(bytes);
          std::memcpy(
              to + (part / 2 * 32 + lane) * 16 + part % 2 * 8 + half * 4, &word,
              sizeof(word));
        }
      }
    }
  }
}

void PackBlock(const baleen_tensor& tensor, int32_t type, int64_t tile,
               int64_t block, uint8_t* to) {
  switch (type) {
    case kBf16:
      return PackBlockOf<kBf16>(tensor, tile, block, to);
    case kFp8:
      return PackBlockOf<kFp8>(tensor, tile, block, to);
    default:
      return PackBlockOf<kFp4>(tensor, tile, block, to);
  }
}

// The scale of a raw matrix for the block that holds row and column.
float Fp8Scale(const baleen_tensor& tensor, int64_t row, int64_t column) {
  const int64_t in_row =
      (tensor.size[1] + tensor.block_columns - 1) / tensor.block_columns;
  const int64_t at =
      row / tensor.block_rows * in_row + column / tensor.block_columns;
  const uint8_t* scales = static_cast<const uint8_t*>(tensor.scales);
  if (tensor.scale_type == BALEEN_TYPE_E8M0) return E8m0ToFloat(scales[at]);
  float scale;
  std::memcpy(&scale, scales + at * 4, sizeof(scale));
  return scale;
}

// Of a block of 2048 codes: negative scales become signs of codes, and the sign
// of a scale says whether the codes of NaN are among them (layout.h).
float SignFp8Block(float scale, uint8_t* codes) {
  bool has_nan = false;
  for (int64_t i = 0; i < BlockBytes(kFp8); ++i) {
    if (scale < 0) codes[i] ^= 0x80;
    has_nan = has_nan || (codes[i] & 0x7F) == 0x7F;
  }
  const float magnitude = std::fabs(scale);
  return has_nan ? -magnitude : magnitude;
}

void PackScales(const baleen_tensor& tensor, int32_t type, int64_t tile,
                int64_t block, uint8_t* data, uint8_t* to) {
  if (type == kFp8) {
    const float scale = SignFp8Block(
        Fp8Scale(tensor, tile * kTileRows, block * kBlockColumns), data);
    std::memcpy(to, &scale, sizeof(scale));
    return;
  }
  constexpr int64_t kGroups = kBlockColumns / kFp4Group;
  const int64_t in_row = (tensor.size[1] + kFp4Group - 1) / kFp4Group;
  for (int64_t row = 0; row < kTileRows; ++row) {
    for (int64_t group = 0; group < kGroups; ++group) {
      const int64_t at_row = tile * kTileRows + row;
      const int64_t at = block * kGroups + group;
      const bool there = at_row < tensor.size[0] && at < in_row;
      to[row * kGroups + group] =
          there
              ? static_cast<const uint8_t*>(tensor.scales)[at_row * in_row + at]
              : uint8_t{127};
    }
  }
}

}  // namespace

const char* SourceError(const baleen_weight_source& source, bool needs_data) {
  if (source.struct_size < sizeof(baleen_weight_source) ||
      source.tensors == nullptr || source.tensor_count == 0) {
    return "a weight of no tensors";
  }
  const baleen_tensor* tensors = source.tensors;
  for (uint32_t i = 0; i < source.tensor_count; ++i) {
    const char* error = MatrixError(tensors[i], needs_data);
    if (error != nullptr) return error;
  }
  if (source.kind == BALEEN_WEIGHT_LINEAR) {
    for (uint32_t i = 1; i < source.tensor_count; ++i) {
      if (tensors[i].size[1] != tensors[0].size[1]) {
        return "the matrices of a weight differ in their inner size";
      }
    }
    return nullptr;
  }
  if (source.kind == BALEEN_WEIGHT_GROUPED) {
    return source.tensor_count == 1 ? nullptr : "a weight is not one matrix";
  }
  if (source.kind == BALEEN_WEIGHT_TABLE) {
    return source.tensor_count == 1 && tensors[0].type == BALEEN_TYPE_BF16
               ? nullptr
               : "a table is not one matrix of bf16";
  }
  if (source.kind != BALEEN_WEIGHT_EXPERTS) return "a weight of no known kind";
  if (source.tensor_count % 3 != 0) return "experts are not threes";
  for (uint32_t i = 0; i < source.tensor_count; i += 3) {
    const baleen_tensor* expert = tensors + i;
    // The shared expert, the last, may be of another type.
    const baleen_tensor* like = i + 3 < source.tensor_count ? tensors : expert;
    for (int j = 0; j < 3; ++j) {
      if (expert[j].size[0] != tensors[j].size[0] ||
          expert[j].size[1] != tensors[j].size[1]) {
        return "the experts of a weight differ in size";
      }
      if (expert[j].type != like[j].type) {
        return "the experts of a weight differ in type";
      }
    }
    if (expert[1].type != expert[0].type ||
        expert[1].size[0] != expert[0].size[0] ||
        expert[1].size[1] != expert[0].size[1] ||
        expert[2].size[0] != expert[0].size[1] ||
        expert[2].size[1] != expert[0].size[0]) {
      return "the matrices of an expert do not fit each other";
    }
  }
  return nullptr;
}

Matrix MatrixOf(const baleen_tensor& tensor) {
  Matrix matrix = {};
  matrix.type = tensor.type == BALEEN_TYPE_BF16      ? kBf16
                : tensor.type == BALEEN_TYPE_F8_E4M3 ? kFp8
                                                     : kFp4;
  matrix.rows = static_cast<int32_t>(tensor.size[0]);
  matrix.columns = static_cast<int32_t>(tensor.size[1]);
  return matrix;
}

int64_t PackedBytes(baleen_weight_kind kind, const baleen_tensor& tensor) {
  const Matrix matrix = MatrixOf(tensor);
  if (kind == BALEEN_WEIGHT_TABLE) {
    return RoundUp(int64_t{matrix.rows} * matrix.columns * 2, 256);
  }
  return MatrixBytes(matrix.type, matrix.rows, matrix.columns);
}

void PackTiles(const baleen_tensor& tensor, int64_t first, int64_t end,
               uint8_t* to) {
  const Matrix matrix = MatrixOf(tensor);
  const int64_t blocks = BlocksOf(matrix.columns);
  const int64_t block_bytes = BlockBytes(matrix.type);
  const int64_t scale_bytes = BlockScaleBytes(matrix.type);
  uint8_t* const scales =
      to + DataBytes(matrix.type, matrix.rows, matrix.columns);
  for (int64_t tile = first; tile < end; ++tile) {
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t at = tile * blocks + block;
      PackBlock(tensor, matrix.type, tile, block, to + at * block_bytes);
      if (scale_bytes == 0) continue;
      PackScales(tensor, matrix.type, tile, block, to + at * block_bytes,
                 scales + at * scale_bytes);
    }
  }
}

namespace {

// Tiles that one task packs: 1 MB of a matrix of bf16 with 4096 columns.
constexpr int64_t kTaskTiles = 8;

struct PackTask {
  const baleen_tensor* tensor;
  int64_t tiles;
  uint8_t* to;
};

void RunPackTask(void* data, uint32_t index) {
  const PackTask& task = *static_cast<const PackTask*>(data);
  const int64_t first = int64_t{index} * kTaskTiles;
  PackTiles(*task.tensor, first, std::min(first + kTaskTiles, task.tiles),
            task.to);
}

}  // namespace

void PackMatrix(const Device& device, baleen_weight_kind kind,
                const baleen_tensor& tensor, uint8_t* to) {
  const auto packed_bytes = static_cast<size_t>(PackedBytes(kind, tensor));
  const Matrix matrix = MatrixOf(tensor);
  if (kind == BALEEN_WEIGHT_TABLE) {
    const size_t bytes = static_cast<size_t>(matrix.rows) *
                         static_cast<size_t>(matrix.columns) * 2;
    if (bytes != 0) std::memcpy(to, tensor.data, bytes);
    std::memset(to + bytes, 0, packed_bytes - bytes);
    return;
  }
  PackTask task = {&tensor, TilesOf(matrix.rows), to};
  const auto used = static_cast<size_t>(
      DataBytes(matrix.type, matrix.rows, matrix.columns) +
      task.tiles * BlocksOf(matrix.columns) * BlockScaleBytes(matrix.type));
  std::memset(to + used, 0, packed_bytes - used);
  const baleen_workers& workers = *device.host().workers;
  const int64_t tasks = (task.tiles + kTaskTiles - 1) / kTaskTiles;
  if (tasks == 0) return;
  workers.run(workers.user_data, static_cast<uint32_t>(tasks), RunPackTask,
              &task);
}

}  // namespace baleen::cuda
