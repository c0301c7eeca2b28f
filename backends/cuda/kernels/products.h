// Products of packed weights and activations, 16 weight rows by 8 activation
// rows at a time, with the matrix instruction for bf16.
//
// The order of every sum is that of the weight's shape alone.  The columns are
// cut into eight slices of whole blocks of 128.  Within a slice, blocks follow
// each other: a block (of e2m1, each 32 columns of it) is summed from zero by
// the matrix instruction, then added, times its scale, to the slice.  At last
// the slices are added up, first to last.  With few rows each warp of a block of
// threads takes a slice, with many rows a warp goes through all of them; so both
// give the same bits.
#pragma once

#include "cuda/views.h"
#include "cuda/weights.h"

namespace baleen::cuda {

constexpr int kSlices = 8;
constexpr int kParts = kBlockColumns / 32;  // Of a block.
constexpr int kMaxVectors = 8;              // A lane's 16-byte loads of one.

BALEEN_DEVICE int SliceBegin(int slice, int blocks) {
  return slice * blocks / kSlices;
}

// ---- Activations ----------------------------------------------------------------

// A row of activations; data NULL: there is none, and zeros are read.
struct ActivationRow {
  const uint8_t* data;
  const uint8_t* scales;
  bool fp8;
  bool aligned;  // To what a load of eight columns takes.
};

// Row `row`, of rank 3 part `part` of it.
BALEEN_DEVICE ActivationRow RowAt(const View& view, int64_t row, int part,
                                  int parts) {
  const bool fp8 = view.type != BALEEN_TYPE_BF16;
  const int64_t at = row * view.stride0 + part * view.stride1;
  const int columns = parts > 1 ? view.size2 : view.size1;
  const int groups = (columns + 127) / 128;
  ActivationRow out;
  out.data = view.data + at * (fp8 ? 1 : 2);
  out.scales =
      fp8 ? view.scales + (row * (parts > 1 ? parts : 1) + part) * groups
          : nullptr;
  out.fp8 = fp8;
  out.aligned = reinterpret_cast<uintptr_t>(out.data) % (fp8 ? 8 : 16) == 0;
  return out;
}

// The power of two of a code as two bf16.
BALEEN_DEVICE uint32_t E8m0Pair(uint8_t code) {
  const uint32_t bits = code == 0 ? 0x40u : static_cast<uint32_t>(code) << 7;
  return bits | bits << 16;
}

// Columns k to k + 7 as bf16, zero from `columns` on.
BALEEN_DEVICE Words4 LoadActivations(const ActivationRow& row, int k,
                                     int columns) {
  Words4 out = {{0, 0, 0, 0}};
  if (row.data == nullptr || k >= columns) return out;
  if (row.aligned && k + 8 <= columns) {
    if (!row.fp8) return Load16(row.data + 2 * int64_t{k});
    const Words2 codes = Load8(row.data + k);
    const uint32_t scale = E8m0Pair(row.scales[k / 128]);
    for (int i = 0; i < 2; ++i) {
      uint32_t low;
      uint32_t high;
      Fp8ToBf16(codes.at[i], &low, &high);
      MendFp8Nan(codes.at[i], &low, &high);
      out.at[2 * i] = ScaleBf16x2(low, scale);
      out.at[2 * i + 1] = ScaleBf16x2(high, scale);
    }
    return out;
  }
  for (int i = 0; i < 8 && k + i < columns; ++i) {
    const uint16_t bits =
        row.fp8 ? Bf16FromFloat(Fp8ToFloat(row.data[k + i]) *
                                E8m0ToFloat(row.scales[(k + i) / 128]))
                : reinterpret_cast<const uint16_t*>(row.data)[k + i];
    out.at[i / 2] |= static_cast<uint32_t>(bits) << (i % 2 * 16);
  }
  return out;
}

// ---- Weights --------------------------------------------------------------------

// A tile of a matrix: its blocks and their scales.
struct TileView {
  const uint8_t* data;
  const uint8_t* scales;
};

BALEEN_DEVICE TileView TileAt(const Matrix& matrix, const uint8_t* base,
                              int tile) {
  const int64_t blocks = BlocksOf(matrix.columns);
  const uint8_t* data = base + matrix.offset;
  return {data + tile * blocks * BlockBytes(matrix.type),
          data + DataBytes(matrix.type, matrix.rows, matrix.columns) +
              tile * blocks * BlockScaleBytes(matrix.type)};
}

template <int kType>
BALEEN_DEVICE constexpr int VectorsOf() {
  return kType == kBf16 ? 8 : kType == kFp8 ? 4 : 2;
}

// What a lane needs of a block: data, and of e2m1 the scales of two rows.
template <int kType>
struct WeightBlock {
  Words4 vectors[VectorsOf<kType>()];
  uint32_t scales[2];
};

template <int kType>
BALEEN_DEVICE void LoadBlock(const TileView& tile, int block,
                             WeightBlock<kType>* out) {
  const uint8_t* data =
      tile.data + block * BlockBytes(kType) + Lane() * int64_t{16};
#pragma unroll
  for (int i = 0; i < VectorsOf<kType>(); ++i) {
    out->vectors[i] = Stream16(data + i * 512);
  }
  const uint32_t* scales = reinterpret_cast<const uint32_t*>(
      tile.scales + block * BlockScaleBytes(kType));
  if (kType == kFp8) out->scales[0] = scales[0];
  if (kType == kFp4) {
    out->scales[0] = scales[Lane() / 4];
    out->scales[1] = scales[Lane() / 4 + 8];
  }
}

// The fragment of step 0 or 1 of part `part`: 16 rows by 16 columns.
template <int kType>
BALEEN_DEVICE void Fragment(const WeightBlock<kType>& block, int part, int step,
                            uint32_t a[4]) {
  if (kType == kBf16) {
    const Words4& upper = block.vectors[part * 2 % VectorsOf<kType>()];
    const Words4& lower = block.vectors[(part * 2 + 1) % VectorsOf<kType>()];
    a[0] = upper.at[2 * step];
    a[1] = lower.at[2 * step];
    a[2] = upper.at[2 * step + 1];
    a[3] = lower.at[2 * step + 1];
  } else if (kType == kFp8) {
    const Words4& both = block.vectors[part % VectorsOf<kType>()];
    Fp8ToBf16(both.at[step], &a[0], &a[2]);
    Fp8ToBf16(both.at[2 + step], &a[1], &a[3]);
    if ((block.scales[0] & kHasNan) != 0) {
      MendFp8Nan(both.at[step], &a[0], &a[2]);
      MendFp8Nan(both.at[2 + step], &a[1], &a[3]);
    }
  } else {
    const Words4& both = block.vectors[part / 2];
    const uint32_t upper = both.at[part % 2 * 2];
    const uint32_t lower = both.at[part % 2 * 2 + 1];
    a[0] = Fp4PairToBf16(upper, 2 * step);
    a[1] = Fp4PairToBf16(lower, 2 * step);
    a[2] = Fp4PairToBf16(upper, 2 * step + 1);
    a[3] = Fp4PairToBf16(lower, 2 * step + 1);
  }
}

BALEEN_DEVICE float GroupScale(uint32_t scales, int group) {
  return E8m0ToFloat(static_cast<uint8_t>(scales >> (8 * group)));
}

// slice += block * activations, for kTokens times 8 of them; load(n, part)
// gives the lane's eight columns of the n-th 8 activation rows.
template <int kType, int kTokens, typename Load>
BALEEN_DEVICE void MultiplyBlock(const WeightBlock<kType>& block,
                                 const Load& load, float (*slice)[4]) {
  float sums[kTokens][4] = {};
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    uint32_t a[2][4];
    Fragment<kType>(block, part, 0, a[0]);
    Fragment<kType>(block, part, 1, a[1]);
#pragma unroll
    for (int n = 0; n < kTokens; ++n) {
      const Words4 b = load(n, part);
      MultiplyBf16(a[0], b.at[0], b.at[1], sums[n]);
      MultiplyBf16(a[1], b.at[2], b.at[3], sums[n]);
    }
    if (kType != kFp4 && part + 1 < kParts) continue;
    float upper = 1;
    float lower = 1;
    if (kType == kFp8) {
      upper = lower = FloatOfBits(block.scales[0] & ~kHasNan);
    }
    if (kType == kFp4) {
      upper = GroupScale(block.scales[0], part);
      lower = GroupScale(block.scales[1], part);
    }
#pragma unroll
    for (int n = 0; n < kTokens; ++n) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        slice[n][c] = fmaf(sums[n][c], c < 2 ? upper : lower, slice[n][c]);
        sums[n][c] = 0;
      }
    }
  }
}

// ---- Few rows --------------------------------------------------------------------

// This warp's slice of a tile, its first block loaded before the inputs are
// waited for; `row_of(n)` gives the activations of the lane's row of the n-th
// eight.
template <int kType, int kTokens, typename RowOf>
BALEEN_DEVICE void MultiplySliceOf(const TileView& tile, int columns,
                                   bool waits, const RowOf& row_of,
                                   float (*slice)[4]) {
  const int blocks = static_cast<int>(BlocksOf(columns));
  const int end = SliceBegin(WarpIndex() + 1, blocks);
  int block = SliceBegin(WarpIndex(), blocks);
  WeightBlock<kType> next;
  if (block < end) LoadBlock<kType>(tile, block, &next);
  if (waits) WaitForInputs();
  if (block >= end) return;
  ActivationRow rows[kTokens];
#pragma unroll
  for (int n = 0; n < kTokens; ++n) rows[n] = row_of(n);
  while (block < end) {
    const WeightBlock<kType> now = next;
    const int k = block * kBlockColumns + Lane() % 4 * 8;
    // Of bf16 one block is four times the bytes that of e2m1 has, and two
    // would not fit into registers.
    if (kType != kBf16 && block + 1 < end) {
      LoadBlock<kType>(tile, block + 1, &next);
    }
    MultiplyBlock<kType, kTokens>(
        now,
        [&](int n, int part) {
          return LoadActivations(rows[n], k + part * 32, columns);
        },
        slice);
    ++block;
    if (kType == kBf16 && block < end) LoadBlock<kType>(tile, block, &next);
  }
}

template <int kTokens, typename RowOf>
BALEEN_DEVICE void MultiplySlice(const Matrix& matrix, const uint8_t* base,
                                 int tile, bool waits, const RowOf& row_of,
                                 float (*slice)[4]) {
  const TileView view = TileAt(matrix, base, tile);
  if (matrix.type == kBf16) {
    MultiplySliceOf<kBf16, kTokens>(view, matrix.columns, waits, row_of, slice);
  } else if (matrix.type == kFp8) {
    MultiplySliceOf<kFp8, kTokens>(view, matrix.columns, waits, row_of, slice);
  } else {
    MultiplySliceOf<kFp4, kTokens>(view, matrix.columns, waits, row_of, slice);
  }
}

// Where the eight warps' slices of a tile meet: [slice][row][token].
template <int kTokens>
struct SliceSums {
  static constexpr int kWidth = 8 * kTokens + 1;
  float at[kSlices][kTileRows][kWidth];
};

template <int kTokens>
BALEEN_DEVICE void PutSlice(SliceSums<kTokens>* sums, const float (*slice)[4]) {
  const int row = Lane() / 4;
  const int column = Lane() % 4 * 2;
#pragma unroll
  for (int n = 0; n < kTokens; ++n) {
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      sums->at[WarpIndex()][row + c / 2 * 8][n * 8 + column + c % 2] =
          slice[n][c];
    }
  }
}

// The whole sum of a row and token.
template <int kTokens>
BALEEN_DEVICE float SumSlices(const SliceSums<kTokens>& sums, int row,
                              int token) {
  float total = 0;
#pragma unroll
  for (int i = 0; i < kSlices; ++i) total += sums.at[i][row][token];
  return total;
}

// ---- Many rows --------------------------------------------------------------------

// Eight tiles of weights, a warp each, by 64 rows of activations, which the
// block of threads brings to shared memory a block of columns at a time.
constexpr int kManyTiles = 8;
constexpr int kManyTokens = 64;
constexpr int kManyThreads = 256;
// Bf16 of a row in shared memory: 16 bytes more than a block has, so that eight
// rows lie in different banks.
constexpr int kManyStride = kBlockColumns + 8;

struct ManyShared {
  alignas(16) uint16_t at[2][kManyTokens][kManyStride];
};

// Vectors of a block of activations that one thread brings.
constexpr int kManyLoads = kManyTokens * (kBlockColumns / 8) / kManyThreads;

template <typename RowOf>
BALEEN_DEVICE void FetchMany(const RowOf& row_of, int block, int columns,
                             Words4 fetched[kManyLoads]) {
#pragma unroll
  for (int i = 0; i < kManyLoads; ++i) {
    const int vector = Thread() + i * kManyThreads;
    fetched[i] = LoadActivations(
        row_of(vector / 16), block * kBlockColumns + vector % 16 * 8, columns);
  }
}

BALEEN_DEVICE void KeepMany(const Words4 fetched[kManyLoads],
                            uint16_t (*to)[kManyStride]) {
#pragma unroll
  for (int i = 0; i < kManyLoads; ++i) {
    const int vector = Thread() + i * kManyThreads;
    *reinterpret_cast<Words4*>(&to[vector / 16][vector % 16 * 8]) = fetched[i];
  }
}

// total = tile * activations, for all columns; `works`: this warp has a tile.
// All threads must call it; `row_of(i)` gives row i of the 64.
template <int kType, typename RowOf>
BALEEN_DEVICE void MultiplyManyOf(const TileView& tile, int columns, bool works,
                                  const RowOf& row_of, ManyShared* shared,
                                  float (*total)[4]) {
  constexpr int kTokens = kManyTokens / 8;
  const int blocks = static_cast<int>(BlocksOf(columns));
  float slice[kTokens][4] = {};
  Words4 fetched[kManyLoads];
  FetchMany(row_of, 0, columns, fetched);
  int part_of = 0;  // The slice that is being summed.
  for (int block = 0; block < blocks; ++block) {
    uint16_t(*const now)[kManyStride] = shared->at[block % 2];
    KeepMany(fetched, now);
    // The other half is read no more: all have passed this barrier since.
    __syncthreads();
    if (block + 1 < blocks) FetchMany(row_of, block + 1, columns, fetched);
    if (!works) continue;
    while (block >= SliceBegin(part_of + 1, blocks)) ++part_of;
    WeightBlock<kType> weights;
    LoadBlock<kType>(tile, block, &weights);
    MultiplyBlock<kType, kTokens>(
        weights,
        [&](int n, int part) {
          return Load16(&now[n * 8 + Lane() / 4][part * 32 + Lane() % 4 * 8]);
        },
        slice);
    if (block + 1 < SliceBegin(part_of + 1, blocks)) continue;
#pragma unroll
    for (int n = 0; n < kTokens; ++n) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        total[n][c] += slice[n][c];
        slice[n][c] = 0;
      }
    }
  }
  __syncthreads();
}

template <typename RowOf>
BALEEN_DEVICE void MultiplyMany(const Matrix& matrix, const uint8_t* base,
                                int tile, const RowOf& row_of,
                                ManyShared* shared, float (*total)[4]) {
  const bool works = tile < static_cast<int>(TilesOf(matrix.rows));
  const TileView view = TileAt(matrix, base, works ? tile : 0);
  if (matrix.type == kBf16) {
    MultiplyManyOf<kBf16>(view, matrix.columns, works, row_of, shared, total);
  } else if (matrix.type == kFp8) {
    MultiplyManyOf<kFp8>(view, matrix.columns, works, row_of, shared, total);
  } else {
    MultiplyManyOf<kFp4>(view, matrix.columns, works, row_of, shared, total);
  }
}

}  // namespace baleen::cuda
