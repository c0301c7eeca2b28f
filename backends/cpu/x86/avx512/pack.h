// Packing of activations for the kernels of AVX-512 and AMX.
#pragma once

#include "cpu/x86/avx512/tile_weights.h"

namespace baleen::cpu {
namespace {

template <typename Weights>
void PackBf16(const uint16_t* values, int64_t count, uint8_t* packed) {
  uint16_t* to = reinterpret_cast<uint16_t*>(packed);
  for (int64_t i = 0; i < kBlock; ++i) {
    to[Weights::PlaceOf(i)] = i < count ? values[i] : uint16_t{0};
  }
}

void Pack(MatrixType type, const uint16_t* values, int64_t count,
          uint8_t* packed) {
  switch (type) {
    case MatrixType::kBf16:
      return PackBf16<Bf16Weights>(values, count, packed);
    case MatrixType::kFp8:
      return PackBf16<Fp8Weights>(values, count, packed);
    case MatrixType::kFp4:
      return PackInt8Block(values, count, packed);
  }
}

int64_t PackedBlock(MatrixType type) {
  return type == MatrixType::kFp4 ? kInt8Bytes : kBf16Bytes;
}

}  // namespace
}  // namespace baleen::cpu
