// Products of all rows of a step with the matrices of a weight, and rounding of
// what they give.
#include "cuda/kernels/product.h"

#include "cuda/kernels/few_rows.h"

namespace baleen::cuda {
namespace {

// A block of threads for a tile of weights and 8 kTokens rows.
template <int kTokens>
__global__ void __launch_bounds__(kFewThreads, kTokens > 2 ? 1 : 2)
    FewRowsKernel(ProductParams params) {
  int tile = static_cast<int>(blockIdx.x);
  const int part = FindPart(params, 1, &tile);
  FewRows<kTokens>(params, part, tile);
}

// The same, for as many blocks of threads as the device runs at once.
template <int kTokens>
__global__ void __launch_bounds__(kFewThreads, kTokens > 2 ? 1 : 2)
    StreamRowsKernel(ProductParams params) {
  StreamRows<kTokens>(params, [](int, int) {});
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

template <int kTokens>
baleen_status RunFew(const Queue& queue, ProductParams params, int64_t rows) {
  const int64_t tiles = GridTiles(params, 1);
  const int64_t row_blocks = (rows + 8 * kTokens - 1) / (8 * kTokens);
  const int64_t blocks = StreamBlocks(queue, sizeof(SliceSums<kTokens>), tiles);
  if (blocks != 0) {
    params.tiles = static_cast<int32_t>(tiles);
    return LaunchStream(queue, StreamRowsKernel<kTokens>,
                        Grid(blocks, row_blocks), kFewThreads, params);
  }
  return Launch(queue, FewRowsKernel<kTokens>, Grid(tiles, row_blocks),
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
