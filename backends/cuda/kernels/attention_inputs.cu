// What goes into the attention state: qkv_post and compress, which one launch does
// where it may; and step_plan, which this device does without.
#include "cuda/kernels/fused.h"
#include "cuda/kernels/row_ops.h"
#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kThreads = 256;

// ---- qkv_post ------------------------------------------------------------------

struct QkvParams {
  BatchView batch;
  View query;
  View kv;
  View q_norm;
  View kv_norm;
  View rope;
  View query_rounded;
  View block;
  StateView state;
  float epsilon;
  int32_t plain;
  int32_t rotated;
  bool reference;
};

// A row normed by bf16 weights, in shared memory, rounded to bf16 if `round`.
BALEEN_DEVICE void NormRow(const View& from, int row, int size,
                           const View& norm, float epsilon, bool round,
                           float* x, float* memory) {
  for (int i = Thread(); i < size; i += Threads()) x[i] = FloatAt(from, row, i);
  const float inverse = BlockInverseRms(x, size, epsilon, memory);
  const uint16_t* by = reinterpret_cast<const uint16_t*>(norm.data);
  for (int i = Thread(); i < size; i += Threads()) {
    x[i] = RoundIf(round, Bf16ToFloat(by[i]) * (x[i] * inverse));
  }
  __syncthreads();
}

// A row of kv or of the query, by a block.
BALEEN_DEVICE void PostRow(const QkvParams& params, int row, bool query) {
  __shared__ float memory;
  float* const x = static_cast<float*>(SharedMemory());
  if (row >= RowsOf(params.batch, params.kv.size0)) return;
  if (query) {
    const int size = params.query.size1;
    NormRow(params.query, row, size, params.q_norm, params.epsilon, true, x,
            &memory);
    BlockStoreRounded(params.query_rounded, row, x, size);
    return;
  }
  NormRow(params.kv, row, params.plain + params.rotated, params.kv_norm,
          params.epsilon, params.reference, x, &memory);
  const int position = params.batch.positions[row];
  const RopeRow rope = RopeAt(params.rope, position);
  for (int i = Thread(); i < params.rotated / 2; i += Threads()) {
    RotatePair(rope, i, x + params.plain);
  }
  __syncthreads();
  ItemPlace entry;
  if (params.block.data != nullptr) {
    entry.data = RowOf<uint8_t>(params.block, row);
    entry.scales = entry.data + params.plain + 2 * params.rotated;
  } else {
    entry = WindowAt(params.state,
                     params.batch.slots[params.batch.sessions[row]], position);
  }
  BlockEncodeEntry(x, params.plain, params.rotated, entry);
}

// Two blocks for each row: one for kv, one for the query.
__global__ void __launch_bounds__(kThreads) QkvKernel(QkvParams params) {
  WaitForInputs();
  PostRow(params, static_cast<int>(blockIdx.x), blockIdx.y == 1);
}

// ---- compress ------------------------------------------------------------------------

struct CompressParams {
  BatchView batch;
  View value;
  View gate;
  View ape;
  View norm;
  View rope;
  const int32_t* frozen;
  StateView state;
  baleen_pool pool;
  int32_t size;
  int32_t limit;
  float epsilon;
  bool reference;
  bool keeps_tail;  // No group of the step reads what its rows replace.
};

// Value and gate of a channel at a position of a row's group: where the step
// brings it, or from the tail.
struct GroupValue {
  float value;
  float gate;
};

struct GroupReader {
  const CompressParams* params;
  int row;         // That ends the group.
  int last;        // Its position.
  int step_first;  // The step's first of the session.
  int slot;

  __device__ GroupValue At(int position, int i) const {
    const StateView& state = params->state;
    const int halves = OverlapOf(state);
    const int size = params->size;
    // The group before gives its first half, this one its second.
    if (halves == 2 && position > last - state.ratio) i += size;
    if (position >= step_first) {
      const int from = row - (last - position);
      return {RowOf<const float>(params->value, from)[i],
              RowOf<const float>(params->gate, from)[i] +
                  RowOf<const float>(params->ape, position % state.ratio)[i]};
    }
    const float* stored =
        TailAt(state, slot, position) + TailOffset(state, params->pool);
    return {stored[i], stored[halves * size + i]};
  }
};

// A softmax over the positions of a group for channel `i`, and their values.
BALEEN_DEVICE float PoolChannel(const GroupReader& group, int first, int i) {
  float highest = -INFINITY;
  for (int p = first; p <= group.last; ++p) {
    highest = fmaxf(highest, group.At(p, i).gate);
  }
  float sum = 0;
  for (int p = first; p <= group.last; ++p) {
    sum += expf(group.At(p, i).gate - highest);
  }
  float value = 0;
  for (int p = first; p <= group.last; ++p) {
    const GroupValue at = group.At(p, i);
    value += at.value * (expf(at.gate - highest) / sum);
  }
  return value;
}

// A key, transformed, by the first warp: packed e2m1 and scales.
BALEEN_DEVICE void EncodeKey(const CompressParams& params, float* x,
                             const ItemPlace& key) {
  TransformWarp(x, params.size, params.reference);
  for (int group = 0; group < params.size / kKeyGroup; ++group) {
    uint8_t scale;
    const uint32_t code = WarpFp4(x[group * kKeyGroup + Lane()], &scale);
    const uint32_t next = __shfl_xor_sync(kFullWarp, code, 1);
    if (Lane() == 0) key.scales[group] = scale;
    if (Lane() % 2 == 0) {
      key.data[group * (kKeyGroup / 2) + Lane() / 2] =
          static_cast<uint8_t>(code | next << 4);
    }
  }
}

// A row to the tail, unless a later one of the step has its place there.
BALEEN_DEVICE void StoreTail(const CompressParams& params, int row) {
  const StateView& state = params.state;
  const int position = params.batch.positions[row];
  const int session = params.batch.sessions[row];
  const int last = params.batch.positions[params.batch.starts[session + 1] - 1];
  if (position + state.tail_rows <= last) return;
  const int width = OverlapOf(state) * params.size;
  const float* value = RowOf<const float>(params.value, row);
  const float* gate = RowOf<const float>(params.gate, row);
  const float* ape = RowOf<const float>(params.ape, position % state.ratio);
  float* stored = TailAt(state, params.batch.slots[session], position) +
                  TailOffset(state, params.pool);
  for (int i = Thread(); i < width; i += Threads()) {
    stored[i] = value[i];
    stored[width + i] = gate[i] + ape[i];
  }
}

// A block for each row; those that end no group, or one that is frozen, have
// nothing to do.
BALEEN_DEVICE void CompressRow(const CompressParams& params, int row) {
  __shared__ float x[kMaxHeadSize];
  __shared__ float memory;
  if (row >= RowsOf(params.batch, params.limit)) return;
  if (params.keeps_tail) StoreTail(params, row);
  const StateView& state = params.state;
  const int position = params.batch.positions[row];
  const int session = params.batch.sessions[row];
  const int entry = position / state.ratio;
  if ((position + 1) % state.ratio != 0) return;
  if (params.frozen != nullptr && entry < params.frozen[session]) return;
  const GroupReader group = {
      &params, row, position,
      params.batch.positions[params.batch.starts[session]],
      params.batch.slots[session]};
  const int wanted = position + 1 - OverlapOf(state) * state.ratio;
  const int first = wanted > 0 ? wanted : 0;
  const int size = params.size;
  const bool round = params.reference;
  for (int i = Thread(); i < size; i += Threads()) {
    x[i] = RoundIf(round, PoolChannel(group, first, i));
  }
  const float inverse = BlockInverseRms(x, size, params.epsilon, &memory);
  const uint16_t* norm = reinterpret_cast<const uint16_t*>(params.norm.data);
  for (int i = Thread(); i < size; i += Threads()) {
    x[i] = RoundIf(round, Bf16ToFloat(norm[i]) * (x[i] * inverse));
  }
  __syncthreads();
  const RopeRow rope = RopeAt(params.rope, entry * state.ratio);
  const int plain = size - state.rope_size;
  for (int i = Thread(); i < state.rope_size / 2; i += Threads()) {
    RotatePair(rope, i, x + plain);
  }
  __syncthreads();
  const ItemPlace place =
      PagedAt(state, params.pool,
              params.batch.pages + session * params.batch.page_stride, entry);
  if (params.pool == BALEEN_POOL_ENTRIES) {
    for (int i = Thread(); i < size; i += Threads()) {
      x[i] = RoundIf(round, x[i]);
    }
    __syncthreads();
    BlockEncodeEntry(x, plain, state.rope_size, place);
  } else if (WarpIndex() == 0) {
    EncodeKey(params, x, place);
  }
}

__global__ void __launch_bounds__(kThreads)
    CompressKernel(CompressParams params) {
  WaitForInputs();
  CompressRow(params, static_cast<int>(blockIdx.x));
}

// The step's last rows to the tail, when all groups have been read.
__global__ void __launch_bounds__(kThreads) TailKernel(CompressParams params) {
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  if (row < RowsOf(params.batch, params.limit)) StoreTail(params, row);
}

// All that is made of a layer's projections but its queries: kv, the query rank,
// entries and keys, a block for each row and kind.
struct InputsParams {
  QkvParams qkv;
  CompressParams compressed[2];
};

__global__ void __launch_bounds__(kThreads) InputsKernel(InputsParams params) {
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  const int kind = static_cast<int>(blockIdx.y);
  if (kind < 2) {
    PostRow(params.qkv, row, kind == 1);
  } else {
    CompressRow(params.compressed[kind - 2], row);
  }
}

int64_t PooledSize(const baleen_compress_args& args) {
  return args.pool == BALEEN_POOL_KEYS ? args.state->shape.key_size
                                       : args.state->shape.head_size;
}

}  // namespace

const char* QkvPostRefusal(const baleen_qkv_post_args& args) {
  if (!IsFloats(args.kv) || !IsRows(args.kv, 2)) {
    return "kv is neither bf16 nor f32 [T, K]";
  }
  const int64_t size = args.kv->size[1];
  if (args.rope == nullptr || args.rope->rank != 3 ||
      !IsRope(args.rope, 2 * args.rope->size[2])) {
    return "rope is not f32 [positions, 2, rope_size / 2]";
  }
  const int64_t rotated = 2 * args.rope->size[2];
  if (size > kMaxHeadSize || rotated > size || rotated % 8 != 0 ||
      (size - rotated) % kEntryGroup != 0) {
    return "kv has no groups of 64 besides a part that is rotated";
  }
  if ((args.state == nullptr) == (args.block == nullptr)) {
    return "kv goes either to the state or to a block";
  }
  if (args.state != nullptr) {
    const baleen_state_shape& shape = args.state->shape;
    const char* error = StateShapeError(shape);
    if (error != nullptr) return error;
    if (shape.head_size != size || shape.rope_size != rotated) {
      return "kv or rope does not fit the state";
    }
  }
  if (!IsTensor(args.kv_norm, BALEEN_TYPE_BF16, 1, size)) {
    return "kv_norm does not fit kv";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  const int64_t entry =
      size + rotated + ((size - rotated) / kEntryGroup + 7) / 8 * 8;
  if (args.block != nullptr &&
      !IsTensor(args.block, BALEEN_TYPE_BYTE, 2, entry)) {
    return "block is not a row of entries";
  }
  if (args.query == nullptr) return nullptr;
  // With what the kernel declares, 48 KB of shared memory.
  constexpr int64_t kMostRank = 12000;
  if (!IsFloats(args.query) || !IsRows(args.query, 2) ||
      args.query->size[1] > kMostRank) {
    return "query is neither bf16 nor f32 [T, Q]";
  }
  if (!IsTensor(args.q_norm, BALEEN_TYPE_BF16, 1, args.query->size[1])) {
    return "q_norm does not fit query";
  }
  if (!IsRounded(args.query_rounded) || args.query_rounded->rank != 2 ||
      args.query_rounded->size[1] != args.query->size[1]) {
    return "query_rounded is not of this device's format";
  }
  return nullptr;
}

void QkvPostNeeds(const Device&, const baleen_qkv_post_args&,
                  baleen_op_needs*) {}

namespace {

QkvParams QkvOf(const baleen_qkv_post_args& args) {
  QkvParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.query = ViewOf(args.query);
  params.kv = ViewOf(args.kv);
  params.q_norm = ViewOf(args.q_norm);
  params.kv_norm = ViewOf(args.kv_norm);
  params.rope = ViewOf(args.rope);
  params.query_rounded = ViewOf(args.query_rounded);
  params.block = ViewOf(args.block);
  params.state = StateOf(args.state);
  params.epsilon = args.epsilon;
  params.rotated = static_cast<int32_t>(2 * args.rope->size[2]);
  params.plain = static_cast<int32_t>(args.kv->size[1]) - params.rotated;
  params.reference = args.common.mode == BALEEN_MODE_REFERENCE;
  return params;
}

size_t QkvShared(const QkvParams& params) {
  const int32_t longest = params.query.size1 > params.kv.size1
                              ? params.query.size1
                              : params.kv.size1;
  return static_cast<size_t>(longest) * sizeof(float);
}

}  // namespace

baleen_status QkvPostRun(const Queue& queue, const baleen_qkv_post_args& args) {
  const QkvParams params = QkvOf(args);
  return Launch(
      queue, QkvKernel,
      Grid(RowBound(queue, args.kv->size[0]), args.query == nullptr ? 1 : 2),
      kThreads, QkvShared(params), params);
}

const char* CompressRefusal(const baleen_compress_args& args) {
  if (args.state == nullptr) return "there is no state";
  const baleen_state_shape& shape = args.state->shape;
  const char* error = StateShapeError(shape);
  if (error != nullptr) return error;
  if (shape.ratio == 0) return "a layer of ratio 0 has no compressor";
  if (args.pool != BALEEN_POOL_ENTRIES && args.pool != BALEEN_POOL_KEYS) {
    return "the pool is neither that of entries nor that of keys";
  }
  const int64_t size = PooledSize(args);
  if (args.pool == BALEEN_POOL_KEYS &&
      (size == 0 || (size & (size - 1)) != 0)) {
    return "the size of an indexer key is not a power of two";
  }
  const int64_t width = (shape.ratio == 4 ? 2 : 1) * size;
  if (!IsTensor(args.value, BALEEN_TYPE_F32, 2, width) ||
      !IsTensor(args.gate, BALEEN_TYPE_F32, 2, width)) {
    return "value or gate does not fit the state";
  }
  if (!IsTensor(args.ape, BALEEN_TYPE_F32, 2, width) ||
      args.ape->size[0] != int64_t{shape.ratio}) {
    return "ape does not fit the state";
  }
  if (!IsTensor(args.norm, BALEEN_TYPE_BF16, 1, size)) {
    return "norm does not fit the state";
  }
  if (!IsRope(args.rope, shape.rope_size)) {
    return "rope does not fit the state";
  }
  if (args.frozen != nullptr && !IsType(args.frozen, BALEEN_TYPE_I32)) {
    return "frozen is not i32 [S]";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

void CompressNeeds(const Device&, const baleen_compress_args&,
                   baleen_op_needs* needs) {
  needs->launches = 2;
}

namespace {

CompressParams CompressOf(const Queue& queue,
                          const baleen_compress_args& args) {
  CompressParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.value = ViewOf(args.value);
  params.gate = ViewOf(args.gate);
  params.ape = ViewOf(args.ape);
  params.norm = ViewOf(args.norm);
  params.rope = ViewOf(args.rope);
  params.frozen = args.frozen == nullptr
                      ? nullptr
                      : static_cast<const int32_t*>(args.frozen->data);
  params.state = StateOf(args.state);
  params.pool = args.pool;
  params.size = static_cast<int32_t>(PooledSize(args));
  params.limit = static_cast<int32_t>(args.value->size[0]);
  params.epsilon = args.epsilon;
  params.reference = args.common.mode == BALEEN_MODE_REFERENCE;
  // A group reaches back so far before the step's first row: no row of the step
  // has the place of one that is read.
  params.keeps_tail = RowBound(queue, args.value->size[0]) +
                          OverlapOf(params.state) * params.state.ratio <=
                      params.state.tail_rows;
  return params;
}

}  // namespace

baleen_status CompressRun(const Queue& queue,
                          const baleen_compress_args& args) {
  const CompressParams params = CompressOf(queue, args);
  const dim3 grid = Grid(RowBound(queue, args.value->size[0]));
  const baleen_status status =
      Launch(queue, CompressKernel, grid, kThreads, 0, params);
  if (status != BALEEN_OK || params.keeps_tail) return status;
  return Launch(queue, TailKernel, grid, kThreads, 0, params);
}

bool RunInputs(const Queue& queue, const baleen_qkv_post_args& qkv,
               const baleen_compress_args* const* compressed, int count,
               baleen_status* status) {
  InputsParams params = {};
  params.qkv = QkvOf(qkv);
  const int64_t rows = RowBound(queue, qkv.kv->size[0]);
  // With what is declared, 48 KB of shared memory.
  constexpr size_t kMostShared = 40 << 10;
  if (qkv.query == nullptr || QkvShared(params.qkv) > kMostShared) return false;
  for (int i = 0; i < count; ++i) {
    params.compressed[i] = CompressOf(queue, *compressed[i]);
    if (!params.compressed[i].keeps_tail ||
        RowBound(queue, compressed[i]->value->size[0]) != rows) {
      return false;
    }
  }
  *status = Launch(queue, InputsKernel, Grid(rows, 2 + count), kThreads,
                   QkvShared(params.qkv), params);
  return true;
}

// ---- step_plan --------------------------------------------------------------------------

// Kernels find pages and groups in the batch as they go; a plan is a few zeros
// all the same, so that whoever plans for any device need not care.
constexpr uint64_t kPlanBytes = 64;

const char* StepPlanRefusal(const baleen_step_plan_args& args) {
  if (args.kind_count != 0 && args.kinds == nullptr) {
    return "there are no kinds of layers";
  }
  for (uint32_t i = 0; i < args.kind_count; ++i) {
    const char* error = StateShapeError(args.kinds[i]);
    if (error != nullptr) return error;
  }
  if (args.plan != nullptr && args.plan->data != nullptr &&
      (args.plan->rank != 1 ||
       args.plan->size[0] < static_cast<int64_t>(kPlanBytes))) {
    return "the plan is too short";
  }
  return nullptr;
}

void StepPlanNeeds(const Device&, const baleen_step_plan_args&,
                   baleen_op_needs* needs) {
  needs->out_bytes = kPlanBytes;
}

baleen_status StepPlanRun(const Queue& queue,
                          const baleen_step_plan_args& args) {
  if (args.plan == nullptr || args.plan->data == nullptr) {
    return queue.device->Fail(BALEEN_INVALID_ARGUMENT,
                              "step_plan: there is no room for a plan");
  }
  return queue.device->Check(
      cudaMemsetAsync(args.plan->data, 0, kPlanBytes, queue.stream),
      "clearing a plan");
}

}  // namespace baleen::cuda
