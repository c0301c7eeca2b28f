// What DeepSeek-V3.2 keeps and computes for a token of a long context, by its
// published shapes: what V4 is compared with (model.md §15.2, §15.3).
//
// 61 layers, of them 58 with experts; latent attention (512 + 64 values a
// position) absorbed into queries and output; 2048 positions chosen by an
// indexer of 64 heads of 128 that scores them all, in FP8.
#pragma once

#include <cstdint>

namespace baleen::published {

// Operations of a token, by the format of the wider factor.
struct Operations {
  double fp4 = 0;
  double fp8 = 0;
  double bf16 = 0;  // And f32.

  // As many in FP8 as take as long: FP4 is twice as fast, BF16 half as fast.
  double InFp8() const { return fp4 / 2 + fp8 + 2 * bf16; }
};

// An entry (512 e4m3, 4 scales of f32, 64 bf16) and an indexer key (128 e4m3, a
// scale of f32) in each layer.
inline constexpr double kV32BytesPerToken = 61.0 * (656 + 132);

// Of one decoded token that sees `context` positions; each multiplication and
// addition is two.
inline Operations V32Operations(double context) {
  constexpr double kHidden = 7168;
  constexpr double kLayers = 61;
  constexpr double kDense = 3;
  constexpr double kHeads = 128;
  constexpr double kQueries = 1536 * kHidden + kHeads * (128 + 64) * 1536;
  constexpr double kKeys = (512 + 64) * kHidden + kHeads * (128 + 128) * 512;
  constexpr double kOutput = kHidden * kHeads * 128;
  constexpr double kIndexer = 64 * 128 * 1536 + 128 * kHidden;
  constexpr double kExperts = (8 + 1) * 3 * 2048 * kHidden;
  constexpr double kDenseInner = 3 * 18432 * kHidden;
  Operations sum;
  sum.fp8 = 2 * (kLayers * (kQueries + kKeys + kOutput + kIndexer) +
                 kDense * kDenseInner + (kLayers - kDense) * kExperts);
  // Head, gates, weights of the indexer's heads.
  sum.bf16 = 2 * kHidden * (129280 + (kLayers - kDense) * 256 + kLayers * 64);
  // Scores and sums of the chosen positions.
  const double chosen = context < 2048 ? context : 2048;
  sum.bf16 += 2 * kLayers * kHeads * chosen * (576 + 512);
  sum.fp8 += 2 * kLayers * context * 64 * 128;
  return sum;
}

}  // namespace baleen::published
