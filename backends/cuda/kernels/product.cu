// Products of all rows of a step with the matrices of a weight, and rounding of
// what they give.
#include "cuda/kernels/product.h"

#include "cuda/kernels/products.h"

namespace baleen::cuda {
namespace {

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

// A block of threads for a tile of weights and 8 kTokens rows.
template <int kTokens>
__global__ void __launch_bounds__(kFewThreads, kTokens > 2 ? 1 : 2)
    FewRowsKernel(ProductParams params) {
  __shared__ SliceSums<kTokens> sums;
  int tile = static_cast<int>(blockIdx.x);
  const ProductPart& part = params.part[FindPart(params, 1, &tile)];
  const int first = static_cast<int>(blockIdx.y) * 8 * kTokens;
  // The batch is of the step, not of the kernel before.
  if (first >= ProductRows(params)) {
    WaitForInputs();
    return;
  }
  const int group = GroupOf(params, part.matrix, tile);
  float slice[kTokens][4] = {};
  MultiplySlice<kTokens>(
      part.matrix, part.matrix.data, tile, true,
      [&](int n) {
        const int row = first + n * 8 + Lane() / 4;
        ActivationRow none = {};
        return row < ProductRows(params)
                   ? RowAt(part.in, row, group, params.groups)
                   : none;
      },
      slice);
  PutSlice<kTokens>(&sums, slice);
  __syncthreads();
  LetNextStart();
  const int rows = ProductRows(params);
  for (int i = Thread(); i < kTileRows * 8 * kTokens; i += kFewThreads) {
    const int row = first + i / kTileRows;
    const int n = tile * kTileRows + i % kTileRows;
    if (row >= rows || n >= part.matrix.rows) continue;
    StoreProduct(params, part, row, n,
                 SumSlices<kTokens>(sums, i % kTileRows, i / kTileRows));
  }
}

// A block of threads for eight tiles and 64 rows.
__global__ void __launch_bounds__(kManyThreads, 1)
    ManyRowsKernel(ProductParams params) {
  __shared__ ManyShared shared;
  WaitForInputs();
  int index = static_cast<int>(blockIdx.x);
  const ProductPart& part = params.part[FindPart(params, kManyTiles, &index)];
  const int first = static_cast<int>(blockIdx.y) * kManyTokens;
  const int rows = ProductRows(params);
  if (first >= rows) return;
  const int tile = index * kManyTiles + WarpIndex();
  const int group = GroupOf(params, part.matrix, index * kManyTiles);
  float total[kManyTokens / 8][4] = {};
  MultiplyMany(
      part.matrix, part.matrix.data, tile,
      [&](int i) {
        ActivationRow none = {};
        return first + i < rows
                   ? RowAt(part.in, first + i, group, params.groups)
                   : none;
      },
      &shared, total);
  LetNextStart();
#pragma unroll
  for (int n = 0; n < kManyTokens / 8; ++n) {
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      const int row = first + n * 8 + Lane() % 4 * 2 + c % 2;
      const int column = tile * kTileRows + Lane() / 4 + c / 2 * 8;
      if (row >= rows || column >= part.matrix.rows) continue;
      StoreProduct(params, part, row, column, total[n][c]);
    }
  }
}

int64_t GridTiles(const ProductParams& params, int64_t tiles) {
  int64_t count = 0;
  for (int i = 0; i < params.parts; ++i) {
    count += (TilesOf(params.part[i].matrix.rows) + tiles - 1) / tiles;
  }
  return count;
}

template <int kTokens>
baleen_status RunFew(const Queue& queue, const ProductParams& params,
                     int64_t rows) {
  return Launch(
      queue, FewRowsKernel<kTokens>,
      Grid(GridTiles(params, 1), (rows + 8 * kTokens - 1) / (8 * kTokens)),
      kFewThreads, 0, params);
}

// A block of 128 threads for each group of 128 columns of a row.
__global__ void RoundKernel(RoundParams params) {
  __shared__ float memory[4];
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  const int group = static_cast<int>(blockIdx.y);
  const int rows =
      params.rows != nullptr
          ? *params.rows
          : CountOf(params.batch, params.count, params.limit) * params.repeat;
  if (row >= rows || row >= params.limit) return;
  const int column = group * 128 + Thread();
  const int columns = params.out.size1;
  const float value =
      column < columns
          ? Bf16ToFloat(RowOf<const uint16_t>(params.in, row)[column])
          : 0.0f;
  const uint8_t scale = Fp8ScaleCode(BlockLargest(fabsf(value), memory));
  if (Thread() == 0) {
    params.out.scales[int64_t{row} * ((columns + 127) / 128) + group] = scale;
  }
  if (column >= columns) return;
  RowOf<uint8_t>(params.out, row)[column] =
      Fp8FromFloat(value * E8m0Inverse(scale));
}

}  // namespace

baleen_status RunProduct(const Queue& queue, const ProductParams& params) {
  const int64_t rows = RowBound(queue, params.limit, params.repeat);
  if (rows <= 8) return RunFew<1>(queue, params, rows);
  if (rows <= 16) return RunFew<2>(queue, params, rows);
  const bool splits =
      params.groups > 1 &&
      params.part[0].matrix.rows / params.groups % (kManyTiles * kTileRows) !=
          0;
  if (rows <= 32 || splits) return RunFew<4>(queue, params, rows);
  return Launch(queue, ManyRowsKernel,
                Grid(GridTiles(params, kManyTiles),
                     (rows + kManyTokens - 1) / kManyTokens),
                kManyThreads, 0, params);
}

baleen_status RunRound(const Queue& queue, const RoundParams& params) {
  const int64_t rows = params.rows != nullptr
                           ? params.limit
                           : RowBound(queue, params.limit, params.repeat);
  return Launch(queue, RoundKernel, Grid(rows, (params.out.size1 + 127) / 128),
                128, 0, params);
}

}  // namespace baleen::cuda
