// The tile registers of AMX, and what is loaded into them.
#pragma once

#include "cpu/x86/avx512/tile_weights.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kRegisterRows = 16;
constexpr int64_t kPartTiles = 2;  // Weight tiles decoded at once.

// How the registers are used: 0 to 3 sums of two groups of activation rows by
// two tiles of weights; 4 and 5 activations of each group; 6 and 7 weights.
struct alignas(64) Configuration {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// GCC 12 does not know that loads of tile registers read memory: what was
// written before must be there.
inline void FinishWrites() { __asm__ volatile("" : : : "memory"); }

class Registers {
 public:
  Registers() = default;
  ~Registers() {
    if (first_ != 0) _tile_release();
  }
  Registers(const Registers&) = delete;
  Registers& operator=(const Registers&) = delete;

  // For groups of `first` and `second` activation rows; `int8`: of 32 bytes.
  void Configure(int64_t first, int64_t second, bool int8) {
    const int64_t other = second == 0 ? first : second;
    if (first == first_ && other == second_) return;
    first_ = first;
    second_ = other;
    Configuration configuration{};
    configuration.palette = 1;
    const auto set = [&](int i, int64_t rows, int64_t bytes) {
      configuration.rows[i] = static_cast<uint8_t>(rows);
      configuration.row_bytes[i] = static_cast<uint16_t>(bytes);
    };
    for (int i = 0; i < 2; ++i) {
      set(i, first, 64);
      set(2 + i, other, 64);
      set(6 + i, int8 ? 8 : 16, 64);
    }
    set(4, first, int8 ? 32 : 64);
    set(5, other, int8 ? 32 : 64);
    FinishWrites();
    _tile_loadconfig(&configuration);
  }

 private:
  int64_t first_ = 0;
  int64_t second_ = 0;
};

// Rows of activations that lie at equal distances.
struct ActivationGroup {
  const uint8_t* data;
  int64_t stride;
  int64_t rows;
};

// What is different with int8.
template <typename Weights>
struct Steps {
  static constexpr bool kInt8 = Weights::kType == MatrixType::kFp4;
  static constexpr int64_t kVectors = kInt8 ? 8 : 16;  // Of a register.
  static constexpr int64_t kBytes = kInt8 ? 32 : 64;   // Of an activation row.
  // Registers of a block, and how many of them are added up in one sum.
  static constexpr int64_t kCount = kBlockVectors<Weights> / kVectors;
  static constexpr int64_t kRun = kInt8 ? 1 : kCount;
  static constexpr int64_t kBlockBytes = kInt8 ? kInt8Bytes : kBf16Bytes;
};

// One or two tiles of a range of weight rows, and the lanes of each.
struct Part {
  const Matrix& matrix;
  int64_t first_tile;
  int64_t tiles;
  Lanes lanes[kPartTiles];
};

// Rows [row, row + rows) where they lie, or a copy of their block where they do
// not lie at equal distances.
template <typename Weights>
class GroupSource {
 public:
  GroupSource(const uint8_t* const* packed, int64_t rows) : packed_(packed) {
    stride_ = rows > 1 ? packed[1] - packed[0] : 0;
    for (int64_t i = 2; i < rows; ++i) {
      even_ = even_ && packed[i] - packed[i - 1] == stride_;
    }
  }
  ActivationGroup Of(int64_t row, int64_t rows, int64_t block, int which) {
    if (even_) return {packed_[row], stride_, rows};
    constexpr int64_t kBytes = Steps<Weights>::kBlockBytes;
    for (int64_t i = 0; i < rows; ++i) {
      std::memcpy(copy_[which] + i * kBytes, packed_[row + i] + block * kBytes,
                  static_cast<size_t>(kBytes));
    }
    return {copy_[which] - block * kBytes, kBytes, rows};
  }

 private:
  const uint8_t* const* packed_;
  int64_t stride_;
  bool even_ = true;
  alignas(64) uint8_t copy_[2][kRegisterRows * Steps<Weights>::kBlockBytes];
};

}  // namespace
}  // namespace baleen::cpu
