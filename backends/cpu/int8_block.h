// Blocks of 128 activations as int8 with a scale for each 32, for fp4 weights
// that are doubled and raised by 12 (numbers of 0 to 24).
//
// A packed block: the codes (each dword four columns that a vector of weights
// meets: the even ones of eight, then the odd ones), minus 12 times the sum of
// each group, the scale of each group; then, as two words, the parts of those
// sums that the lower and the upper words of the dwords have.
//
// Functions are static since files of different instruction sets must not share
// a copy; loops are of 32 so that compilers make vectors of them.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/packed_layout.h"
#include "numeric/bf16.h"

namespace baleen::cpu {

constexpr int kInt8Raise = 12;  // 2 * e2m1 + 12 is not negative.
constexpr int64_t kInt8Sums = 128;
constexpr int64_t kInt8Scales = 144;
constexpr int64_t kInt8WordSums = 160;
constexpr int64_t kInt8Bytes = 192;

// Rounds 32 bf16 values to int8: codes, and the float that they are to be
// multiplied by.  What is not finite makes that NaN.
static inline float RoundToInt8(const uint16_t* values, int8_t* codes) {
  uint16_t most = 0;
  for (int64_t i = 0; i < kFp4Group; ++i) {
    const uint16_t magnitude = values[i] & 0x7FFFu;
    most = magnitude > most ? magnitude : most;
  }
  constexpr uint16_t kInfinity = 0x7F80u;
  constexpr float kMost = 127.0f;
  constexpr float kLeast = 1e-30f;  // Below, 127 / largest could overflow.
  const float largest = Bf16ToFloat(most);
  if (most >= kInfinity || largest < kLeast) {
    std::memset(codes, 0, static_cast<size_t>(kFp4Group));
    return most < kInfinity ? 0.0f : FloatOfBits(0x7FC00000u);
  }
  const float inverse = kMost / largest;
  // Adding 1.5 * 2^23 rounds to an integer, the low byte of the sum.
  constexpr float kRounder = 12582912.0f;
  uint32_t sums[kFp4Group];
  for (int64_t i = 0; i < kFp4Group; ++i) {
    sums[i] = BitsOfFloat(Bf16ToFloat(values[i]) * inverse + kRounder);
  }
  for (int64_t i = 0; i < kFp4Group; ++i) {
    codes[i] = static_cast<int8_t>(static_cast<uint8_t>(sums[i]));
  }
  return largest / kMost;
}

static inline void PackInt8Block(const uint16_t* values, int64_t count,
                                 uint8_t* packed) {
  uint16_t whole[kBlock];
  if (count < kBlock) {
    std::memset(whole, 0, sizeof(whole));
    std::memcpy(whole, values, static_cast<size_t>(count) * sizeof(uint16_t));
    values = whole;
  }
  int32_t sums[kFp4Groups];
  int16_t word_sums[kFp4Groups][2];
  float scales[kFp4Groups];
  for (int64_t g = 0; g < kFp4Groups; ++g) {
    using Codes = int8_t __attribute__((vector_size(kFp4Group)));
    int8_t codes[kFp4Group];
    // Half, because the weights are doubled.
    scales[g] = 0.5f * RoundToInt8(values + g * kFp4Group, codes);
    // Columns 0 to 3 of eight are in lower words, the others in upper ones.
    int32_t by_place[8] = {};
    for (int64_t i = 0; i < kFp4Group; i += 8) {
      for (int64_t j = 0; j < 8; ++j) by_place[j] += codes[i + j];
    }
    const int32_t lower = by_place[0] + by_place[1] + by_place[2] + by_place[3];
    const int32_t upper = by_place[4] + by_place[5] + by_place[6] + by_place[7];
    sums[g] = -kInt8Raise * (lower + upper);
    word_sums[g][0] = static_cast<int16_t>(-kInt8Raise * lower);
    word_sums[g][1] = static_cast<int16_t>(-kInt8Raise * upper);
    Codes columns;
    std::memcpy(&columns, codes, sizeof(columns));
    const Codes arranged = __builtin_shufflevector(
        columns, columns, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15,
        16, 18, 20, 22, 17, 19, 21, 23, 24, 26, 28, 30, 25, 27, 29, 31);
    std::memcpy(packed + g * kFp4Group, &arranged, sizeof(arranged));
  }
  std::memcpy(packed + kInt8Sums, sums, sizeof(sums));
  std::memcpy(packed + kInt8Scales, scales, sizeof(scales));
  std::memcpy(packed + kInt8WordSums, word_sums, sizeof(word_sums));
}

}  // namespace baleen::cpu
