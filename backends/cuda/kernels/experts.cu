// The two products of a mixture of experts, with the shared expert as one more
// (model.md §11).
//
// With few rows a block of threads takes a tile of weights of an expert and all
// rows that visit it, so that weights are read once; with many, 128 weight rows
// and 64 rows.  What each expert gives for a row is kept apart and added up in
// the order of experts: with few rows by the last block of a tile, with many by a
// kernel of its own.
#include "cuda/kernels/moe_plan.h"
#include "cuda/kernels/product.h"
#include "cuda/kernels/products.h"
#include "cuda/kernels/row_ops.h"
#include "cuda/kernels/weight_stream.h"
#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kFewThreads = kSlices * kWarpSize;
constexpr int64_t kFewRows = 32;

struct ExpertsParams {
  const void* plan;
  View in;   // u_rounded, or a.
  View out;  // a, or what experts give: f32.
  // Of the second product: what experts elsewhere gave, the sum of all, and with
  // few rows a counter for each tile.
  View others;
  View y;
  int32_t* counters;
  const uint8_t* const* places;
  Matrix routed[3];
  Matrix shared[3];
  int32_t experts;      // Of the weight: those that are routed, and the shared
                        // one if there are more than the plan has.
  int32_t first_tiles;  // Of the grid's y, those of the shared expert.
  int32_t tiles;        // Of a matrix, for kernels that go through them.
  float limit;
  float shared_limit;
  bool reference;
  bool partial;  // BALEEN_MOE_PARTIAL
};

// What a block of threads works on: rows [first, end) of an expert.
struct Share {
  MoePlan plan;
  const uint8_t* base;
  bool shared;
  int first;
  int end;
};

// With few rows, all of the `y`th expert's.
BALEEN_DEVICE bool FewShare(const ExpertsParams& params, int y, Share* share) {
  share->plan = ReadPlan(params.plan);
  const MoePlan& plan = share->plan;
  share->shared = y < params.first_tiles;
  // A plan of other experts than the weight's leads nowhere.
  if (params.experts < plan.header->experts) return false;
  if (share->shared) {
    if (params.experts == plan.header->experts) return false;
    share->base = params.places[params.experts - 1];
    share->first = 0;
    share->end = plan.header->rows;
    return true;
  }
  if (y - params.first_tiles >= plan.header->active) return false;
  const int expert = plan.active[y - params.first_tiles];
  share->base = params.places[expert];
  share->first = plan.starts[expert];
  share->end = plan.starts[expert + 1];
  return true;
}

// With many rows, up to 64 of them.
BALEEN_DEVICE bool ManyShare(const ExpertsParams& params, Share* share) {
  share->plan = ReadPlan(params.plan);
  const MoePlan& plan = share->plan;
  const int y = static_cast<int>(blockIdx.y);
  share->shared = y < params.first_tiles;
  int expert = params.experts - 1;
  if (expert + 1 < plan.header->experts) return false;
  if (share->shared) {
    if (params.experts == plan.header->experts) return false;
    share->first = y * kMoeTile;
    share->end = plan.header->rows;
    if (share->first >= share->end) return false;
  } else {
    if (y - params.first_tiles >= plan.header->tiles) return false;
    const MoeTile tile = plan.tiles[y - params.first_tiles];
    expert = tile.expert;
    share->first = tile.first;
    share->end = plan.starts[expert + 1];
  }
  share->base = params.places[expert];
  if (share->end > share->first + kMoeTile) {
    share->end = share->first + kMoeTile;
  }
  return true;
}

// The row of u that row `i` of a share reads, and the row of a that it is.
BALEEN_DEVICE int InputRow(const Share& share, int i) {
  return share.shared ? i : share.plan.entries[i].row;
}
BALEEN_DEVICE int EntryRow(const Share& share, int i) {
  return share.shared ? share.plan.header->entries + i : i;
}

// silu(min(gate, limit)) * clamp(up, limit) * route; a limit of 0 is none.
BALEEN_DEVICE float SwiGlu(float gate, float up, float limit, float route) {
  if (limit > 0.0f) {
    gate = limit < gate ? limit : gate;
    up = up < -limit ? -limit : limit < up ? limit : up;
  }
  const float silu = gate / (1.0f + expf(-gate));
  return silu * up * route;
}

BALEEN_DEVICE void StoreGated(const ExpertsParams& params, const Share& share,
                              int i, int n, float gate, float up) {
  const float route = share.shared ? 1.0f : share.plan.entries[i].weight;
  const float limit = share.shared ? params.shared_limit : params.limit;
  RowOf<uint16_t>(params.out, EntryRow(share, i))[n] =
      Bf16FromFloat(SwiGlu(RoundIf(params.reference, gate),
                           RoundIf(params.reference, up), limit, route));
}

BALEEN_DEVICE ActivationRow RowOrNone(const View& in, bool there, int row) {
  ActivationRow none = {};
  return there ? RowAt(in, row, 0, 1) : none;
}

// With few rows, the weights of `kCount` matrices from `kFirst` on for each
// gridDim.x-th tile of all experts, in the order in which a block of threads
// multiplies.
template <int kTokens, int kFirst, int kCount>
class ExpertRuns {
 public:
  __device__ explicit ExpertRuns(const ExpertsParams* params)
      : params_(params),
        unit_(static_cast<int>(blockIdx.x)),
        units_(UnitsOf(*params)) {}

  // Of all blocks of threads.
  static __device__ int UnitsOf(const ExpertsParams& params) {
    const MoePlanHeader* header = ReadPlan(params.plan).header;
    return (params.first_tiles + header->active) * params.tiles;
  }

  __device__ bool operator()(SliceRun* run) {
    while (run_ == runs_) {
      if (unit_ >= units_) return false;
      NextUnit();
    }
    *run = SliceOfTile(matrices_[kFirst + run_ % kCount], base_, tile_);
    ++run_;
    return true;
  }

 private:
  __device__ void NextUnit() {
    run_ = runs_ = 0;
    tile_ = unit_ % params_->tiles;
    Share share;
    if (FewShare(*params_, unit_ / params_->tiles, &share)) {
      base_ = share.base;
      matrices_ = share.shared ? params_->shared : params_->routed;
      const int rows = share.end - share.first;
      runs_ = (rows + 8 * kTokens - 1) / (8 * kTokens) * kCount;
    }
    unit_ += static_cast<int>(gridDim.x);
  }

  const ExpertsParams* params_;
  int unit_;
  int units_;
  int tile_ = 0;
  int run_ = 0;  // Of those of this tile.
  int runs_ = 0;
  const uint8_t* base_ = nullptr;
  const Matrix* matrices_ = nullptr;
};

// A tile of both products for all rows of a share; multiply(matrix, row_of, slice)
// multiplies with the tile of a matrix.
template <int kTokens, typename Multiply>
BALEEN_DEVICE void GateUpTile(const ExpertsParams& params, const Share& share,
                              int tile, SliceSums<kTokens>* sums,
                              const Multiply& multiply) {
  const Matrix* matrices = share.shared ? params.shared : params.routed;
  for (int first = share.first; first < share.end; first += 8 * kTokens) {
    const auto row_of = [&](int n) {
      const int i = first + n * 8 + Lane() / 4;
      const bool there = i < share.end;
      return RowOrNone(params.in, there, there ? InputRow(share, i) : 0);
    };
#pragma unroll 1
    for (int which = 0; which < 2; ++which) {
      float slice[kTokens][4] = {};
      multiply(matrices[which], row_of, slice);
      PutSlice<kTokens>(&sums[which], slice);
    }
    __syncthreads();
    for (int j = Thread(); j < kTileRows * 8 * kTokens; j += kFewThreads) {
      const int i = first + j / kTileRows;
      const int n = tile * kTileRows + j % kTileRows;
      if (i >= share.end || n >= matrices[0].rows) continue;
      StoreGated(params, share, i, n,
                 SumSlices<kTokens>(sums[0], j % kTileRows, j / kTileRows),
                 SumSlices<kTokens>(sums[1], j % kTileRows, j / kTileRows));
    }
    __syncthreads();
  }
}

template <int kTokens>
__global__ void __launch_bounds__(kFewThreads, kTokens > 2 ? 1 : 2)
    FewGateUpKernel(ExpertsParams params) {
  __shared__ SliceSums<kTokens> sums[2];
  WaitForInputs();
  Share share;
  if (!FewShare(params, static_cast<int>(blockIdx.y), &share)) return;
  const int tile = static_cast<int>(blockIdx.x);
  GateUpTile<kTokens>(
      params, share, tile, sums,
      [&](const Matrix& matrix, const auto& row_of, float(*slice)[4]) {
        MultiplySlice<kTokens>(matrix, share.base, tile, false, row_of, slice);
      });
}

template <int kTokens>
__global__ void __launch_bounds__(kFewThreads, kTokens > 2 ? 1 : 2)
    StreamGateUpKernel(ExpertsParams params) {
  using Runs = ExpertRuns<kTokens, 0, 2>;
  __shared__ SliceSums<kTokens> sums[2];
  WaitForInputs();
  WeightStream stream{Runs(&params)};
  const int units = Runs::UnitsOf(params);
  for (int unit = static_cast<int>(blockIdx.x); unit < units;
       unit += static_cast<int>(gridDim.x)) {
    Share share;
    if (!FewShare(params, unit / params.tiles, &share)) continue;
    const int tile = unit % params.tiles;
    GateUpTile<kTokens>(
        params, share, tile, sums,
        [&](const Matrix& matrix, const auto& row_of, float(*slice)[4]) {
          StreamSlice<kTokens>(&stream, matrix, share.base, tile, row_of,
                               slice);
        });
  }
}

__global__ void __launch_bounds__(kManyThreads, 1)
    ManyGateUpKernel(ExpertsParams params) {
  __shared__ ManyShared shared;
  WaitForInputs();
  Share share;
  if (!ManyShare(params, &share)) return;
  const Matrix* matrices = share.shared ? params.shared : params.routed;
  const int tile = static_cast<int>(blockIdx.x) * kManyTiles + WarpIndex();
  const auto row_of = [&](int j) {
    const bool there = share.first + j < share.end;
    return RowOrNone(params.in, there,
                     there ? InputRow(share, share.first + j) : 0);
  };
  // Both products at once do not fit into registers: the gates wait in shared
  // memory, each thread's for itself.
  float* const gates = static_cast<float*>(SharedMemory()) + Thread();
  float total[kManyTokens / 8][4] = {};
  MultiplyMany(matrices[0], share.base, tile, row_of, &shared, total);
#pragma unroll
  for (int n = 0; n < kManyTokens / 8; ++n) {
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      gates[(n * 4 + c) * kManyThreads] = total[n][c];
      total[n][c] = 0;
    }
  }
  MultiplyMany(matrices[1], share.base, tile, row_of, &shared, total);
#pragma unroll
  for (int n = 0; n < kManyTokens / 8; ++n) {
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      const int i = share.first + n * 8 + Lane() % 4 * 2 + c % 2;
      const int column = tile * kTileRows + Lane() / 4 + c / 2 * 8;
      if (i >= share.end || column >= matrices[0].rows) continue;
      StoreGated(params, share, i, column, gates[(n * 4 + c) * kManyThreads],
                 total[n][c]);
    }
  }
}

BALEEN_DEVICE void StoreGiven(const ExpertsParams& params, const Share& share,
                              int i, int n, float value) {
  if (params.partial) {
    const MoeEntry& entry = share.plan.entries[i];
    RowOf<float>(params.out, entry.row, entry.place)[n] =
        RoundIf(params.reference, value);
    return;
  }
  RowOf<float>(params.out, EntryRow(share, i))[n] =
      RoundIf(params.reference, value);
}

// Column `n` of y: the experts' sum, ascending, then the shared expert.
BALEEN_DEVICE void CombineColumn(const ExpertsParams& params,
                                 const MoePlan& plan, int row, int n) {
  float sum = 0;
  const int places = plan.header->places;
  for (int i = 0; i < places; ++i) {
    const int entry = plan.row_entries[row * places + i];
    if (entry < 0) break;
    const MoeEntry of = plan.entries[entry];
    if (of.resident != 0) {
      sum += RowOf<const float>(params.out, entry)[n];
    } else if (params.others.data != nullptr) {
      sum += RowOf<const float>(params.others, row, of.place)[n];
    }
  }
  if (params.experts > plan.header->experts) {
    sum += RowOf<const float>(params.out, plan.header->entries + row)[n];
  }
  RowOf<uint16_t>(params.y, row)[n] = Bf16FromFloat(sum);
}

// A thread for each column of a row.
__global__ void CombineKernel(ExpertsParams params) {
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.y);
  const int n = static_cast<int>(blockIdx.x) * Threads() + Thread();
  const MoePlan plan = ReadPlan(params.plan);
  if (row >= plan.header->rows || n >= params.y.size1) return;
  CombineColumn(params, plan, row, n);
}

// By the last block of a tile, which the first of its column of blocks is always
// one of: all rows of its columns.
BALEEN_DEVICE void CombineTile(const ExpertsParams& params, int tile) {
  if (params.partial) return;
  const MoePlan plan = ReadPlan(params.plan);
  const bool fits = params.experts >= plan.header->experts;
  if (!IsLastBlock(params.counters + tile,
                   params.first_tiles + (fits ? plan.header->active : 0))) {
    return;
  }
  for (int j = Thread(); j < kTileRows * plan.header->rows; j += Threads()) {
    const int n = tile * kTileRows + j % kTileRows;
    if (n < params.y.size1) CombineColumn(params, plan, j / kTileRows, n);
  }
}

// A tile of the second product for all rows of the `y`th expert; as GateUpTile,
// with the share as well.
template <int kTokens, typename Multiply>
BALEEN_DEVICE void DownTile(const ExpertsParams& params, int y, int tile,
                            SliceSums<kTokens>* sums,
                            const Multiply& multiply) {
  Share share;
  if (!FewShare(params, y, &share)) {
    // Without a shared expert there may be nobody else to add up nothing.
    if (y < params.first_tiles) CombineTile(params, tile);
    return;
  }
  const Matrix& matrix = share.shared ? params.shared[2] : params.routed[2];
  for (int first = share.first; first < share.end; first += 8 * kTokens) {
    float slice[kTokens][4] = {};
    multiply(
        share, matrix,
        [&](int n) {
          const int i = first + n * 8 + Lane() / 4;
          const bool there = i < share.end;
          return RowOrNone(params.in, there, there ? EntryRow(share, i) : 0);
        },
        slice);
    PutSlice<kTokens>(sums, slice);
    __syncthreads();
    for (int j = Thread(); j < kTileRows * 8 * kTokens; j += kFewThreads) {
      const int i = first + j / kTileRows;
      const int n = tile * kTileRows + j % kTileRows;
      if (i >= share.end || n >= matrix.rows) continue;
      StoreGiven(params, share, i, n,
                 SumSlices<kTokens>(*sums, j % kTileRows, j / kTileRows));
    }
    __syncthreads();
  }
  CombineTile(params, tile);
}

template <int kTokens>
__global__ void __launch_bounds__(kFewThreads, kTokens > 2 ? 1 : 2)
    FewDownKernel(ExpertsParams params) {
  __shared__ SliceSums<kTokens> sums;
  WaitForInputs();
  const int tile = static_cast<int>(blockIdx.x);
  DownTile<kTokens>(params, static_cast<int>(blockIdx.y), tile, &sums,
                    [&](const Share& share, const Matrix& matrix,
                        const auto& row_of, float(*slice)[4]) {
                      MultiplySlice<kTokens>(matrix, share.base, tile, false,
                                             row_of, slice);
                    });
}

template <int kTokens>
__global__ void __launch_bounds__(kFewThreads, kTokens > 2 ? 1 : 2)
    StreamDownKernel(ExpertsParams params) {
  using Runs = ExpertRuns<kTokens, 2, 1>;
  __shared__ SliceSums<kTokens> sums;
  WaitForInputs();
  WeightStream stream{Runs(&params)};
  const int units = Runs::UnitsOf(params);
  for (int unit = static_cast<int>(blockIdx.x); unit < units;
       unit += static_cast<int>(gridDim.x)) {
    const int tile = unit % params.tiles;
    DownTile<kTokens>(params, unit / params.tiles, tile, &sums,
                      [&](const Share& share, const Matrix& matrix,
                          const auto& row_of, float(*slice)[4]) {
                        StreamSlice<kTokens>(&stream, matrix, share.base, tile,
                                             row_of, slice);
                      });
  }
}

__global__ void __launch_bounds__(kManyThreads, 1)
    ManyDownKernel(ExpertsParams params) {
  __shared__ ManyShared shared;
  WaitForInputs();
  Share share;
  if (!ManyShare(params, &share)) return;
  const Matrix& matrix = share.shared ? params.shared[2] : params.routed[2];
  const int tile = static_cast<int>(blockIdx.x) * kManyTiles + WarpIndex();
  float total[kManyTokens / 8][4] = {};
  MultiplyMany(
      matrix, share.base, tile,
      [&](int j) {
        const bool there = share.first + j < share.end;
        return RowOrNone(params.in, there,
                         there ? EntryRow(share, share.first + j) : 0);
      },
      &shared, total);
#pragma unroll
  for (int n = 0; n < kManyTokens / 8; ++n) {
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      const int i = share.first + n * 8 + Lane() % 4 * 2 + c % 2;
      const int column = tile * kTileRows + Lane() / 4 + c / 2 * 8;
      if (i >= share.end || column >= matrix.rows) continue;
      StoreGiven(params, share, i, column, total[n][c]);
    }
  }
}

// ---- The host's side ---------------------------------------------------------------

struct Mixture {
  int64_t rows;     // Room of the step.
  int64_t places;   // Experts a row visits.
  int64_t experts;  // At most.
};

// `entries`: rows of a, one for each expert that a row visits and one more.
Mixture MixtureOf(const baleen_weight* weight, int64_t rows, int64_t entries) {
  return {rows, entries / rows - 1, int64_t{FromHandle(weight)->experts}};
}

bool IsPartial(const baleen_op_common& common) {
  return (common.flags & BALEEN_MOE_PARTIAL) != 0;
}

ExpertsParams ExpertsOf(const baleen_op_common& common,
                        const baleen_weight* handle, const void* plan) {
  const Weight& weight = *FromHandle(handle);
  ExpertsParams params = {};
  params.plan = plan;
  params.places = weight.places;
  for (int i = 0; i < 3; ++i) {
    params.routed[i] = weight.matrices()[i];
    params.shared[i] = weight.matrices()[3 + i];
  }
  params.experts = static_cast<int32_t>(weight.experts);
  params.reference = common.mode == BALEEN_MODE_REFERENCE;
  params.partial = IsPartial(common);
  return params;
}

using Kernel = void (*)(ExpertsParams);

// The kernels of a product: for up to 8, 16 and 32 rows, likewise with weights
// that come by copies, and for more; and how much shared memory they take.
struct Kernels {
  Kernel few[3];
  Kernel stream[3];
  size_t stream_shared[3];  // That they declare.
  Kernel many;
  size_t many_shared;  // Beside what it declares.
};

baleen_status RunFewExperts(const Queue& queue, ExpertsParams params,
                            const Mixture& mixture, int64_t rows, int64_t tiles,
                            const Kernels& kernels) {
  params.first_tiles = params.partial ? 0 : 1;
  params.tiles = static_cast<int32_t>(tiles);
  const int64_t visits = rows * mixture.places;
  const int64_t most = params.first_tiles +
                       (visits < mixture.experts ? visits : mixture.experts);
  const int size = rows <= 8 ? 0 : rows <= 16 ? 1 : 2;
  const int64_t blocks =
      StreamBlocks(queue, kernels.stream_shared[size], tiles * most);
  if (blocks != 0) {
    return LaunchStream(queue, kernels.stream[size], Grid(blocks), kFewThreads,
                        params);
  }
  return Launch(queue, kernels.few[size], Grid(tiles, most), kFewThreads, 0,
                params);
}

// A launch for few rows, or for many.
baleen_status RunExperts(const Queue& queue, ExpertsParams params,
                         const Mixture& mixture, int64_t matrix_rows,
                         const Kernels& kernels) {
  const int64_t rows = RowBound(queue, mixture.rows);
  const int64_t tiles = TilesOf(matrix_rows);
  if (rows <= kFewRows) {
    return RunFewExperts(queue, params, mixture, rows, tiles, kernels);
  }
  params.first_tiles =
      params.partial ? 0
                     : static_cast<int32_t>((rows + kMoeTile - 1) / kMoeTile);
  const baleen_status status =
      AllowShared(*queue.device, kernels.many, kernels.many_shared);
  if (status != BALEEN_OK) return status;
  return Launch(queue, kernels.many,
                Grid((tiles + kManyTiles - 1) / kManyTiles,
                     params.first_tiles +
                         MostMoeTiles(rows, mixture.places, mixture.experts)),
                kManyThreads, kernels.many_shared, params);
}

constexpr Kernels kGateUpKernels = {
    {FewGateUpKernel<1>, FewGateUpKernel<2>, FewGateUpKernel<4>},
    {StreamGateUpKernel<1>, StreamGateUpKernel<2>, StreamGateUpKernel<4>},
    {2 * sizeof(SliceSums<1>), 2 * sizeof(SliceSums<2>),
     2 * sizeof(SliceSums<4>)},
    ManyGateUpKernel,
    kManyTiles* kTileRows* kManyTokens * sizeof(float)};
constexpr Kernels kDownKernels = {
    {FewDownKernel<1>, FewDownKernel<2>, FewDownKernel<4>},
    {StreamDownKernel<1>, StreamDownKernel<2>, StreamDownKernel<4>},
    {sizeof(SliceSums<1>), sizeof(SliceSums<2>), sizeof(SliceSums<4>)},
    ManyDownKernel,
    0};

}  // namespace

const char* MoeGateUpRefusal(const baleen_moe_gate_up_args& args) {
  if (!IsRounded(args.u_rounded) || !IsRows(args.u_rounded, 2)) {
    return "u_rounded is not of this device's format";
  }
  if (args.plan == nullptr) return "there is no plan";
  if (!IsRounded(args.a) || !IsRows(args.a, 2)) {
    return "a is not of this device's format";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_EXPERTS);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 0, *args.u_rounded, args.a);
}

void MoeGateUpNeeds(const Device&, const baleen_moe_gate_up_args& args,
                    baleen_op_needs* needs) {
  if (args.a->type == BALEEN_TYPE_BF16) return;
  needs->launches = 2;
  needs->scratch_bytes =
      static_cast<uint64_t>(args.a->size[0] * args.a->size[1]) * 2;
}

baleen_status MoeGateUpRun(const Queue& queue,
                           const baleen_moe_gate_up_args& args) {
  const int64_t rows = args.u_rounded->size[0];
  if (rows == 0) return BALEEN_OK;
  const Mixture mixture = MixtureOf(args.weight, rows, args.a->size[0]);
  ExpertsParams params = ExpertsOf(args.common, args.weight, args.plan->data);
  params.in = ViewOf(args.u_rounded);
  params.out = ViewOf(args.a);
  params.limit = args.limit;
  params.shared_limit = args.shared_limit;
  const bool rounds = args.a->type != BALEEN_TYPE_BF16;
  if (rounds) {
    params.out.data = static_cast<uint8_t*>(args.common.scratch);
    params.out.stride0 = args.a->size[1];
    params.out.type = BALEEN_TYPE_BF16;
  }
  const baleen_status status =
      RunExperts(queue, params, mixture, args.a->size[1], kGateUpKernels);
  if (status != BALEEN_OK || !rounds) return status;
  RoundParams round = {};
  round.limit =
      static_cast<int32_t>(RowBound(queue, rows) * (mixture.places + 1));
  round.rows = &static_cast<const MoePlanHeader*>(args.plan->data)->all_rows;
  round.in = params.out;
  round.out = ViewOf(args.a);
  return RunRound(queue, round);
}

const char* MoeDownRefusal(const baleen_moe_down_args& args) {
  if (!IsRounded(args.a) || !IsRows(args.a, 2)) {
    return "a is not of this device's format";
  }
  if (args.plan == nullptr) return "there is no plan";
  if (IsPartial(args.common)) {
    if (!IsType(args.y, BALEEN_TYPE_F32) || !IsRows(args.y, 3)) {
      return "y is not f32 [T, A, D]";
    }
  } else if (!IsType(args.y, BALEEN_TYPE_BF16) || !IsRows(args.y, 2)) {
    return "y is not bf16 [T, D]; this device has no parts of it";
  }
  if (args.others != nullptr &&
      (!IsType(args.others, BALEEN_TYPE_F32) || !IsRows(args.others, 3) ||
       args.others->size[2] != args.y->size[args.y->rank - 1])) {
    return "others are not f32 [T, A, D]";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_EXPERTS);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 2, *args.a, args.y);
}

void MoeDownNeeds(const Device&, const baleen_moe_down_args& args,
                  baleen_op_needs* needs) {
  if (IsPartial(args.common)) return;
  needs->launches = 2;
  needs->scratch_bytes =
      static_cast<uint64_t>(args.a->size[0] * args.y->size[1]) * sizeof(float);
  needs->persistent_bytes =
      static_cast<uint64_t>(TilesOf(args.y->size[1])) * sizeof(int32_t);
}

baleen_status MoeDownRun(const Queue& queue, const baleen_moe_down_args& args) {
  const int64_t rows = args.y->size[0];
  if (rows == 0) return BALEEN_OK;
  const Mixture mixture = MixtureOf(args.weight, rows, args.a->size[0]);
  ExpertsParams params = ExpertsOf(args.common, args.weight, args.plan->data);
  params.in = ViewOf(args.a);
  if (params.partial) {
    params.out = ViewOf(args.y);
  } else {
    params.out = {};
    params.out.data = static_cast<uint8_t*>(args.common.scratch);
    params.out.stride0 = args.y->size[1];
    params.out.type = BALEEN_TYPE_F32;
    params.others = ViewOf(args.others);
    params.y = ViewOf(args.y);
    params.counters = static_cast<int32_t*>(args.common.persistent);
  }
  const baleen_status status = RunExperts(
      queue, params, mixture, args.y->size[args.y->rank - 1], kDownKernels);
  if (status != BALEEN_OK || params.partial) return status;
  const int64_t bound = RowBound(queue, rows);
  if (bound <= kFewRows) return status;
  constexpr int kThreads = 256;
  return Launch(queue, CombineKernel,
                Grid((args.y->size[1] + kThreads - 1) / kThreads, bound),
                kThreads, 0, params);
}

}  // namespace baleen::cuda
