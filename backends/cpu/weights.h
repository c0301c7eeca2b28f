// Weights as operators of the CPU backend see them.
//
// A weight of raw tensors is a list of matrices that lie where the checkpoint
// has them, one of a blob lies in the blob: nothing is read, copied or converted
// when one is opened.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

namespace baleen::cpu {

enum class MatrixType { kBf16, kFp8, kFp4 };

// A matrix [rows, columns]: row-major and contiguous, or packed as
// packed_layout.h says.
struct Matrix {
  MatrixType type;
  bool float_scales;  // Scales are f32; otherwise e8m0.
  bool packed;
  int64_t rows;
  int64_t columns;
  int64_t block_rows;  // Of a scale; 0 without.
  int64_t block_columns;
  int64_t row_bytes;   // Before packing.
  int64_t row_scales;  // Scales in a row of blocks.
  const uint8_t* data;
  const uint8_t* scales;  // NULL for packed fp4: they are among the data.
};

struct Weight {
  baleen_device* device;
  baleen_weight_kind kind;
  uint32_t count;
  // `count` matrices follow.
  const Matrix* matrices() const {
    return reinterpret_cast<const Matrix*>(this + 1);
  }
};

inline const Weight* FromHandle(const baleen_weight* weight) {
  return reinterpret_cast<const Weight*>(weight);
}

const char* WeightLayout(baleen_device* device);
baleen_status WeightSize(baleen_device* device,
                         const baleen_weight_source* source, uint64_t* bytes);
baleen_status WeightPack(baleen_device* device,
                         const baleen_weight_source* source, uint32_t first,
                         uint32_t count, void* blob);
baleen_status WeightOpen(baleen_device* device,
                         const baleen_weight_source* source, const void* blob,
                         baleen_weight** weight);
void WeightClose(baleen_weight* weight);

}  // namespace baleen::cpu
