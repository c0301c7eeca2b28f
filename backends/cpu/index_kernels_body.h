// The indexer's kernels of row_kernels.h, scores of keys and the search for the
// highest: a part of row_kernels_body.h, which includes this, in terms of the
// same vectors.
#pragma once

#include <cstdint>

#include "cpu/row_kernels.h"

namespace baleen::cpu {
namespace {

// Adds what kHeads heads give the keys from `key` on to their scores.
template <int kHeads>
Floats ScoreHeads(const ScoreQueries& queries, const uint8_t* key_codes,
                  const Floats* key_scales, int64_t head, Floats total) {
  const int64_t runs = queries.size / 8 * 2;
  const int64_t blocks = queries.size / 32;
  Floats products[kHeads];
  BALEEN_UNROLL
  for (int h = 0; h < kHeads; ++h) products[h] = Broadcast(0.0f);
  for (int64_t block = 0; block < blocks; ++block) {
    Ints exact[kHeads];
    BALEEN_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      exact[h] = BroadcastInt(queries.offsets[(head + h) * blocks + block]);
    }
    for (int64_t run = block * 8; run < block * 8 + 8; ++run) {
      const uint8_t* codes = key_codes + run * 64;
      BALEEN_UNROLL
      for (int h = 0; h < kHeads; ++h) {
        exact[h] =
            DotBytes(exact[h], codes, queries.runs[(head + h) * runs + run]);
      }
    }
    BALEEN_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      // Powers of two: the product with the integer is exact.
      const Floats scale =
          Multiply(Broadcast(queries.scales[(head + h) * blocks + block]),
                   key_scales[block]);
      products[h] = Add(products[h], Multiply(ToFloats(exact[h]), scale));
    }
  }
  BALEEN_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    Floats term = products[h];
    if (queries.round) term = RoundBf16(term);
    term = Multiply(Max(term, Broadcast(0.0f)),
                    Broadcast(queries.weights[head + h]));
    if (queries.round) term = RoundBf16(term);
    total = Add(total, term);
  }
  return total;
}

// Puts the differences of a key's scales into its codes, which become
// (2 * e2m1 << difference) + 96, with the least of its scales.  False, and the
// codes as they were, if a key has scales that differ by too much.
bool FoldKeys(int64_t size, const uint8_t* scales, uint8_t* codes,
              uint8_t* least) {
  const int64_t blocks = size / 32;
  uint8_t most[kRowUnit];
  for (int64_t k = 0; k < kRowUnit; ++k) least[k] = most[k] = scales[k];
  for (int64_t block = 1; block < blocks; ++block) {
    const uint8_t* row = scales + block * kRowUnit;
    for (int64_t k = 0; k < kRowUnit; ++k) {
      least[k] = row[k] < least[k] ? row[k] : least[k];
      most[k] = row[k] > most[k] ? row[k] : most[k];
    }
  }
  uint8_t refused = 0;
  for (int64_t k = 0; k < kRowUnit; ++k) {
    const bool fits = least[k] >= kLeastFoldedScale &&
                      most[k] <= kMostFoldedScale &&
                      most[k] - least[k] <= kKeyFold;
    refused = static_cast<uint8_t>(refused | (fits ? 0 : 1));
  }
  if (refused != 0) return false;
  for (int64_t block = 0; block < blocks; ++block) {
    int32_t shifts[kRowUnit];
    for (int64_t k = 0; k < kRowUnit; ++k) {
      shifts[k] = scales[block * kRowUnit + k] - least[k];
    }
    for (int64_t run = block * 8; run < block * 8 + 8; ++run) {
      for (int64_t key = 0; key < kRowUnit; key += kLanes) {
        ShiftCodes(codes + run * 64 + key * 4, shifts + key);
      }
    }
  }
  return true;
}

// As ScoreHeads, of folded queries and keys.
template <int kHeads>
Floats ScoreFoldedHeads(const ScoreQueries& queries, const uint8_t* codes,
                        Floats key_scale, int64_t head, Floats total) {
  const int64_t runs = queries.size / 4;
  const int32_t* rows = queries.folded_runs + head * runs;
  Ints exact[kHeads];
  BALEEN_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    exact[h] = BroadcastInt(queries.folded_offsets[head + h]);
  }
  // Eight at a time, since GCC 12 moves each sum to another register and back
  // in every turn of a loop.
  for (int64_t first = 0; first < runs; first += 8) {
    BALEEN_UNROLL
    for (int64_t run = first; run < first + 8; ++run) {
      BALEEN_UNROLL
      for (int h = 0; h < kHeads; ++h) {
        exact[h] = DotBytes(exact[h], codes + run * 64, rows[h * runs + run]);
      }
    }
  }
  BALEEN_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    Floats term = Multiply(
        ToFloats(exact[h]),
        Multiply(Broadcast(queries.folded_scales[head + h]), key_scale));
    if (queries.round) term = RoundBf16(term);
    term = Multiply(Max(term, Broadcast(0.0f)),
                    Broadcast(queries.weights[head + h]));
    if (queries.round) term = RoundBf16(term);
    total = Add(total, term);
  }
  return total;
}

void ScoreFolded(const ScoreQueries& queries, const uint8_t* codes,
                 const uint8_t* scales, float* scores) {
  for (int64_t key = 0; key < kRowUnit; key += kLanes) {
    const Floats scale = LoadPowers(scales + key);
    Floats total = Broadcast(0.0f);
    int64_t head = 0;
    for (; head + kFoldedHeads <= queries.heads; head += kFoldedHeads) {
      total = ScoreFoldedHeads<kFoldedHeads>(queries, codes + key * 4, scale,
                                             head, total);
    }
    for (; head < queries.heads; ++head) {
      total = ScoreFoldedHeads<1>(queries, codes + key * 4, scale, head, total);
    }
    Store(scores + key, queries.round ? RoundBf16(total) : total);
  }
}

void UnpackGroup(int64_t size, const uint8_t* group, bool fold,
                 UnpackedKeys* keys) {
  const int64_t runs = size / 8;
  for (int64_t run = 0; run < runs; ++run) {
    UnpackKeys(group + run * 64, keys->codes + run * 128);
  }
  keys->scales = group + runs * 64;
  keys->folded = fold && FoldKeys(size, keys->scales, keys->codes, keys->least);
}

void Score(const ScoreQueries& queries, const UnpackedKeys& keys,
           float* scores) {
  if (keys.folded) {
    ScoreFolded(queries, keys.codes, keys.least, scores);
    return;
  }
  for (int64_t key = 0; key < kRowUnit; key += kLanes) {
    Floats scales[kMostKeySize / 32];
    for (int64_t block = 0; block < queries.size / 32; ++block) {
      scales[block] = LoadPowers(keys.scales + block * kRowUnit + key);
    }
    const uint8_t* codes = keys.codes + key * 4;
    Floats total = Broadcast(0.0f);
    int64_t head = 0;
    for (; head + 4 <= queries.heads; head += 4) {
      total = ScoreHeads<4>(queries, codes, scales, head, total);
    }
    for (; head < queries.heads; ++head) {
      total = ScoreHeads<1>(queries, codes, scales, head, total);
    }
    Store(scores + key, queries.round ? RoundBf16(total) : total);
  }
}

// The second operand of Max is taken where the first is no number.
void ColumnHighest(const float* x, int64_t count, int64_t width, float* out) {
  constexpr int kVectors = static_cast<int>(kRowUnit / kLanes);
  for (int64_t i = 0; i < width; i += kRowUnit) {
    Floats highest[kVectors];
    BALEEN_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      highest[v] = Broadcast(-__builtin_inff());
    }
    for (int64_t row = i; row + kRowUnit <= count; row += width) {
      BALEEN_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        highest[v] = Max(Load(x + row + v * kLanes), highest[v]);
      }
    }
    BALEEN_UNROLL
    for (int v = 0; v < kVectors; ++v) Store(out + i + v * kLanes, highest[v]);
  }
  // The end of the last row, where it is no whole unit.
  for (int64_t i = count / kRowUnit * kRowUnit; i < count; ++i) {
    float& highest = out[i % width];
    if (x[i] > highest) highest = x[i];
  }
}

int64_t Collect(const float* x, int64_t count, float least, int64_t place,
                int32_t* indices) {
  // Most runs of elements have none.
  constexpr int64_t kRun = 4 * kRowUnit;
  int64_t found = 0;
  for (int64_t first = 0; first < count; first += kRun) {
    const int64_t end = first + kRun < count ? first + kRun : count;
    if (end == first + kRun) {
      Floats highest = Broadcast(-__builtin_inff());
      for (int64_t i = first; i < end; i += kLanes) {
        highest = Max(Load(x + i), highest);
      }
      if (!(Highest(highest) >= least)) continue;
    }
    for (int64_t i = first; i < end; ++i) {
      if (!(x[i] >= least)) continue;
      if (found < place) indices[found] = static_cast<int32_t>(i);
      ++found;
    }
  }
  return found;
}

}  // namespace
}  // namespace baleen::cpu
