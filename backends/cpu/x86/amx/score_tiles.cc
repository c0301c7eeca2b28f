// The indexer's scores with the tiles of AMX.
//
// A group of 16 keys, unpacked, is two tile registers as it lies (state.h): four
// bytes of each key a row.  Times two tiles of 16 pairs they are four products,
// 64 cycles, between which vectors weigh and add 32 sums of groups before, 1.5
// cycles each.  A store of sums that have only just been multiplied keeps the
// next product waiting, so sums are stored after the next two products.
//
// Sums start at the bits of the float 2^23, so that they are floats already: for
// those that are not negative 2^23 + sum, and less than 2^23 for the others.
#include "cpu/score_tiles.h"

#include <immintrin.h>

#include "cpu/row_kernels.h"
#include "cpu/x86/amx/registers.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kHalf = 64;  // Elements of a tile's row.
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kCodesOfGroup = 2 * kTileBytes;
constexpr int64_t kKeys = 16;   // Of a group.
constexpr int64_t kBlocks = 4;  // Scales of a key or a head.
// Groups whose keys stay in the first cache, beside what else is read.
constexpr int64_t kGroupsTogether = 8;
// Groups that are finished at once, so that chains of additions overlap.
constexpr int64_t kPair = 2;
// Pairs of rows and heads that are finished between two products.
constexpr int64_t kSlice = kTileHeads;
constexpr uint32_t kBias = 0x4B000000;  // 2^23

// All eight registers whole: 0 and 1 sums by turns, 2 and 3 keys, 4 to 7
// queries.
class WholeTiles {
 public:
  WholeTiles() {
    Configuration configuration{};
    configuration.palette = 1;
    for (int i = 0; i < 8; ++i) {
      configuration.rows[i] = 16;
      configuration.row_bytes[i] = 64;
    }
    FinishWrites();
    _tile_loadconfig(&configuration);
  }
  ~WholeTiles() { _tile_release(); }
  WholeTiles(const WholeTiles&) = delete;
  WholeTiles& operator=(const WholeTiles&) = delete;
};

struct Keys {
  alignas(64) uint8_t codes[kGroupsTogether][kCodesOfGroup];
  alignas(64) float scales[kGroupsTogether][kKeys];
};

// Sums of two tiles of pairs by two groups.
struct Sums {
  alignas(64) float of[kPair][2 * kTilePairs][kKeys];
  // Sums that are read do not share their addresses' low 12 bits, by which loads
  // are told from stores that they need not wait for, with those written.
  uint8_t gap[2048];
};

struct Work {
  explicit Work(const TileRows& all_rows) : rows(all_rows) {
    for (uint32_t& one : bias) one = kBias;
  }

  const TileRows& rows;
  Keys keys;
  Sums sums[2];  // By turns: one is finished while the other is computed.
  // Of the row whose heads a step ended among, so far.
  alignas(64) float totals[kGroupsTogether][kKeys];
  alignas(64) uint32_t bias[kKeys];
  int64_t first_key = 0;
};

// Codes to (2 * e2m1 << shift), the shift being what the scale of a block is
// above the key's least.
bool UnpackGroup(const uint8_t* group, uint8_t* codes, float* scales) {
  const uint8_t* from = group + kTileBytes;
  __m512i shifts[kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    shifts[b] = _mm512_cvtepu8_epi32(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + b * kKeys)));
  }
  const __m512i least =
      _mm512_min_epi32(_mm512_min_epi32(shifts[0], shifts[1]),
                       _mm512_min_epi32(shifts[2], shifts[3]));
  const __m512i most = _mm512_max_epi32(_mm512_max_epi32(shifts[0], shifts[1]),
                                        _mm512_max_epi32(shifts[2], shifts[3]));
  const __mmask16 apart = _mm512_cmpgt_epi32_mask(_mm512_sub_epi32(most, least),
                                                  _mm512_set1_epi32(kKeyFold));
  const __mmask16 small =
      _mm512_cmplt_epi32_mask(least, _mm512_set1_epi32(kLeastTileScale));
  const __mmask16 large =
      _mm512_cmpgt_epi32_mask(most, _mm512_set1_epi32(kMostTileScale));
  _mm512_store_ps(scales, _mm512_castsi512_ps(_mm512_slli_epi32(least, 23)));
  // Indices have six bits that count: each quarter is the same.
  const __m512i table = _mm512_broadcast_i32x4(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  const __m512i twelve = _mm512_set1_epi8(12);
  for (int b = 0; b < kBlocks; ++b) {
    const __m512i shift = _mm512_sub_epi32(shifts[b], least);
    const __m512i offset = _mm512_sllv_epi32(twelve, shift);
    for (int i = 0; i < 4; ++i) {
      const int64_t run = b * 4 + i;
      const __m512i both = _mm512_loadu_si512(group + run * 64);
      const __m512i low = _mm512_permutexvar_epi8(both, table);
      const __m512i high =
          _mm512_permutexvar_epi8(_mm512_srli_epi16(both, 4), table);
      _mm512_store_si512(
          codes + run * 128,
          _mm512_sub_epi8(_mm512_sllv_epi32(low, shift), offset));
      _mm512_store_si512(
          codes + run * 128 + 64,
          _mm512_sub_epi8(_mm512_sllv_epi32(high, shift), offset));
    }
  }
  return (apart | small | large) == 0;
}

// One or two tiles of pairs.
struct Step {
  int64_t first_pair;
  int64_t pairs;
};

// Weighs and adds the sums of a step by two groups, some pairs at a time.
class Finisher {
 public:
  explicit Finisher(Work& work) : work_(work) {}

  // REQUIRES: what was started before is done
  void Start(const Step& step, const Sums& sums, int64_t group) {
    const int64_t heads = work_.rows.heads;
    sums_ = &sums;
    group_ = group;
    pair_ = 0;
    // Of tiles that reach beyond the last row no more than that.
    const int64_t rest = work_.rows.rows * heads - step.first_pair;
    pairs_ = rest < step.pairs ? rest : step.pairs;
    row_ = step.first_pair / heads;
    head_ = step.first_pair % heads;
    weights_ = work_.rows.weights + step.first_pair;
    for (int64_t g = 0; g < kPair; ++g) {
      total_[g] = head_ == 0 ? _mm512_setzero_ps()
                             : _mm512_load_ps(work_.totals[group + g]);
    }
  }

  [[gnu::always_inline]] void FinishSlice() {
    if (pair_ == pairs_) return;
    const __m512 zero =
        _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int32_t>(kBias)));
    for (int64_t p = pair_; p < pair_ + kSlice; ++p) {
      const __m512 weight = _mm512_set1_ps(weights_[p].weight);
      const __m512 offset = _mm512_set1_ps(weights_[p].offset);
      for (int64_t g = 0; g < kPair; ++g) {
        const __m512 sum = _mm512_max_ps(_mm512_load_ps(sums_->of[g][p]), zero);
        // (2^23 + sum) * weight - 2^23 * weight, rounded once.
        total_[g] =
            _mm512_add_ps(total_[g], _mm512_fmadd_ps(sum, weight, offset));
      }
    }
    pair_ += kSlice;
    head_ += kSlice;
    if (head_ == work_.rows.heads) {
      FinishRow();
    } else if (pair_ == pairs_) {
      for (int64_t g = 0; g < kPair; ++g) {
        _mm512_store_ps(work_.totals[group_ + g], total_[g]);
      }
    }
  }

  void FinishRest() {
    while (pair_ != pairs_) FinishSlice();
  }

 private:
  [[gnu::always_inline]] void FinishRow() {
    for (int64_t g = 0; g < kPair; ++g) {
      Store((group_ + g) * kKeys,
            _mm512_mul_ps(total_[g],
                          _mm512_load_ps(work_.keys.scales[group_ + g])));
      total_[g] = _mm512_setzero_ps();
    }
    ++row_;
    head_ = 0;
  }

  [[gnu::always_inline]] void Store(int64_t key, __m512 scores) {
    key += work_.first_key;
    const int64_t rest = work_.rows.visible[row_] - key;
    if (rest <= 0) return;
    const __mmask16 mask = rest >= kKeys
                               ? __mmask16{0xFFFF}
                               : static_cast<__mmask16>((1u << rest) - 1);
    _mm512_mask_storeu_ps(work_.rows.scores[row_] + key, mask, scores);
  }

  Work& work_;
  const Sums* sums_ = nullptr;
  const TileWeight* weights_ = nullptr;
  int64_t group_ = 0;
  int64_t pair_ = 0;
  int64_t pairs_ = 0;
  int64_t row_ = 0;
  int64_t head_ = 0;
  __m512 total_[kPair];
};

// Multiplies, and meanwhile finishes what was multiplied before.
class Multiplier {
 public:
  explicit Multiplier(Work& work) : work_(work), finisher_(work) {}

  template <bool two>
  void MultiplyStep(const Step& step, int64_t groups) {
    const int8_t* queries = work_.rows.queries + step.first_pair * kTileKeySize;
    FinishWrites();
    _tile_loadd(4, queries, kTileKeySize);
    _tile_loadd(5, queries + kHalf, kTileKeySize);
    if constexpr (two) {
      const int8_t* second = queries + kTilePairs * kTileKeySize;
      _tile_loadd(6, second, kTileKeySize);
      _tile_loadd(7, second + kHalf, kTileKeySize);
    }
    for (int64_t group = 0; group < groups; group += kPair) {
      Sums& sums = work_.sums[turn_];
      LoadKeys(work_.keys.codes[group]);
      MultiplyEven(sums.of[0]);
      StartFinishing();
      if constexpr (two) {
        MultiplyOdd<true>(sums.of[0] + kTilePairs);
        LoadOther(group, groups);
        MultiplyEven(sums.of[1]);
        MultiplyOdd<true>(sums.of[1] + kTilePairs);
      } else {
        LoadOther(group, groups);
        MultiplyOdd<false>(sums.of[1]);
      }
      step_ = step;
      group_ = group;
      turn_ ^= 1;
    }
  }

  // REQUIRES: something was multiplied
  void FinishAll() {
    _tile_stored(1, last_, kVectorBytes);
    StartFinishing();
    finisher_.FinishRest();
  }

 private:
  static constexpr int64_t kVectorBytes = 64;

  void LoadKeys(const uint8_t* codes) {
    _tile_loadd(2, codes, kVectorBytes);
    _tile_loadd(3, codes + kTileBytes, kVectorBytes);
  }
  // Of an odd number the last is taken twice, and what comes of it dropped.
  void LoadOther(int64_t group, int64_t groups) {
    if (group + 1 < groups) LoadKeys(work_.keys.codes[group + 1]);
  }

  // Multiply the first or the second tile of queries, with a slice of finishing
  // after each product, then store the sums before.  Registers are named by
  // literals, as GCC wants them.
  [[gnu::always_inline]] void MultiplyEven(float (*sums)[kKeys]) {
    _tile_loadd(0, work_.bias, 0);
    _tile_dpbssd(0, 4, 2);
    finisher_.FinishSlice();
    _tile_dpbssd(0, 5, 3);
    finisher_.FinishSlice();
    _tile_stored(1, last_, kVectorBytes);
    last_ = sums;
  }
  template <bool second>
  [[gnu::always_inline]] void MultiplyOdd(float (*sums)[kKeys]) {
    _tile_loadd(1, work_.bias, 0);
    if constexpr (second) {
      _tile_dpbssd(1, 6, 2);
    } else {
      _tile_dpbssd(1, 4, 2);
    }
    finisher_.FinishSlice();
    if constexpr (second) {
      _tile_dpbssd(1, 7, 3);
    } else {
      _tile_dpbssd(1, 5, 3);
    }
    finisher_.FinishSlice();
    _tile_stored(0, last_, kVectorBytes);
    last_ = sums;
  }

  // The two groups before, whose sums are all stored now.
  [[gnu::always_inline]] void StartFinishing() {
    finisher_.FinishRest();
    if (step_.pairs != 0) {
      finisher_.Start(step_, work_.sums[turn_ ^ 1], group_);
    }
  }

  Work& work_;
  Finisher finisher_;
  // What was multiplied last.
  Step step_ = {0, 0};
  int64_t group_ = 0;
  int turn_ = 0;
  // Where its last sums go; those of before the first anywhere.
  float (*last_)[kKeys] = work_.sums[1].of[0];
};

// All rows by up to kGroupsTogether groups.
void ScoreGroups(int64_t groups, Work& work) {
  const int64_t pairs = work.rows.rows * work.rows.heads;
  Multiplier multiplier(work);
  for (int64_t pair = 0; pair < pairs;) {
    if (pairs - pair > kTilePairs) {
      multiplier.MultiplyStep<true>({pair, 2 * kTilePairs}, groups);
      pair += 2 * kTilePairs;
    } else {
      multiplier.MultiplyStep<false>({pair, kTilePairs}, groups);
      pair += kTilePairs;
    }
  }
  multiplier.FinishAll();
}

// Asks for a group that is unpacked kGroupsTogether groups later: at a million
// positions a layer's keys are in no cache of a core's own.
inline void Fetch(const uint8_t* group) {
  constexpr int64_t kGroupBytes = kTileBytes + kBlocks * kKeys;
  for (int64_t i = 0; i < kGroupBytes; i += 64) {
    __builtin_prefetch(group + i, 0, 2);
  }
}

void Score(const TileRows& rows, const uint8_t* const* groups, int64_t count,
           bool* refused) {
  const WholeTiles tiles;
  Work work(rows);
  for (int64_t first = 0; first < count; first += kGroupsTogether) {
    const int64_t some =
        count - first < kGroupsTogether ? count - first : kGroupsTogether;
    for (int64_t g = 0; g < some; ++g) {
      const int64_t later = first + g + kGroupsTogether;
      if (later < count) Fetch(groups[later]);
      refused[first + g] = !UnpackGroup(groups[first + g], work.keys.codes[g],
                                        work.keys.scales[g]);
    }
    work.first_key = first * kKeys;
    ScoreGroups(some, work);
  }
}

// Of each eight bytes the four even ones first, as keys are unpacked.
inline __m512i Separate(__m512i x) {
  return _mm512_shuffle_epi8(
      x, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12,
                                              14, 9, 11, 13, 15)));
}

bool Prepare(const int8_t* twice, const uint8_t* scales, float weight,
             int8_t* query, TileWeight* tile_weight) {
  int least = scales[0];
  int most = scales[0];
  for (int b = 1; b < kBlocks; ++b) {
    least = scales[b] < least ? scales[b] : least;
    most = scales[b] > most ? scales[b] : most;
  }
  const float magnitude = __builtin_fabsf(weight);
  // Not in the range: NaN as well.
  const bool in_range =
      magnitude >= kLeastTileWeight && magnitude <= kMostTileWeight;
  const bool fits = least >= kLeastTileScale && most <= kMostTileScale &&
                    most - least <= kQueryFold && (in_range || weight == 0);
  if (!fits) {
    for (int64_t i = 0; i < kTileKeySize; ++i) query[i] = 0;
    *tile_weight = {0, 0};
    return false;
  }
  for (int half = 0; half < 2; ++half) {
    const int first = scales[2 * half] - least;
    const int second = scales[2 * half + 1] - least;
    // Bits that come from the byte below are cleared.
    const __m512i shift =
        _mm512_inserti64x4(_mm512_set1_epi16(static_cast<short>(first)),
                           _mm256_set1_epi16(static_cast<short>(second)), 1);
    const __m512i kept = _mm512_inserti64x4(
        _mm512_set1_epi8(static_cast<char>(0xFF << first)),
        _mm256_set1_epi8(static_cast<char>(0xFF << second)), 1);
    const __m512i x = _mm512_loadu_si512(twice + half * kHalf);
    _mm512_storeu_si512(
        query + half * kHalf,
        Separate(_mm512_and_si512(_mm512_sllv_epi16(x, shift), kept)));
  }
  // Times 2^(least - 127) over 4, which is exact.
  const uint32_t bits = static_cast<uint32_t>(least - 2) << 23;
  float scale;
  __builtin_memcpy(&scale, &bits, sizeof(scale));
  tile_weight->weight = weight * scale;
  tile_weight->offset = weight * scale * -0x1p23f;
  return true;
}

}  // namespace

const ScoreTiles kAmxScoreTiles = {Prepare, Score};

}  // namespace baleen::cpu
