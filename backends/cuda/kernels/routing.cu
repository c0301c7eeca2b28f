// Which experts a token visits, and the plan of a mixture: which rows each
// expert gets (model.md §11, §16.1).
#include "cuda/kernels/fused.h"
#include "cuda/kernels/moe_plan.h"
#include "cuda/kernels/row_ops.h"
#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kMostExperts = 1024;
constexpr int kMostPlaces = 32;

// ---- router --------------------------------------------------------------------

constexpr int kGateThreads = 256;
constexpr int kGateRows = 4;  // Rows that share a read of the gate.

struct RouterParams {
  BatchView batch;
  View u;
  View gate;
  View table;
  View experts;
  View weights;
  const float* bias;
  float* scores;      // [T, E]
  int32_t* counters;  // One for each kGateRows rows.
  float route_scale;
};

BALEEN_DEVICE float GateScore(float product) {
  constexpr float kLinearAbove = 20.0f;
  const float softplus =
      product > kLinearAbove ? product : log1pf(expf(product));
  return sqrtf(softplus);
}

// What a file says is not trusted to be an expert, nor a token to be in it.
BALEEN_DEVICE int TableExpert(const RouterParams& params, int row, int i) {
  int line = params.batch.tokens[row];
  line = line < 0                    ? 0
         : line < params.table.size0 ? line
                                     : params.table.size0 - 1;
  const int64_t named = params.table.type == BALEEN_TYPE_I64
                            ? RowOf<const int64_t>(params.table, line)[i]
                            : RowOf<const int32_t>(params.table, line)[i];
  const int last = params.gate.size0 - 1;
  return named < 0 ? 0 : named < last ? static_cast<int>(named) : last;
}

// Scores of an expert for four rows from `first` on, by a warp.
BALEEN_DEVICE void ScoreExpert(const RouterParams& params, int expert,
                               int first, int rows) {
  const uint16_t* gate = RowOf<const uint16_t>(params.gate, expert);
  float sums[kGateRows] = {0, 0, 0, 0};
  for (int i = Lane(); i < params.u.size1; i += kWarpSize) {
    const float by = Bf16ToFloat(gate[i]);
#pragma unroll
    for (int r = 0; r < kGateRows; ++r) {
      if (first + r >= rows) break;
      sums[r] = fmaf(Bf16ToFloat(RowOf<const uint16_t>(params.u, first + r)[i]),
                     by, sums[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < kGateRows; ++r) {
    const float sum = WarpSum(sums[r]);
    if (Lane() != 0 || first + r >= rows) continue;
    params.scores[int64_t{first + r} * params.gate.size0 + expert] =
        GateScore(sum);
  }
}

// Experts of a row, by a warp: the highest of score plus bias, one after another,
// the lower expert on ties, NaN last; or those of the table.  `biased` and
// `chosen` are the warp's own.
BALEEN_DEVICE void RouteRow(const RouterParams& params, int row, float* biased,
                            int* chosen) {
  const int experts = params.gate.size0;
  const int places = params.experts.size1;
  const float* scores = params.scores + int64_t{row} * experts;
  if (params.table.data != nullptr) {
    if (Lane() < places) chosen[Lane()] = TableExpert(params, row, Lane());
  } else {
    for (int e = Lane(); e < experts; e += kWarpSize) {
      const float score = scores[e] + params.bias[e];
      biased[e] = score == score ? score : -INFINITY;
    }
    __syncwarp();
    for (int place = 0; place < places; ++place) {
      float best = -INFINITY;
      int index = kMostExperts;
      for (int e = Lane(); e < experts; e += kWarpSize) {
        bool taken = false;
        for (int i = 0; i < place; ++i) taken = taken || chosen[i] == e;
        if (!taken && (biased[e] > best || index == kMostExperts)) {
          best = biased[e];
          index = e;
        }
      }
      for (int step = kWarpSize / 2; step > 0; step /= 2) {
        const float other = __shfl_xor_sync(kFullWarp, best, step);
        const int other_index = __shfl_xor_sync(kFullWarp, index, step);
        if (other > best || (other == best && other_index < index)) {
          best = other;
          index = other_index;
        }
      }
      __syncwarp();
      if (Lane() == 0) chosen[place] = index;
      __syncwarp();
    }
  }
  __syncwarp();
  if (Lane() >= places) return;
  float sum = 0;
  for (int i = 0; i < places; ++i) sum += scores[chosen[i]];
  constexpr float kLeastSum = 1e-20f;
  sum = fmaxf(sum, kLeastSum);
  RowOf<int32_t>(params.experts, row)[Lane()] = chosen[Lane()];
  RowOf<float>(params.weights, row)[Lane()] =
      scores[chosen[Lane()]] / sum * params.route_scale;
}

// A warp for each expert and four rows; the last block of these rows routes
// them, a warp for each.  Whether it is the one.
BALEEN_DEVICE bool RouteRows(const RouterParams& params) {
  __shared__ float biased[kGateRows][kMostExperts];
  __shared__ int chosen[kGateRows][kMostPlaces];
  const int expert =
      static_cast<int>(blockIdx.x) * (kGateThreads / kWarpSize) + WarpIndex();
  const int rows = RowsOf(params.batch, params.u.size0);
  const int first = static_cast<int>(blockIdx.y) * kGateRows;
  if (first >= rows) return false;
  if (expert < params.gate.size0) ScoreExpert(params, expert, first, rows);
  if (!IsLastBlock(params.counters + blockIdx.y, static_cast<int>(gridDim.x))) {
    return false;
  }
  const int own = WarpIndex();
  if (own < kGateRows && first + own < rows) {
    RouteRow(params, first + own, biased[own], chosen[own]);
  }
  return true;
}

__global__ void __launch_bounds__(kGateThreads)
    RouterKernel(RouterParams params) {
  WaitForInputs();
  RouteRows(params);
}

// ---- moe_plan --------------------------------------------------------------------

constexpr int kPlanThreads = 512;

struct PlanParams {
  BatchView batch;
  View experts;
  View weights;
  const int32_t* resident;
  MoePlan plan;
  int32_t* visited;
  int32_t* missing;
  int32_t expert_count;
  int32_t room;
};

// Place `j` of a row's list, unless there is no such expert or the row has
// named it before.
BALEEN_DEVICE int CountedExpert(const PlanParams& params, int row, int j) {
  const int32_t* list = RowOf<const int32_t>(params.experts, row);
  const int expert = list[j];
  if (expert < 0 || expert >= params.expert_count) return -1;
  for (int i = 0; i < j; ++i) {
    if (list[i] == expert) return -1;
  }
  return expert;
}

// Goes through the warp's share of (row, place), 32 at a time: visit(which of
// them or -1, its expert, the lane's rank among those of the 32 with the same,
// how many they are).
template <typename Visit>
BALEEN_DEVICE void VisitShare(const PlanParams& params, int count,
                              const Visit& visit) {
  const int places = params.experts.size1;
  const int warps = Threads() / kWarpSize;
  const int share = (count + warps - 1) / warps;
  const int begin = WarpIndex() * share;
  const int end = begin + share < count ? begin + share : count;
  for (int first = begin; first < end; first += kWarpSize) {
    const int i = first + Lane();
    const int expert =
        i < end ? CountedExpert(params, i / places, i % places) : -1;
    const unsigned int same = __match_any_sync(kFullWarp, expert);
    const int rank = __popc(same & ((1u << Lane()) - 1));
    visit(i < end ? i : -1, expert, rank, __popc(same));
    __syncwarp();
  }
}

// Lists of experts, one thread after another: 256 of them take 2 us.
BALEEN_DEVICE void ListExperts(const PlanParams& params, int rows,
                               const int32_t* visited) {
  const MoePlan& plan = params.plan;
  int active = 0;
  int missing = 0;
  int tiles = 0;
  int start = 0;
  for (int e = 0; e < params.expert_count; ++e) {
    plan.starts[e] = start;
    const int end = start + visited[e];
    const bool there = params.resident == nullptr || params.resident[e] >= 0;
    params.visited[e] = visited[e];
    if (visited[e] != 0 && there) {
      plan.active[active] = e;
      for (int first = start; first < end; first += kMoeTile) {
        plan.tiles[tiles++] = {e, first};
      }
      ++active;
    } else if (visited[e] != 0 && params.missing != nullptr) {
      params.missing[1 + missing++] = e;
    }
    start = end;
  }
  plan.starts[params.expert_count] = start;
  if (params.missing != nullptr) params.missing[0] = missing;
  *plan.header = {
      rows,  params.expert_count, start,       active,
      tiles, start + rows,        params.room, params.experts.size1};
}

// By one block.  Each warp counts its share of the lists, so that entries keep the
// order of rows whatever warp is faster, and however many there are.
BALEEN_DEVICE void MakePlan(const PlanParams& params) {
  // [warps, experts]: how many entries a warp has of an expert; then where its
  // next one goes.
  int32_t* const counts = static_cast<int32_t*>(SharedMemory());
  const int warps = Threads() / kWarpSize;
  int32_t* const visited = counts + warps * params.expert_count;
  const int rows = RowsOf(params.batch, params.experts.size0);
  const int places = params.experts.size1;
  const int experts = params.expert_count;
  const int count = rows * places;
  for (int i = Thread(); i < warps * experts; i += Threads()) {
    counts[i] = 0;
  }
  __syncthreads();
  int32_t* const own = counts + WarpIndex() * experts;
  VisitShare(params, count, [&](int, int expert, int rank, int same) {
    if (expert >= 0 && rank == 0) own[expert] += same;
  });
  __syncthreads();
  for (int e = Thread(); e < experts; e += Threads()) {
    int sum = 0;
    for (int w = 0; w < warps; ++w) {
      const int of_warp = counts[w * experts + e];
      counts[w * experts + e] = sum;
      sum += of_warp;
    }
    visited[e] = sum;
  }
  __syncthreads();
  if (Thread() == 0) ListExperts(params, rows, visited);
  __syncthreads();
  VisitShare(params, count, [&](int i, int expert, int rank, int same) {
    int entry = -1;
    if (expert >= 0) {
      entry = params.plan.starts[expert] + own[expert] + rank;
      params.plan.entries[entry] = {
          i / places, i % places,
          RowOf<const float>(params.weights, i / places)[i % places],
          params.resident == nullptr || params.resident[expert] >= 0 ? 1 : 0};
    }
    if (i >= 0) params.plan.row_entries[i] = entry;
    __syncwarp();
    if (expert >= 0 && rank == 0) own[expert] += same;
  });
  __syncthreads();
  // A row's entries by expert, which is the order of entries; -1 at the end.
  for (int row = Thread(); row < rows; row += Threads()) {
    int32_t* list = params.plan.row_entries + row * places;
    for (int i = 1; i < places; ++i) {
      const int entry = list[i];
      int j = i;
      for (; j > 0 &&
             static_cast<uint32_t>(list[j - 1]) > static_cast<uint32_t>(entry);
           --j) {
        list[j] = list[j - 1];
      }
      list[j] = entry;
    }
  }
}

__global__ void __launch_bounds__(kPlanThreads) PlanKernel(PlanParams params) {
  WaitForInputs();
  MakePlan(params);
}

// The router, whose last block makes the plan.
struct RoutesParams {
  RouterParams router;
  PlanParams plan;
};

__global__ void __launch_bounds__(kGateThreads)
    RoutesKernel(RoutesParams params) {
  WaitForInputs();
  if (!RouteRows(params.router)) return;
  const int rows = RowsOf(params.router.batch, params.router.u.size0);
  if (IsLastBlock(params.router.counters + gridDim.y,
                  (rows + kGateRows - 1) / kGateRows)) {
    MakePlan(params.plan);
  }
}

}  // namespace

const char* RouterRefusal(const baleen_router_args& args) {
  if (!IsType(args.u, BALEEN_TYPE_BF16) || !IsRows(args.u, 2)) {
    return "u is not bf16 [T, D]";
  }
  if (!IsTensor(args.gate, BALEEN_TYPE_BF16, 2, args.u->size[1])) {
    return "gate does not fit u";
  }
  if (args.gate->size[0] > kMostExperts) return "there are too many experts";
  if (!IsType(args.experts, BALEEN_TYPE_I32) || !IsRows(args.experts, 2) ||
      args.experts->size[1] > args.gate->size[0] ||
      args.experts->size[1] > kMostPlaces) {
    return "experts is not i32 [T, A]";
  }
  if (!IsTensor(args.weights, BALEEN_TYPE_F32, 2, args.experts->size[1])) {
    return "weights does not fit experts";
  }
  if (args.table == nullptr) {
    return IsTensor(args.bias, BALEEN_TYPE_F32, 1, args.gate->size[0])
               ? nullptr
               : "bias does not fit gate";
  }
  if (!IsTensor(args.table, BALEEN_TYPE_I32, 2, args.experts->size[1]) &&
      !IsTensor(args.table, BALEEN_TYPE_I64, 2, args.experts->size[1])) {
    return "table does not fit experts";
  }
  if (args.table->size[0] < 1) return "table is empty";
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->tokens, BALEEN_TYPE_I32)) {
    return "there is no batch";
  }
  return nullptr;
}

void RouterNeeds(const Device&, const baleen_router_args& args,
                 baleen_op_needs* needs) {
  needs->scratch_bytes =
      static_cast<uint64_t>(args.u->size[0] * args.gate->size[0]) *
      sizeof(float);
  // And one for where a plan is made at once.
  needs->persistent_bytes =
      static_cast<uint64_t>((args.u->size[0] + kGateRows - 1) / kGateRows + 1) *
      sizeof(int32_t);
}

namespace {

RouterParams RouterOf(const baleen_router_args& args) {
  RouterParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.u = ViewOf(args.u);
  params.gate = ViewOf(args.gate);
  params.table = ViewOf(args.table);
  params.experts = ViewOf(args.experts);
  params.weights = ViewOf(args.weights);
  params.bias = args.bias == nullptr
                    ? nullptr
                    : static_cast<const float*>(args.bias->data);
  params.scores = static_cast<float*>(args.common.scratch);
  params.counters = static_cast<int32_t*>(args.common.persistent);
  params.route_scale = args.route_scale;
  return params;
}

dim3 RouterGrid(const Queue& queue, const baleen_router_args& args) {
  constexpr int64_t kWarps = kGateThreads / kWarpSize;
  return Grid((args.gate->size[0] + kWarps - 1) / kWarps,
              (RowBound(queue, args.u->size[0]) + kGateRows - 1) / kGateRows);
}

}  // namespace

baleen_status RouterRun(const Queue& queue, const baleen_router_args& args) {
  return Launch(queue, RouterKernel, RouterGrid(queue, args), kGateThreads, 0,
                RouterOf(args));
}

const char* MoePlanRefusal(const baleen_moe_plan_args& args) {
  if (!IsType(args.experts, BALEEN_TYPE_I32) || !IsRows(args.experts, 2)) {
    return "experts are not i32 [T, A]";
  }
  if (!IsType(args.weights, BALEEN_TYPE_F32) || !IsRows(args.weights, 2) ||
      args.weights->size[1] != args.experts->size[1]) {
    return "weights are not f32 [T, A]";
  }
  if (!IsType(args.visited, BALEEN_TYPE_I32) || !IsRows(args.visited, 1)) {
    return "visited is not i32 [E]";
  }
  const int64_t experts = args.visited->size[0];
  if (experts > kMostExperts) return "there are too many experts";
  if (args.resident != nullptr && (!IsType(args.resident, BALEEN_TYPE_I32) ||
                                   args.resident->size[0] != experts)) {
    return "resident is not i32 [E]";
  }
  if (args.missing != nullptr && (!IsType(args.missing, BALEEN_TYPE_I32) ||
                                  args.missing->size[0] != experts + 1)) {
    return "missing is not i32 [1 + E]";
  }
  if (args.plan == nullptr) return "there is no plan";
  if (args.plan->data != nullptr &&
      static_cast<uint64_t>(args.plan->size[0]) <
          MoePlanBytes(args.experts->size[0], args.experts->size[1], experts)) {
    return "the plan is too short";
  }
  return nullptr;
}

void MoePlanNeeds(const Device&, const baleen_moe_plan_args& args,
                  baleen_op_needs* needs) {
  needs->out_bytes = MoePlanBytes(args.experts->size[0], args.experts->size[1],
                                  args.visited->size[0]);
}

namespace {

PlanParams PlanOf(const baleen_moe_plan_args& args) {
  PlanParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.experts = ViewOf(args.experts);
  params.weights = ViewOf(args.weights);
  params.resident = args.resident == nullptr
                        ? nullptr
                        : static_cast<const int32_t*>(args.resident->data);
  params.expert_count = static_cast<int32_t>(args.visited->size[0]);
  params.plan = MoePlanOf(args.plan->data, args.experts->size[0],
                          args.experts->size[1], params.expert_count);
  params.room = static_cast<int32_t>(args.experts->size[0]);
  params.visited = static_cast<int32_t*>(args.visited->data);
  params.missing = args.missing == nullptr
                       ? nullptr
                       : static_cast<int32_t*>(args.missing->data);
  return params;
}

// Counts of each warp, and of all.
size_t PlanShared(const PlanParams& params, int threads) {
  return static_cast<size_t>(threads / kWarpSize + 1) *
         static_cast<size_t>(params.expert_count) * sizeof(int32_t);
}

}  // namespace

baleen_status MoePlanRun(const Queue& queue, const baleen_moe_plan_args& args) {
  const PlanParams params = PlanOf(args);
  const size_t shared = PlanShared(params, kPlanThreads);
  const baleen_status status = AllowShared(*queue.device, PlanKernel, shared);
  if (status != BALEEN_OK) return status;
  return Launch(queue, PlanKernel, Grid(1), kPlanThreads, shared, params);
}

bool RunRoutes(const Queue& queue, const baleen_router_args& route,
               const baleen_moe_plan_args& plan, baleen_status* status) {
  if (route.experts->data != plan.experts->data ||
      route.weights->data != plan.weights->data ||
      route.common.batch != plan.common.batch || route.u->size[0] == 0) {
    return false;
  }
  const RoutesParams params = {RouterOf(route), PlanOf(plan)};
  const size_t shared = PlanShared(params.plan, kGateThreads);
  *status = AllowShared(*queue.device, RoutesKernel, shared);
  if (*status == BALEEN_OK) {
    *status = Launch(queue, RoutesKernel, RouterGrid(queue, route),
                     kGateThreads, shared, params);
  }
  return true;
}

}  // namespace baleen::cuda
