// Attention over the window and compressed entries (model.md §6).
//
// Keys come in blocks of 64.  A block of threads takes 16 heads of a row: it
// decodes 64 keys to bf16, multiplies, and folds what they give into what the
// blocks before gave, one after another.  With few rows the blocks of keys are
// spread over the device, and folded in the same order by the last of them, or
// where there may be many by a second kernel; so all give the same bits.
//
// The weights of keys are not bf16: as the sum of two, they are off by 2^-18, a
// fifth of what fast mode allows.  Reference mode wants them rounded, against
// the largest score of all keys, which a first sweep finds.
#include "cuda/kernels/products.h"
#include "cuda/kernels/row_ops.h"
#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kKeys = 64;
constexpr int kHeads = 16;
constexpr int kThreads = 256;
constexpr int kMostSize = 512;
constexpr int kWarpColumns = kMostSize / (kThreads / kWarpSize);
constexpr int kTiles = kWarpColumns / 8;
constexpr int kRowStride = kMostSize + 8;  // Of bf16; other banks for each row.
constexpr int kWeightStride = kKeys + 8;

// Rows whose blocks of keys are spread, and the memory that they may take.
constexpr int64_t kSpreadRows = 8;
constexpr int64_t kSpreadBytes = int64_t{256} << 20;
// Blocks of keys that one block of threads folds: a megabyte for its 16 heads.
constexpr int kMostFolded = 16;

struct AttentionParams {
  BatchView batch;
  View q;
  View rope;
  View selected;
  View block;
  View out;
  const float* sink;
  const int32_t* count;
  StateView state;
  float* partial;     // [rows, blocks, heads, size + 2]; NULL: not spread.
  int32_t* counters;  // [rows, groups of heads]; NULL: a second kernel folds.
  int32_t blocks;     // That there is room for.
  int32_t window;
  float scale;
  bool reference;
};

struct Shared {
  alignas(16) uint16_t q[kHeads][kRowStride];
  alignas(16) uint16_t keys[kKeys][kRowStride];
  uint16_t weights[2][kHeads][kWeightStride];
  float scores[kHeads][kKeys + 1];
  ItemPlace places[kKeys];
  float highest[kHeads];
  float denominators[kHeads];
  float shrink[kHeads];
};

// The keys of a row in the order of their sum: window, oldest first, compressed
// entries, rows of a drafter's block.
struct RowKeys {
  int session;
  int window_first;
  int window_count;
  int entry_count;
  int block_first;
  int block_count;
};

BALEEN_DEVICE RowKeys KeysOf(const AttentionParams& params, int row) {
  RowKeys keys;
  keys.session = params.batch.sessions[row];
  keys.entry_count = keys.block_first = keys.block_count = 0;
  const int position = params.batch.positions[row];
  int window_end = position + 1;
  if (params.block.data != nullptr) {
    keys.block_first = params.batch.starts[keys.session];
    keys.block_count = params.batch.starts[keys.session + 1] - keys.block_first;
    window_end = params.batch.positions[keys.block_first];
  } else if (params.selected.data != nullptr) {
    keys.entry_count = params.count[row];
  } else {
    keys.entry_count = VisibleEntries(params.state, position);
  }
  const int first = window_end - params.window;
  keys.window_first = first > 0 ? first : 0;
  keys.window_count = window_end - keys.window_first;
  return keys;
}

BALEEN_DEVICE int KeyCount(const RowKeys& keys) {
  return keys.window_count + keys.entry_count + keys.block_count;
}

BALEEN_DEVICE ItemPlace KeyAt(const AttentionParams& params,
                              const RowKeys& keys, int row, int i) {
  if (i < keys.window_count) {
    return WindowAt(params.state, params.batch.slots[keys.session],
                    keys.window_first + i);
  }
  i -= keys.window_count;
  if (i < keys.entry_count) {
    const int entry = params.selected.data == nullptr
                          ? i
                          : RowOf<const int32_t>(params.selected, row)[i];
    return PagedAt(params.state, BALEEN_POOL_ENTRIES,
                   params.batch.pages + keys.session * params.batch.page_stride,
                   entry);
  }
  uint8_t* const data =
      RowOf<uint8_t>(params.block, keys.block_first + (i - keys.entry_count));
  return {data, data + EntryDataBytes(params.state)};
}

// Eight columns of an entry as bf16.
BALEEN_DEVICE Words4 DecodeEight(const ItemPlace& entry, int plain,
                                 int column) {
  Words4 out = {{0, 0, 0, 0}};
  if (entry.data == nullptr) return out;
  if (column >= plain) {
    const uint8_t* from = entry.data + plain + 2 * (column - plain);
    const Words2 low = Load8(from);
    const Words2 high = Load8(from + 8);
    return {{low.at[0], low.at[1], high.at[0], high.at[1]}};
  }
  const Words2 codes = Load8(entry.data + column);
  const uint32_t scale = E8m0Pair(entry.scales[column / kEntryGroup]);
#pragma unroll
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

BALEEN_DEVICE void LoadQueries(const AttentionParams& params, int row,
                               int first_head, Shared* shared) {
  const int chunks = params.q.size2 / 8;
  for (int i = Thread(); i < kHeads * chunks; i += kThreads) {
    const int head = first_head + i / chunks;
    ActivationRow from = {};
    if (head < params.q.size1) {
      from = RowAt(params.q, row, head, params.q.size1);
    }
    *reinterpret_cast<Words4*>(&shared->q[i / chunks][i % chunks * 8]) =
        LoadActivations(from, i % chunks * 8, params.q.size2);
  }
}

// Keys [first, first + 64) to shared memory, zeros for those there are not.
BALEEN_DEVICE void LoadKeys(const AttentionParams& params, const RowKeys& keys,
                            int row, int first, Shared* shared) {
  const int count = KeyCount(keys);
  for (int i = Thread(); i < kKeys; i += kThreads) {
    ItemPlace place = {nullptr, nullptr};
    if (first + i < count) place = KeyAt(params, keys, row, first + i);
    shared->places[i] = place;
  }
  __syncthreads();
  const int size = params.q.size2;
  const int chunks = size / 8;
  for (int i = Thread(); i < kKeys * chunks; i += kThreads) {
    const int key = i / chunks;
    const int column = i % chunks * 8;
    *reinterpret_cast<Words4*>(&shared->keys[key][column]) =
        DecodeEight(shared->places[key], PlainSize(params.state), column);
  }
  __syncthreads();
}

// Scores of the heads with the keys in shared memory, a warp for eight keys; by
// runs of 128 columns, so that few roundings follow each other.
BALEEN_DEVICE void ScoreKeys(const AttentionParams& params, int count,
                             Shared* shared) {
  const int size = params.q.size2;
  const int g = Lane() / 4;
  const int t = Lane() % 4;
  float scores[4] = {0, 0, 0, 0};
  for (int run = 0; run < size; run += 128) {
    float sums[4] = {0, 0, 0, 0};
    for (int k = run; k < run + 128 && k < size; k += 32) {
      const Words4 upper = Load16(&shared->q[g][k + 8 * t]);
      const Words4 lower = Load16(&shared->q[g + 8][k + 8 * t]);
      const Words4 key = Load16(&shared->keys[WarpIndex() * 8 + g][k + 8 * t]);
#pragma unroll
      for (int step = 0; step < 2; ++step) {
        const uint32_t a[4] = {upper.at[2 * step], lower.at[2 * step],
                               upper.at[2 * step + 1], lower.at[2 * step + 1]};
        MultiplyBf16(a, key.at[2 * step], key.at[2 * step + 1], sums);
      }
    }
#pragma unroll
    for (int c = 0; c < 4; ++c) scores[c] += sums[c];
  }
#pragma unroll
  for (int c = 0; c < 4; ++c) {
    const int key = WarpIndex() * 8 + 2 * t + c % 2;
    shared->scores[g + c / 2 * 8][key] =
        key < count ? scores[c] * params.scale : -INFINITY;
  }
  __syncthreads();
}

// The largest of 16 lanes that share a head.
BALEEN_DEVICE float HeadLargest(float value) {
  for (int step = 8; step > 0; step /= 2) {
    value = Larger(value, __shfl_xor_sync(kFullWarp, value, step));
  }
  return value;
}
BALEEN_DEVICE float HeadSum(float value) {
  for (int step = 8; step > 0; step /= 2) {
    value += __shfl_xor_sync(kFullWarp, value, step);
  }
  return value;
}

// Largest scores so far; the first sweep of reference mode.
BALEEN_DEVICE void RaiseHighest(Shared* shared) {
  const int head = Thread() / 16;
  float largest = shared->highest[head];
  for (int i = Thread() % 16; i < kKeys; i += 16) {
    largest = Larger(shared->scores[head][i], largest);
  }
  largest = HeadLargest(largest);
  __syncthreads();
  if (Thread() % 16 == 0) shared->highest[head] = largest;
  __syncthreads();
}

// Weights of the block's keys against its largest score, or in reference mode
// against that of all; sixteen threads to a head.
struct BlockStats {
  float highest;
  float denominator;
};
BALEEN_DEVICE BlockStats WeighKeys(bool reference, Shared* shared) {
  const int head = Thread() / 16;
  BlockStats stats = {shared->highest[head], 0};
  if (!reference) {
    stats.highest = -INFINITY;
    for (int i = Thread() % 16; i < kKeys; i += 16) {
      stats.highest = Larger(shared->scores[head][i], stats.highest);
    }
    stats.highest = HeadLargest(stats.highest);
  }
  for (int i = Thread() % 16; i < kKeys; i += 16) {
    const float weight = expf(shared->scores[head][i] - stats.highest);
    stats.denominator += weight;
    const uint16_t upper = Bf16FromFloat(weight);
    shared->weights[0][head][i] = upper;
    shared->weights[1][head][i] =
        reference ? uint16_t{0} : Bf16FromFloat(weight - Bf16ToFloat(upper));
  }
  stats.denominator = HeadSum(stats.denominator);
  return stats;
}

// sums = weights * keys, for the warp's 64 columns.
BALEEN_DEVICE void AddKeys(const Shared& shared, int size, bool reference,
                           float (*sums)[4]) {
  const int g = Lane() / 4;
  const int t = Lane() % 4;
  const int column = WarpIndex() * kWarpColumns;
  if (column >= size) return;
  for (int k = 0; k < kKeys; k += 16) {
    uint32_t a[2][4];
#pragma unroll
    for (int part = 0; part < 2; ++part) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        a[part][i] = *reinterpret_cast<const uint32_t*>(
            &shared.weights[part][g + i % 2 * 8][k + 2 * t + i / 2 * 8]);
      }
    }
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      const int at = column + n * 8 + g;
      const uint16_t(*keys)[kRowStride] = &shared.keys[k + 2 * t];
      const uint32_t b0 = static_cast<uint32_t>(keys[0][at]) |
                          static_cast<uint32_t>(keys[1][at]) << 16;
      const uint32_t b1 = static_cast<uint32_t>(keys[8][at]) |
                          static_cast<uint32_t>(keys[9][at]) << 16;
      MultiplyBf16(a[0], b0, b1, sums[n]);
      if (!reference) MultiplyBf16(a[1], b0, b1, sums[n]);
    }
  }
}

// What two runs of keys are shrunk by when they are joined, and the joined
// largest score.
struct Fold {
  float before;
  float here;
  float highest;
};
BALEEN_DEVICE Fold FoldOf(float before, float here) {
  const float highest = Larger(here, before);
  return {expf(before - highest), expf(here - highest), highest};
}

// Columns `column` and the next of a head: over the denominator, turned back,
// stored.
BALEEN_DEVICE void StorePair(const AttentionParams& params, int row, int head,
                             int column, float denominator, float a, float b) {
  const int size = params.q.size2;
  const int plain = PlainSize(params.state);
  float pair[2] = {RoundIf(params.reference, a / denominator),
                   RoundIf(params.reference, b / denominator)};
  if (column >= plain) {
    RopeRow rope = RopeAt(params.rope, params.batch.positions[row]);
    rope.cosines += (column - plain) / 2;
    rope.sines += (column - plain) / 2;
    RotatePairBack(rope, 0, pair);
  }
  const int in_group = params.out.size2 / size;
  uint16_t* out = RowOf<uint16_t>(params.out, row, head / in_group) +
                  head % in_group * size + column;
  out[0] = Bf16FromFloat(pair[0]);
  out[1] = Bf16FromFloat(pair[1]);
}

BALEEN_DEVICE float* PartialAt(const AttentionParams& params, int row,
                               int block, int head) {
  return params.partial +
         ((int64_t{row} * params.blocks + block) * params.q.size1 + head) *
             (params.q.size2 + 2);
}

// One block of keys, its weights and sums from zero.
BALEEN_DEVICE BlockStats AttendBlock(const AttentionParams& params,
                                     const RowKeys& keys, int row, int first,
                                     Shared* shared, float (*sums)[4]) {
  LoadKeys(params, keys, row, first, shared);
  ScoreKeys(params, KeyCount(keys) - first, shared);
  const BlockStats stats = WeighKeys(params.reference, shared);
  __syncthreads();
  AddKeys(*shared, params.q.size2, params.reference, sums);
  return stats;
}

BALEEN_DEVICE int BlocksOfRow(const AttentionParams& params, int row) {
  return (KeyCount(KeysOf(params, row)) + kKeys - 1) / kKeys;
}

// Folds the blocks of a head, a thread for each two columns.
BALEEN_DEVICE void FoldHead(const AttentionParams& params, int row, int head,
                            int blocks) {
  const int size = params.q.size2;
  const int column = 2 * Thread();
  if (column >= size) return;
  float highest = -INFINITY;
  float denominator = 0;
  float a = 0;
  float b = 0;
  for (int block = 0; block < blocks; ++block) {
    const float* from = PartialAt(params, row, block, head);
    const Fold fold = FoldOf(highest, from[size]);
    denominator = denominator * fold.before + from[size + 1] * fold.here;
    a = a * fold.before + from[column] * fold.here;
    b = b * fold.before + from[column + 1] * fold.here;
    highest = fold.highest;
  }
  denominator += expf(params.sink[head] - highest);
  StorePair(params, row, head, column, denominator, a, b);
}

// With few rows: a block of keys for each block of threads.
__global__ void __launch_bounds__(kThreads)
    SpreadKernel(AttentionParams params) {
  Shared* const shared = static_cast<Shared*>(SharedMemory());
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  const int first_head = static_cast<int>(blockIdx.y) * kHeads;
  const int block = static_cast<int>(blockIdx.z);
  if (row >= RowsOf(params.batch, params.q.size0)) return;
  const RowKeys keys = KeysOf(params, row);
  if (block * kKeys >= KeyCount(keys)) return;
  LoadQueries(params, row, first_head, shared);
  float sums[kTiles][4] = {};
  const BlockStats stats =
      AttendBlock(params, keys, row, block * kKeys, shared, sums);
  const int size = params.q.size2;
  const int head = first_head + Thread() / 16;
  if (Thread() % 16 == 0 && head < params.q.size1) {
    float* to = PartialAt(params, row, block, head) + size;
    to[0] = stats.highest;
    to[1] = stats.denominator;
  }
  const bool works = WarpIndex() * kWarpColumns < size;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      const int to_head = first_head + Lane() / 4 + c / 2 * 8;
      if (!works || to_head >= params.q.size1) continue;
      PartialAt(params, row, block, to_head)[WarpIndex() * kWarpColumns +
                                             n * 8 + Lane() % 4 * 2 + c % 2] =
          sums[n][c];
    }
  }
  if (params.counters == nullptr) return;
  const int blocks = BlocksOfRow(params, row);
  if (!IsLastBlock(params.counters + int64_t{row} * gridDim.y + blockIdx.y,
                   blocks)) {
    return;
  }
  for (int i = first_head; i < first_head + kHeads && i < params.q.size1; ++i) {
    FoldHead(params, row, i, blocks);
  }
}

// A block of threads for each head.
__global__ void __launch_bounds__(kThreads) FoldKernel(AttentionParams params) {
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  if (row >= RowsOf(params.batch, params.q.size0)) return;
  FoldHead(params, row, static_cast<int>(blockIdx.y), BlocksOfRow(params, row));
}

// With many rows, and in reference mode: all keys of a row.
__global__ void __launch_bounds__(kThreads)
    AttentionKernel(AttentionParams params) {
  Shared* const shared = static_cast<Shared*>(SharedMemory());
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  const int first_head = static_cast<int>(blockIdx.y) * kHeads;
  if (row >= RowsOf(params.batch, params.q.size0)) return;
  const RowKeys keys = KeysOf(params, row);
  const int count = KeyCount(keys);
  LoadQueries(params, row, first_head, shared);
  if (Thread() < kHeads) {
    shared->highest[Thread()] = -INFINITY;
    shared->denominators[Thread()] = 0;
  }
  __syncthreads();
  for (int first = 0; params.reference && first < count; first += kKeys) {
    LoadKeys(params, keys, row, first, shared);
    ScoreKeys(params, count - first, shared);
    RaiseHighest(shared);
  }
  float totals[kTiles][4] = {};
  float highest = -INFINITY;  // Of the thread's head, sixteen to each.
  float denominator = 0;
  for (int first = 0; first < count; first += kKeys) {
    float sums[kTiles][4] = {};
    const BlockStats stats =
        AttendBlock(params, keys, row, first, shared, sums);
    const Fold fold = FoldOf(highest, stats.highest);
    denominator = denominator * fold.before + stats.denominator * fold.here;
    highest = fold.highest;
    if (Thread() % 16 == 0) {
      shared->shrink[Thread() / 16] = fold.before;
      shared->denominators[Thread() / 16] = fold.here;
    }
    __syncthreads();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float before = shared->shrink[Lane() / 4 + half * 8];
      const float here = shared->denominators[Lane() / 4 + half * 8];
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
#pragma unroll
        for (int c = 2 * half; c < 2 * half + 2; ++c) {
          totals[n][c] = totals[n][c] * before + sums[n][c] * here;
        }
      }
    }
    __syncthreads();
  }
  const int own_head = first_head + Thread() / 16;
  if (Thread() % 16 == 0 && own_head < params.q.size1) {
    shared->denominators[Thread() / 16] =
        denominator + expf(params.sink[own_head] - highest);
  }
  __syncthreads();
  if (WarpIndex() * kWarpColumns >= params.q.size2) return;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int head = Lane() / 4 + half * 8;
      if (first_head + head >= params.q.size1) continue;
      StorePair(params, row, first_head + head,
                WarpIndex() * kWarpColumns + n * 8 + Lane() % 4 * 2,
                shared->denominators[head], totals[n][2 * half],
                totals[n][2 * half + 1]);
    }
  }
}

// Most blocks of keys that a row can have.
int64_t MostBlocks(const baleen_sparse_attn_args& args) {
  int64_t keys = args.window;
  if (args.block != nullptr) {
    keys += args.block->size[0];
  } else if (args.selected != nullptr) {
    keys += args.selected->size[1];
  } else if (args.state->shape.ratio != 0) {
    const baleen_batch& batch = *args.common.batch;
    const int64_t limit = batch.position_limit != 0
                              ? int64_t{batch.position_limit}
                              : batch.pages->size[1] * kPagePositions;
    keys += limit / args.state->shape.ratio;
  }
  return (keys + kKeys - 1) / kKeys;
}

int64_t BytesOfRow(const baleen_sparse_attn_args& args) {
  return MostBlocks(args) * args.q->size[1] * (args.q->size[2] + 2) *
         int64_t{sizeof(float)};
}

int64_t HeadGroups(const baleen_sparse_attn_args& args) {
  return (args.q->size[1] + kHeads - 1) / kHeads;
}

// For how many rows there is memory to spread their keys.
int64_t SpreadRows(const baleen_sparse_attn_args& args) {
  if (args.common.mode == BALEEN_MODE_REFERENCE) return 0;
  int64_t rows = kSpreadBytes / BytesOfRow(args);
  if (rows > kSpreadRows) rows = kSpreadRows;
  return rows < args.q->size[0] ? rows : args.q->size[0];
}

}  // namespace

const char* SparseAttnRefusal(const baleen_sparse_attn_args& args) {
  if (args.state == nullptr) return "there is no state";
  const baleen_state_shape& shape = args.state->shape;
  const char* error = StateShapeError(shape);
  if (error != nullptr) return error;
  if (shape.head_size > kMostSize || shape.head_size % kWarpColumns != 0) {
    return "the size of a head is not a multiple of 64 up to 512";
  }
  if (!IsTensor(args.q, BALEEN_TYPE_BF16, 3, shape.head_size)) {
    return "q does not fit the state";
  }
  const int64_t heads = args.q->size[1];
  if (!IsTensor(args.sink, BALEEN_TYPE_F32, 1, heads)) {
    return "sink does not fit q";
  }
  if (!IsRope(args.rope, shape.rope_size)) {
    return "rope does not fit the state";
  }
  if (!IsType(args.out, BALEEN_TYPE_BF16) || !IsRows(args.out, 3) ||
      args.out->size[2] % shape.head_size != 0 ||
      args.out->size[1] * args.out->size[2] != heads * shape.head_size) {
    return "out is not bf16 [T, G, H / G * K]";
  }
  if (args.selected != nullptr && (!IsType(args.selected, BALEEN_TYPE_I32) ||
                                   !IsType(args.count, BALEEN_TYPE_I32))) {
    return "selected or count is not i32";
  }
  if (args.selected != nullptr && shape.ratio == 0) {
    return "a layer of ratio 0 has no compressed entries";
  }
  const int64_t plain = int64_t{shape.head_size} - shape.rope_size;
  if (args.block != nullptr &&
      (!IsTensor(
           args.block, BALEEN_TYPE_BYTE, 2,
           plain + 2 * shape.rope_size + (plain / kEntryGroup + 7) / 8 * 8) ||
       args.block->stride[0] % 8 != 0)) {
    return "block is not a row of entries";
  }
  if (args.window == 0 || args.window > shape.ring_rows) {
    return "the window is empty, or larger than its ring";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

void SparseAttnNeeds(const Device&, const baleen_sparse_attn_args& args,
                     baleen_op_needs* needs) {
  needs->launches = 2;
  needs->scratch_bytes =
      static_cast<uint64_t>(SpreadRows(args) * BytesOfRow(args));
  needs->persistent_bytes =
      static_cast<uint64_t>(SpreadRows(args) * HeadGroups(args)) *
      sizeof(int32_t);
}

baleen_status SparseAttnRun(const Queue& queue,
                            const baleen_sparse_attn_args& args) {
  AttentionParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.q = ViewOf(args.q);
  params.rope = ViewOf(args.rope);
  params.selected = ViewOf(args.selected);
  params.block = ViewOf(args.block);
  params.out = ViewOf(args.out);
  params.sink = static_cast<const float*>(args.sink->data);
  params.count = args.count == nullptr
                     ? nullptr
                     : static_cast<const int32_t*>(args.count->data);
  params.state = StateOf(args.state);
  params.blocks = static_cast<int32_t>(MostBlocks(args));
  params.window = static_cast<int32_t>(args.window);
  params.scale = args.scale;
  params.reference = args.common.mode == BALEEN_MODE_REFERENCE;
  const int64_t rows = RowBound(queue, args.q->size[0]);
  const int64_t groups = HeadGroups(args);
  const size_t shared = sizeof(Shared);
  if (rows <= SpreadRows(args)) {
    params.partial = static_cast<float*>(args.common.scratch);
    const bool folds = params.blocks <= kMostFolded;
    if (folds) params.counters = static_cast<int32_t*>(args.common.persistent);
    baleen_status status = AllowShared(*queue.device, SpreadKernel, shared);
    if (status == BALEEN_OK) {
      status = Launch(queue, SpreadKernel, Grid(rows, groups, params.blocks),
                      kThreads, shared, params);
    }
    if (status != BALEEN_OK || folds) return status;
    return Launch(queue, FoldKernel, Grid(rows, args.q->size[1]), kThreads, 0,
                  params);
  }
  const baleen_status status =
      AllowShared(*queue.device, AttentionKernel, shared);
  if (status != BALEEN_OK) return status;
  return Launch(queue, AttentionKernel, Grid(rows, groups), kThreads, shared,
                params);
}

}  // namespace baleen::cuda
