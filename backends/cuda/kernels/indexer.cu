// The Lightning indexer: scores of compressed entries, and the highest of them
// (model.md §8).
//
// Products of e2m1 are integers over four, so a matrix instruction for bytes
// gives the exact sum of each 32; what follows is in float, heads in one order.
#include "cuda/kernels/row_ops.h"
#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kScoreThreads = 128;
constexpr int kTileKeys = 16;  // Of a warp.
constexpr int kBlockKeys = kTileKeys * kScoreThreads / kWarpSize;
constexpr int kMostKeySize = 256;
constexpr int kMostGroups = kMostKeySize / kKeyGroup;

struct ScoreParams {
  BatchView batch;
  View iq;
  View head_weight;
  View scores;
  StateView state;
  int32_t heads;  // Rounded up to a multiple of eight.
  bool reference;
};

// Eight e2m1 of a word to twice their values as bytes.
BALEEN_DEVICE void Fp4ToBytes(uint32_t word, uint32_t out[2]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint32_t bytes = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int32_t twice = Fp4Twice(word >> (half * 16 + i * 4) & 15u);
      bytes |= (static_cast<uint32_t>(twice) & 255u) << (8 * i);
    }
    out[half] = bytes;
  }
}

// The queries of a row as bytes, their scales and the heads' weights.
struct Queries {
  uint8_t* bytes;  // [heads, key_size]
  float* scales;   // [heads, groups], over four
  float* weights;  // [heads]
};

BALEEN_DEVICE void LoadQueries(const ScoreParams& params, int row,
                               const Queries& to) {
  const int size = params.state.key_size;
  const int groups = size / kKeyGroup;
  const int real = params.iq.size1;
  for (int i = Thread(); i < params.heads * size / 8; i += kScoreThreads) {
    const int head = i * 8 / size;
    const int at = i * 8 % size;
    uint32_t bytes[2] = {0, 0};
    if (head < real) {
      const int64_t first =
          row * params.iq.stride0 + head * params.iq.stride1 + at;
      if (params.iq.type == BALEEN_TYPE_I8) {
        for (int j = 0; j < 8; ++j) {
          bytes[j / 4] |= static_cast<uint32_t>(params.iq.data[first + j])
                          << (j % 4 * 8);
        }
      } else {
        uint32_t word = 0;
        for (int j = 0; j < 4; ++j) {
          word |= static_cast<uint32_t>(params.iq.data[first / 2 + j])
                  << (8 * j);
        }
        Fp4ToBytes(word, bytes);
      }
    }
    uint32_t* out = reinterpret_cast<uint32_t*>(to.bytes + i * 8);
    out[0] = bytes[0];
    out[1] = bytes[1];
  }
  for (int i = Thread(); i < params.heads * groups; i += kScoreThreads) {
    to.scales[i] =
        i / groups < real
            ? 0.25f * E8m0ToFloat(
                          params.iq.scales[int64_t{row} * real * groups + i])
            : 0.0f;
  }
  for (int i = Thread(); i < params.heads; i += kScoreThreads) {
    to.weights[i] =
        i < real ? RowOf<const float>(params.head_weight, row)[i] : 0.0f;
  }
}

// Sixteen keys as a lane multiplies them, with scales of its two rows.
struct Keys {
  uint32_t a[kMostGroups][4];
  float scales[2][kMostGroups];
};

BALEEN_DEVICE void LoadKeys(const ScoreParams& params, const int32_t* pages,
                            int first, int visible, Keys* keys) {
  const int groups = params.state.key_size / kKeyGroup;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int key = first + Lane() / 4 + half * 8;
    ItemPlace place = {nullptr, nullptr};
    if (key < visible) {
      place = PagedAt(params.state, BALEEN_POOL_KEYS, pages, key);
    }
#pragma unroll
    for (int group = 0; group < kMostGroups; ++group) {
      if (group >= groups) break;
      uint32_t bytes[2] = {0, 0};
      float scale = 0;
      if (place.data != nullptr) {
        // The lane's eight of the group: four bytes.
        Fp4ToBytes(reinterpret_cast<const uint32_t*>(
                       place.data)[group * (kKeyGroup / 8) + Lane() % 4],
                   bytes);
        scale = E8m0ToFloat(place.scales[group]);
      }
      keys->a[group][half] = bytes[0];
      keys->a[group][half + 2] = bytes[1];
      keys->scales[half][group] = scale;
    }
  }
}

// Blocks of a row share its keys; each brings the row's queries to shared memory
// once.
__global__ void __launch_bounds__(kScoreThreads)
    ScoreKernel(ScoreParams params) {
  uint8_t* const shared = static_cast<uint8_t*>(SharedMemory());
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.y);
  if (row >= RowsOf(params.batch, params.scores.size0)) return;
  const StateView& state = params.state;
  const int size = state.key_size;
  const int groups = size / kKeyGroup;
  int visible = VisibleEntries(state, params.batch.positions[row]);
  visible = visible < params.scores.size1 ? visible : params.scores.size1;
  if (static_cast<int>(blockIdx.x) * kBlockKeys >= visible) return;
  Queries queries;
  queries.bytes = shared;
  queries.scales = reinterpret_cast<float*>(shared + params.heads * size);
  queries.weights = queries.scales + params.heads * groups;
  LoadQueries(params, row, queries);
  __syncthreads();
  const int32_t* pages = params.batch.pages +
                         params.batch.sessions[row] * params.batch.page_stride;
  const int step = static_cast<int>(gridDim.x) * kBlockKeys;
  for (int first =
           static_cast<int>(blockIdx.x) * kBlockKeys + WarpIndex() * kTileKeys;
       first < visible; first += step) {
    Keys keys;
    LoadKeys(params, pages, first, visible, &keys);
    float scores[2] = {0, 0};
    for (int head = 0; head < params.heads; head += 8) {
      float products[4] = {0, 0, 0, 0};
      const uint8_t* query =
          queries.bytes + (head + Lane() / 4) * size + Lane() % 4 * 8;
      const float* scales = queries.scales + (head + Lane() % 4 * 2) * groups;
#pragma unroll
      for (int group = 0; group < kMostGroups; ++group) {
        if (group >= groups) break;
        const Words2 b = Load8(query + group * kKeyGroup);
        int32_t exact[4];
        MultiplyBytes(keys.a[group], b.at[0], b.at[1], exact);
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          products[c] +=
              static_cast<float>(exact[c]) *
              (scales[c % 2 * groups + group] * keys.scales[c / 2][group]);
        }
      }
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const float weight = queries.weights[head + Lane() % 4 * 2 + c % 2];
        const float product = RoundIf(params.reference, products[c]);
        scores[c / 2] +=
            RoundIf(params.reference, fmaxf(product, 0.0f) * weight);
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float score = scores[half];
      score += __shfl_xor_sync(kFullWarp, score, 1);
      score += __shfl_xor_sync(kFullWarp, score, 2);
      const int key = first + Lane() / 4 + half * 8;
      if (Lane() % 4 != 0 || key >= visible) continue;
      StoreFloat(params.scores, row, key, RoundIf(params.reference, score));
    }
  }
}

// ---- topk_select -----------------------------------------------------------------

constexpr int kSelectThreads = 1024;
constexpr int kDigits = 1 << 11;

struct SelectParams {
  BatchView batch;
  View scores;
  View selected;
  int32_t* count;
  int32_t ratio;
};

// Larger where the score is; NaN is the lowest, zeros are equal.
BALEEN_DEVICE uint32_t ScoreOrder(float score) {
  if (score != score) return 0;
  const uint32_t bits = BitsOfFloat(score + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

struct SelectShared {
  int32_t counts[kDigits];
  int32_t warps[2][kSelectThreads / kWarpSize];
  uint32_t prefix;
  int32_t rest;
};

// The order of the last score that is taken, and how many equal to it are, by
// digits of 11, 11 and 10 bits from the top; only those that share the digits
// found so far count.
BALEEN_DEVICE void FindThreshold(const View& scores, int row, int visible,
                                 int wanted, SelectShared* shared) {
  const int shifts[3] = {21, 10, 0};
  const int widths[3] = {11, 11, 10};
  uint32_t mask_before = 0;
  if (Thread() == 0) {
    shared->prefix = 0;
    shared->rest = wanted;
  }
  for (int digit = 0; digit < 3; ++digit) {
    const uint32_t mask = (1u << widths[digit]) - 1;
    for (int i = Thread(); i < kDigits; i += kSelectThreads) {
      shared->counts[i] = 0;
    }
    __syncthreads();
    const uint32_t prefix = shared->prefix;
    for (int i = Thread(); i < visible; i += kSelectThreads) {
      const uint32_t order = ScoreOrder(FloatAt(scores, row, i));
      if ((order & mask_before) != prefix) continue;
      atomicAdd(&shared->counts[order >> shifts[digit] & mask], 1);
    }
    __syncthreads();
    // A warp goes down from the highest: 32 digits at once are enough to find
    // the one in which the wanted number is reached.
    if (WarpIndex() == 0) {
      int rest = shared->rest;
      int bucket = -1;
      for (int top = static_cast<int>(mask); top >= 0 && bucket < 0;
           top -= kWarpSize) {
        int before = 0;  // Scores of higher digits of these 32.
        int all = 0;
        for (int i = 0; i < kWarpSize; ++i) {
          const int count = shared->counts[top - i];
          if (i < Lane()) before += count;
          all += count;
        }
        const int own = shared->counts[top - Lane()];
        const unsigned int reached =
            __ballot_sync(kFullWarp, before + own >= rest);
        if (reached == 0) {
          rest -= all;
          continue;
        }
        int lane = 0;
        while ((reached >> lane & 1u) == 0) ++lane;
        rest -= __shfl_sync(kFullWarp, before, lane);
        bucket = top - lane;
      }
      if (Lane() == 0) {
        shared->prefix = prefix | static_cast<uint32_t>(bucket)
                                      << shifts[digit];
        shared->rest = rest;
      }
    }
    mask_before |= mask << shifts[digit];
    __syncthreads();
  }
}

// How many of the threads before this one have it, and of all.
BALEEN_DEVICE int CountBefore(bool has, int32_t* warps, int* all) {
  const unsigned int lanes = __ballot_sync(kFullWarp, has);
  if (Lane() == 0) warps[WarpIndex()] = __popc(lanes);
  __syncthreads();
  int before = 0;
  int sum = 0;
  for (int i = 0; i < kSelectThreads / kWarpSize; ++i) {
    if (i < WarpIndex()) before += warps[i];
    sum += warps[i];
  }
  *all = sum;
  return before + __popc(lanes & ((1u << Lane()) - 1));
}

// A block for each row.
__global__ void __launch_bounds__(kSelectThreads, 1)
    SelectKernel(SelectParams params) {
  __shared__ SelectShared shared;
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  if (row >= RowsOf(params.batch, params.scores.size0)) return;
  int visible = (params.batch.positions[row] + 1) / params.ratio;
  visible = visible < params.scores.size1 ? visible : params.scores.size1;
  const int room = params.selected.size1;
  const int wanted = visible < room ? visible : room;
  int32_t* const selected = RowOf<int32_t>(params.selected, row);
  if (Thread() == 0) params.count[row] = wanted;
  if (wanted == visible) {
    for (int i = Thread(); i < wanted; i += kSelectThreads) selected[i] = i;
    return;
  }
  if (wanted == 0) return;
  FindThreshold(params.scores, row, visible, wanted, &shared);
  const uint32_t least = shared.prefix;
  const int equals = shared.rest;
  int taken = 0;
  int equal_before = 0;
  for (int first = 0; taken < wanted; first += kSelectThreads) {
    const int i = first + Thread();
    const uint32_t order =
        i < visible ? ScoreOrder(FloatAt(params.scores, row, i)) : 0;
    const bool equal = i < visible && order == least;
    int equal_here;
    const int rank =
        equal_before + CountBefore(equal, shared.warps[0], &equal_here);
    const bool takes =
        i < visible && (order > least || (equal && rank < equals));
    int taken_here;
    const int place = taken + CountBefore(takes, shared.warps[1], &taken_here);
    if (takes) selected[place] = i;
    taken += taken_here;
    equal_before += equal_here;
    __syncthreads();
  }
}

int64_t PaddedHeads(const baleen_indexer_score_args& args) {
  return (args.iq_rounded->size[1] + 7) / 8 * 8;
}

size_t ScoreShared(const baleen_indexer_score_args& args) {
  const int64_t size = args.iq_rounded->size[2];
  return static_cast<size_t>(PaddedHeads(args) *
                             (size + 4 * (size / kKeyGroup) + 4));
}

}  // namespace

const char* IndexerScoreRefusal(const baleen_indexer_score_args& args) {
  if (args.state == nullptr) return "there is no state";
  const baleen_state_shape& shape = args.state->shape;
  const char* error = StateShapeError(shape);
  if (error != nullptr) return error;
  if (shape.ratio == 0 || shape.key_size == 0) {
    return "the layer has no indexer";
  }
  if (shape.key_size > kMostKeySize) {
    return "a key is larger than the registers that it is kept in";
  }
  const baleen_tensor* iq = args.iq_rounded;
  if (!IsTensor(iq, BALEEN_TYPE_I8, 3, shape.key_size) &&
      !IsTensor(iq, BALEEN_TYPE_F4_E2M1, 3, shape.key_size)) {
    return "iq_rounded does not fit the state";
  }
  if (iq->scale_type != BALEEN_TYPE_E8M0 || iq->block_columns != kKeyGroup ||
      iq->stride[0] % 2 != 0 || iq->stride[1] % 2 != 0) {
    return "iq_rounded has no e8m0 scale for each 32";
  }
  constexpr size_t kMostShared = 96 << 10;
  if (ScoreShared(args) > kMostShared) {
    return "there are too many indexer heads for shared memory";
  }
  if (!IsTensor(args.head_weight, BALEEN_TYPE_F32, 2, iq->size[1])) {
    return "head_weight does not fit iq_rounded";
  }
  if (!IsFloats(args.scores) || !IsRows(args.scores, 2)) {
    return "scores is neither bf16 nor f32 [T, C]";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

void IndexerScoreNeeds(const Device&, const baleen_indexer_score_args&,
                       baleen_op_needs*) {}

baleen_status IndexerScoreRun(const Queue& queue,
                              const baleen_indexer_score_args& args) {
  ScoreParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.iq = ViewOf(args.iq_rounded);
  params.head_weight = ViewOf(args.head_weight);
  params.scores = ViewOf(args.scores);
  params.state = StateOf(args.state);
  params.heads = static_cast<int32_t>(PaddedHeads(args));
  params.reference = args.common.mode == BALEEN_MODE_REFERENCE;
  const size_t shared = ScoreShared(args);
  const baleen_status status = AllowShared(*queue.device, ScoreKernel, shared);
  if (status != BALEEN_OK) return status;
  // Enough blocks to fill the device a few times over; each does what is left
  // over of its row, which depends on positions.
  const int64_t rows = RowBound(queue, args.scores->size[0]);
  const int64_t most = (args.scores->size[1] + kBlockKeys - 1) / kBlockKeys;
  const int64_t filling =
      (int64_t{queue.device->processors()} * 16 + rows - 1) /
      (rows == 0 ? 1 : rows);
  return Launch(queue, ScoreKernel, Grid(most < filling ? most : filling, rows),
                kScoreThreads, shared, params);
}

const char* TopkSelectRefusal(const baleen_topk_select_args& args) {
  if (args.state == nullptr || args.state->shape.ratio == 0) {
    return "the layer has no compressed entries";
  }
  if (!IsFloats(args.scores) || !IsRows(args.scores, 2)) {
    return "scores is neither bf16 nor f32 [T, C]";
  }
  if (!IsType(args.selected, BALEEN_TYPE_I32) || !IsRows(args.selected, 2) ||
      !IsType(args.count, BALEEN_TYPE_I32)) {
    return "selected or count is not i32";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

void TopkSelectNeeds(const Device&, const baleen_topk_select_args&,
                     baleen_op_needs*) {}

baleen_status TopkSelectRun(const Queue& queue,
                            const baleen_topk_select_args& args) {
  SelectParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.scores = ViewOf(args.scores);
  params.selected = ViewOf(args.selected);
  params.count = static_cast<int32_t*>(args.count->data);
  params.ratio = static_cast<int32_t>(args.state->shape.ratio);
  return Launch(queue, SelectKernel,
                Grid(RowBound(queue, args.scores->size[0])), kSelectThreads, 0,
                params);
}

}  // namespace baleen::cuda
