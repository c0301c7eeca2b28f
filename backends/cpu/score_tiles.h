// Kernels of the indexer's scores for processors that multiply tiles of bytes.
//
// Sixteen heads, of one row or of several, times the sixteen keys of a group are
// two tile products, so keys are unpacked once for all rows of a task.  Only
// queries and keys whose scales can be shifted into their elements
// (row_kernels.h, "folded") come here, and only such as leave the scales' powers
// of two room: then sums over heads may be taken before the key's scale is put
// in, and the bits are those of the other kernels.
#pragma once

#include <cstdint>

namespace baleen::cpu {

inline constexpr int64_t kTileKeySize = 128;
inline constexpr int64_t kTilePairs = 16;  // Pairs of a row and a head.
inline constexpr int64_t kTileHeads = 4;   // Heads come in fours.

// Codes of scales (e8m0), and magnitudes of weights that are not zero.  With 2^20
// for products of bytes no sum leaves the range of normal numbers, and no bit of
// one that of the others.
inline constexpr int kLeastTileScale = 127 - 32;
inline constexpr int kMostTileScale = 127 + 32;
inline constexpr float kLeastTileWeight = 0x1p-40f;
inline constexpr float kMostTileWeight = 0x1p40f;

// A weight times the query's scale over 4; and -2^23 times that.
struct TileWeight {
  float weight;
  float offset;
};

// Rows of one session.
struct TileRows {
  int64_t rows;
  int64_t heads;              // A multiple of kTileHeads.
  const int8_t* queries;      // [rows * heads, kTileKeySize], then whole tiles
  const TileWeight* weights;  // [rows * heads]
  float* const* scores;       // [rows]: of the first key of the first group
  const int64_t* visible;     // [rows]: keys from there on that are stored
};

struct ScoreTiles {
  // A head's query, e2m1 doubled, as the kernel wants it.  False: another way is
  // to score this row.
  bool (*prepare)(const int8_t* twice, const uint8_t* scales, float weight,
                  int8_t* query, TileWeight* tile_weight);

  // Scores of `count` groups of keys (state.h).  refused[i] says whether group
  // i has scales that cannot be folded: its scores are of no use.
  void (*score)(const TileRows& rows, const uint8_t* const* groups,
                int64_t count, bool* refused);
};

extern const ScoreTiles kAmxScoreTiles;

}  // namespace baleen::cpu
