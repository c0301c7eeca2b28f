// Products of few rows: what a block of threads does for a tile of weights, for
// kernels that go on with what it gives.
#pragma once

#include "cuda/kernels/product.h"
#include "cuda/kernels/products.h"
#include "cuda/kernels/weight_stream.h"

namespace baleen::cuda {

constexpr int kFewThreads = kSlices * kWarpSize;

BALEEN_DEVICE int32_t ProductRows(const ProductParams& params) {
  const int32_t rows =
      CountOf(params.batch, params.count, params.limit * params.divide) *
      params.repeat / params.divide;
  return rows < params.limit ? rows : params.limit;
}

// The part that `index` belongs to, in units of `tiles` tiles; *index becomes
// that within it.
BALEEN_DEVICE int FindPart(const ProductParams& params, int tiles, int* index) {
  int part = 0;
  for (; part + 1 < params.parts; ++part) {
    const int own =
        (static_cast<int>(TilesOf(params.part[part].matrix.rows)) + tiles - 1) /
        tiles;
    if (*index < own) break;
    *index -= own;
  }
  return part;
}

BALEEN_DEVICE int GroupOf(const ProductParams& params, const Matrix& matrix,
                          int tile) {
  return params.groups > 1 ? tile * kTileRows / (matrix.rows / params.groups)
                           : 0;
}

BALEEN_DEVICE void StoreProduct(const ProductParams& params,
                                const ProductPart& part, int row, int n,
                                float value) {
  if (params.base.data != nullptr) {
    value = RowOf<const float>(params.base, row)[n] + value;
  }
  StoreFloat(part.out, row, n, value);
}

// What the block's slices of a tile give, from row `first` on.
template <int kTokens>
BALEEN_DEVICE void StoreTile(const ProductParams& params,
                             const ProductPart& part, int tile, int first,
                             const SliceSums<kTokens>& sums) {
  const int rows = ProductRows(params);
  for (int i = Thread(); i < kTileRows * 8 * kTokens; i += kFewThreads) {
    const int row = first + i / kTileRows;
    const int n = tile * kTileRows + i % kTileRows;
    if (row >= rows || n >= part.matrix.rows) continue;
    StoreProduct(params, part, row, n,
                 SumSlices<kTokens>(sums, i % kTileRows, i / kTileRows));
  }
}

// The activations of the lane's row of the n-th eight from `first` on, for a tile.
BALEEN_DEVICE ActivationRow LaneRow(const ProductParams& params,
                                    const ProductPart& part, int group,
                                    int first, int n) {
  const int row = first + n * 8 + Lane() / 4;
  ActivationRow none = {};
  return row < ProductRows(params) ? RowAt(part.in, row, group, params.groups)
                                   : none;
}

// A tile of part `which` of the weights for the block's 8 kTokens rows, from
// blockIdx.y times as many on; waits for the inputs.  False: there are no such
// rows.
template <int kTokens>
BALEEN_DEVICE bool FewRows(const ProductParams& params, int which, int tile) {
  __shared__ SliceSums<kTokens> sums;
  const ProductPart& part = params.part[which];
  const int first = static_cast<int>(blockIdx.y) * 8 * kTokens;
  // The batch is of the step, not of the kernel before.
  if (first >= ProductRows(params)) {
    WaitForInputs();
    return false;
  }
  const int group = GroupOf(params, part.matrix, tile);
  float slice[kTokens][4] = {};
  MultiplySlice<kTokens>(
      part.matrix, part.matrix.data, tile, true,
      [&](int n) { return LaneRow(params, part, group, first, n); }, slice);
  PutSlice<kTokens>(&sums, slice);
  __syncthreads();
  LetNextStart();
  StoreTile<kTokens>(params, part, tile, first, sums);
  return true;
}

// The same for each gridDim.x-th tile, whose weights come by copies, the first of
// them before the inputs are waited for; `done(which, tile)` follows each tile.
template <int kTokens, typename Done>
BALEEN_DEVICE void StreamRows(const ProductParams& params, const Done& done) {
  __shared__ SliceSums<kTokens> sums;
  const int first = static_cast<int>(blockIdx.y) * 8 * kTokens;
  if (first >= ProductRows(params)) {
    WaitForInputs();
    return;
  }
  const int step = static_cast<int>(gridDim.x);
  int next = static_cast<int>(blockIdx.x);
  const auto runs = [&params, next, step](SliceRun* run) mutable {
    if (next >= params.tiles) return false;
    int tile = next;
    next += step;
    const Matrix& matrix = params.part[FindPart(params, 1, &tile)].matrix;
    *run = SliceOfTile(matrix, matrix.data, tile);
    return true;
  };
  WeightStream stream(runs);
  WaitForInputs();
  for (; next < params.tiles; next += step) {
    int tile = next;
    const int which = FindPart(params, 1, &tile);
    const ProductPart& part = params.part[which];
    const int group = GroupOf(params, part.matrix, tile);
    float slice[kTokens][4] = {};
    StreamSlice<kTokens>(
        &stream, part.matrix, part.matrix.data, tile,
        [&](int n) { return LaneRow(params, part, group, first, n); }, slice);
    PutSlice<kTokens>(&sums, slice);
    __syncthreads();
    if (next + step >= params.tiles) LetNextStart();
    StoreTile<kTokens>(params, part, tile, first, sums);
    done(which, tile);
    // The sums have been read by all.
    __syncthreads();
  }
}

// How many of `tiles` tiles the parts have.
inline int64_t GridTiles(const ProductParams& params, int64_t tiles) {
  int64_t count = 0;
  for (int i = 0; i < params.parts; ++i) {
    count += (TilesOf(params.part[i].matrix.rows) + tiles - 1) / tiles;
  }
  return count;
}

}  // namespace baleen::cuda
