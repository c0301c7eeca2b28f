// The residual streams: embedding, what happens between two half-layers, and
// the end of the last (model.md §4, §5).
//
// A boundary has two parts.  The first goes over columns: it ends the half
// before, and of each run of 128 columns gives the sums that the mixes are made
// of.  The second, a block for each row, adds the runs up, and makes the next
// half's input.  With few rows the last block of a row's first part does the
// second; with many they are two kernels.
#include "cuda/kernels/row_ops.h"
#include "cuda/launch.h"
#include "cuda/operators.h"
#include "cuda/weights.h"

namespace baleen::cuda {
namespace {

constexpr int kRun = 128;    // Columns of a run.
constexpr int kRunRows = 8;  // Rows that a block of threads does after another.
constexpr int kMostStreams = 8;
constexpr int kMostMixes = (2 + kMostStreams) * kMostStreams;
constexpr int kJoinThreads = 256;
constexpr int64_t kFewRows = 8;  // Whose boundary is one kernel.

// ---- embed ---------------------------------------------------------------------

struct EmbedParams {
  BatchView batch;
  View streams;
  const uint16_t* table;
  int32_t table_rows;
};

// A block for each row.
__global__ void EmbedKernel(EmbedParams params) {
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  if (row >= RowsOf(params.batch, params.streams.size0)) return;
  const int token = params.batch.tokens[row];
  const bool there = token >= 0 && token < params.table_rows;
  const int size = params.streams.size2;
  for (int i = Thread(); i < size; i += Threads()) {
    // A token that is none has no row to read.
    const uint16_t value =
        there ? params.table[int64_t{token} * size + i] : uint16_t{0};
    for (int m = 0; m < params.streams.size1; ++m) {
      RowOf<uint16_t>(params.streams, row, m)[i] = value;
    }
  }
}

// ---- The first part -------------------------------------------------------------

struct StreamParams {
  BatchView batch;
  View y;  // [T, D], or parts [P, T, D].
  View post;
  View mix;
  View fn;
  View streams;
  View mean;
  float* sums;  // [T, runs, mixes + 1]: products with fn, then the squares.
};

BALEEN_DEVICE float SublayerOutput(const View& y, int row, int i) {
  if (y.type == BALEEN_TYPE_BF16) {
    return Bf16ToFloat(RowOf<const uint16_t>(y, row)[i]);
  }
  float sum = 0;
  for (int part = 0; part < y.size0; ++part) {
    sum += RowOf<const float>(y, part, row)[i];
  }
  return RoundToBf16(sum);
}

// Column `i` of the streams of a row, the half before ended.
BALEEN_DEVICE void EndHalf(const StreamParams& params, int row, int i,
                           float* x) {
  const int streams = params.streams.size1;
  for (int j = 0; j < streams; ++j) {
    x[j] = Bf16ToFloat(RowOf<const uint16_t>(params.streams, row, j)[i]);
  }
  if (params.y.data != nullptr) {
    const float y = SublayerOutput(params.y, row, i);
    float before[kMostStreams];
    for (int j = 0; j < streams; ++j) before[j] = x[j];
    const float* post = RowOf<const float>(params.post, row);
    for (int k = 0; k < streams; ++k) {
      float sum = 0;
      for (int j = 0; j < streams; ++j) {
        sum += RowOf<const float>(params.mix, row, j)[k] * before[j];
      }
      const uint16_t bits = Bf16FromFloat(post[k] * y + sum);
      RowOf<uint16_t>(params.streams, row, k)[i] = bits;
      x[k] = Bf16ToFloat(bits);
    }
  }
  if (params.mean.data != nullptr) {
    float sum = 0;
    for (int j = 0; j < streams; ++j) sum += x[j];
    RowOf<uint16_t>(params.mean, row)[i] =
        Bf16FromFloat(sum / static_cast<float>(streams));
  }
}

// Column sums of a row's run by the first kRun threads, `i` the thread's column;
// all of the block must call it.
BALEEN_DEVICE void SumRun(const StreamParams& params, int row, int i,
                          float (*warps)[kMostMixes + 1]) {
  const int size = params.streams.size2;
  const int streams = params.streams.size1;
  const int mixes = params.fn.size0;
  if (Thread() < kRun) {
    float x[kMostStreams] = {};
    if (i < size) EndHalf(params, row, i, x);
    for (int o = 0; o <= mixes; ++o) {
      float sum = 0;
      for (int j = 0; j < streams && i < size; ++j) {
        const float by =
            o < mixes ? RowOf<const float>(params.fn, o)[j * size + i] : x[j];
        sum = fmaf(by, x[j], sum);
      }
      sum = WarpSum(sum);
      if (Lane() == 0) warps[WarpIndex()][o] = sum;
    }
  }
  __syncthreads();
  for (int o = Thread(); o <= mixes; o += Threads()) {
    float sum = 0;
    for (int w = 0; w < kRun / kWarpSize; ++w) sum += warps[w][o];
    params.sums[(int64_t{row} * gridDim.x + blockIdx.x) * (mixes + 1) + o] =
        sum;
  }
}

__global__ void __launch_bounds__(kRun) StreamKernel(StreamParams params) {
  __shared__ float warps[kRun / kWarpSize][kMostMixes + 1];
  WaitForInputs();
  const int rows = RowsOf(params.batch, params.streams.size0);
  const int i = static_cast<int>(blockIdx.x) * kRun + Thread();
  const int first = static_cast<int>(blockIdx.y) * kRunRows;
  for (int row = first; row < first + kRunRows && row < rows; ++row) {
    SumRun(params, row, i, warps);
    __syncthreads();
  }
}

// ---- The second part --------------------------------------------------------------

struct JoinParams {
  BatchView batch;
  const float* sums;
  int32_t runs;
  int32_t mixes;
  bool head;  // hc_head: rows are those of outputs, and mixes are pre alone.
  View base;
  View scale;
  View norm;
  View streams;
  View u;
  View u_rounded;
  View post;
  View mix;
  View joined;
  float hc_epsilon;
  float norm_epsilon;
  int32_t iterations;
};

BALEEN_DEVICE float Sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// Rows, then columns of m sum to one, by one thread: for more streams than a
// warp has lanes for their products.
BALEEN_DEVICE void SinkhornAlone(int streams, int iterations, float epsilon,
                                 float* m) {
  for (int iteration = 0; iteration < iterations; ++iteration) {
    for (int j = 0; j < streams && iteration > 0; ++j) {
      float sum = 0;
      for (int k = 0; k < streams; ++k) sum += m[j * streams + k];
      for (int k = 0; k < streams; ++k) m[j * streams + k] /= sum + epsilon;
    }
    for (int k = 0; k < streams; ++k) {
      float sum = 0;
      for (int j = 0; j < streams; ++j) sum += m[j * streams + k];
      for (int j = 0; j < streams; ++j) m[j * streams + k] /= sum + epsilon;
    }
  }
}

// The same by a warp, a lane for each of m.
BALEEN_DEVICE void SinkhornWarp(int streams, int iterations, float epsilon,
                                float* m) {
  const int j = Lane() / streams;
  const int k = Lane() % streams;
  const bool works = Lane() < streams * streams;
  float value = works ? m[Lane()] : 1.0f;
  for (int iteration = 0; iteration < iterations; ++iteration) {
    if (iteration > 0) {
      float sum = 0;
      for (int i = 0; i < streams; ++i) {
        sum += __shfl_sync(kFullWarp, value, j * streams + i);
      }
      value /= sum + epsilon;
    }
    float sum = 0;
    for (int i = 0; i < streams; ++i) {
      sum += __shfl_sync(kFullWarp, value, i * streams + k);
    }
    value /= sum + epsilon;
  }
  if (works) m[Lane()] = value;
}

// pre, post and mix of a row from its mixes, by the first warp.
BALEEN_DEVICE void SplitMixes(const JoinParams& params, const float* mixes,
                              float* pre, float* post, float* mix) {
  const int streams = params.streams.size1;
  const float* base = reinterpret_cast<const float*>(params.base.data);
  const float* scale = reinterpret_cast<const float*>(params.scale.data);
  if (Lane() < streams) {
    pre[Lane()] =
        Sigmoid(mixes[Lane()] * scale[0] + base[Lane()]) + params.hc_epsilon;
  }
  if (params.head) return;
  if (Lane() < streams) {
    const int i = streams + Lane();
    post[Lane()] = 2.0f * Sigmoid(mixes[i] * scale[1] + base[i]);
  }
  for (int i = Lane(); i < streams * streams; i += kWarpSize) {
    mix[i] = mixes[2 * streams + i] * scale[2] + base[2 * streams + i];
  }
  __syncwarp();
  if (Lane() < streams) {
    float* row = mix + Lane() * streams;
    float highest = row[0];
    for (int k = 1; k < streams; ++k) highest = Larger(row[k], highest);
    float sum = 0;
    for (int k = 0; k < streams; ++k) {
      row[k] = expf(row[k] - highest);
      sum += row[k];
    }
    for (int k = 0; k < streams; ++k) {
      row[k] = row[k] / sum + params.hc_epsilon;
    }
  }
  __syncwarp();
  if (streams * streams <= kWarpSize) {
    SinkhornWarp(streams, params.iterations, params.hc_epsilon, mix);
  } else if (Lane() == 0) {
    SinkhornAlone(streams, params.iterations, params.hc_epsilon, mix);
  }
  __syncwarp();
}

// joined, of bf16, to shared memory.
BALEEN_DEVICE void JoinStreams(const JoinParams& params, int row,
                               const float* pre, float* joined) {
  const int streams = params.streams.size1;
  for (int i = Thread(); i < params.streams.size2; i += Threads()) {
    float sums[kMostStreams];
    for (int j = 0; j < streams; ++j) {
      sums[j] = pre[j] *
                Bf16ToFloat(RowOf<const uint16_t>(params.streams, row, j)[i]);
    }
    // Two by two, as the golden layers have it.
    for (int step = 1; step < streams; step *= 2) {
      for (int j = 0; j + step < streams; j += 2 * step) {
        sums[j] += sums[j + step];
      }
    }
    joined[i] = RoundToBf16(sums[0]);
  }
  __syncthreads();
}

// Row `row` of the streams, which is row `index` of what is made.
BALEEN_DEVICE void JoinRow(const JoinParams& params, int row, int index) {
  __shared__ float mixes[kMostMixes + 1];
  __shared__ float pre[kMostStreams];
  __shared__ float post[kMostStreams];
  __shared__ float mix[kMostStreams * kMostStreams];
  __shared__ float memory;
  float* const joined = static_cast<float*>(SharedMemory());
  const int streams = params.streams.size1;
  const int size = params.streams.size2;
  for (int o = Thread(); o <= params.mixes; o += Threads()) {
    float sum = 0;
    for (int run = 0; run < params.runs; ++run) {
      sum +=
          params.sums[(int64_t{row} * params.runs + run) * (params.mixes + 1) +
                      o];
    }
    mixes[o] = sum;
  }
  __syncthreads();
  if (WarpIndex() == 0) {
    const float mean = mixes[params.mixes] / static_cast<float>(streams * size);
    const float inverse = 1.0f / sqrtf(mean + params.norm_epsilon);
    __syncwarp();
    for (int o = Lane(); o < params.mixes; o += kWarpSize) mixes[o] *= inverse;
    __syncwarp();
    SplitMixes(params, mixes, pre, post, mix);
  }
  __syncthreads();
  LetNextStart();
  if (!params.head) {
    for (int i = Thread(); i < streams; i += Threads()) {
      RowOf<float>(params.post, row)[i] = post[i];
    }
    for (int i = Thread(); i < streams * streams; i += Threads()) {
      RowOf<float>(params.mix, row, i / streams)[i % streams] = mix[i];
    }
  }
  JoinStreams(params, row, pre, joined);
  if (params.joined.data != nullptr) {
    for (int i = Thread(); i < size; i += Threads()) {
      RowOf<uint16_t>(params.joined, index)[i] = Bf16FromFloat(joined[i]);
    }
  }
  const float inverse =
      BlockInverseRms(joined, size, params.norm_epsilon, &memory);
  const uint16_t* norm = reinterpret_cast<const uint16_t*>(params.norm.data);
  for (int i = Thread(); i < size; i += Threads()) {
    joined[i] = RoundToBf16(Bf16ToFloat(norm[i]) * (joined[i] * inverse));
    if (params.u.data != nullptr) {
      RowOf<uint16_t>(params.u, index)[i] = Bf16FromFloat(joined[i]);
    }
  }
  __syncthreads();
  if (params.u_rounded.data != nullptr) {
    BlockStoreRounded(params.u_rounded, index, joined, size);
  }
}

__global__ void __launch_bounds__(kJoinThreads) JoinKernel(JoinParams params) {
  WaitForInputs();
  const int index = static_cast<int>(blockIdx.x);
  const int limit = params.head ? params.u.size0 : params.streams.size0;
  if (index >= CountOf(params.batch,
                       params.head ? BALEEN_COUNT_OUTPUTS : BALEEN_COUNT_ROWS,
                       limit)) {
    return;
  }
  JoinRow(params, params.head ? params.batch.outputs[index] : index, index);
}

// Both parts, for few rows.
struct BoundaryParams {
  StreamParams streams;
  JoinParams join;
  int32_t* counters;  // One for each row.
};

__global__ void __launch_bounds__(kJoinThreads)
    BoundaryKernel(BoundaryParams params) {
  __shared__ float warps[kRun / kWarpSize][kMostMixes + 1];
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.y);
  if (row >= RowsOf(params.streams.batch, params.streams.streams.size0)) return;
  SumRun(params.streams, row, static_cast<int>(blockIdx.x) * kRun + Thread(),
         warps);
  if (IsLastBlock(params.counters + row, static_cast<int>(gridDim.x))) {
    JoinRow(params.join, row, row);
  }
}

// ---- The host's side ------------------------------------------------------------------

int64_t RunsOf(int64_t size) { return (size + kRun - 1) / kRun; }

uint64_t SumBytes(int64_t rows, int64_t size, int64_t mixes) {
  return static_cast<uint64_t>(rows * RunsOf(size) * (mixes + 1)) *
         sizeof(float);
}

template <typename Args>
const char* HyperRefusal(const Args& args, int64_t mixes) {
  if (!IsType(args.streams, BALEEN_TYPE_BF16) || !IsRows(args.streams, 3)) {
    return "streams is not bf16 [T, M, D]";
  }
  const int64_t streams = args.streams->size[1];
  const int64_t size = args.streams->size[2];
  // With what the kernel declares, 48 KB of shared memory.
  constexpr int64_t kMostHidden = 12000;
  if (streams < 1 || streams > kMostStreams)
    return "there are too many streams";
  if (size > kMostHidden) return "a row is too long for shared memory";
  if (!IsTensor(args.fn, BALEEN_TYPE_F32, 2, streams * size) ||
      args.fn->size[0] != mixes) {
    return "fn does not fit streams";
  }
  if (!IsTensor(args.base, BALEEN_TYPE_F32, 1, mixes)) {
    return "base does not fit fn";
  }
  if (!IsType(args.scale, BALEEN_TYPE_F32)) return "scale is not f32";
  if (!IsTensor(args.norm, BALEEN_TYPE_BF16, 1, size)) {
    return "norm does not fit streams";
  }
  if (args.stream_mean != nullptr &&
      !IsTensor(args.stream_mean, BALEEN_TYPE_BF16, 2, size)) {
    return "stream_mean does not fit streams";
  }
  if (args.y == nullptr) return nullptr;
  if (!IsTensor(args.y, BALEEN_TYPE_BF16, 2, size) &&
      !IsTensor(args.y, BALEEN_TYPE_F32, 3, size)) {
    return "y is neither bf16 [T, D] nor f32 [P, T, D]";
  }
  if (!IsTensor(args.post_in, BALEEN_TYPE_F32, 2, streams) ||
      !IsTensor(args.mix_in, BALEEN_TYPE_F32, 3, streams)) {
    return "post_in or mix_in does not fit streams";
  }
  return nullptr;
}

template <typename Args>
StreamParams StreamsOf(const Args& args) {
  StreamParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.y = ViewOf(args.y);
  params.post = ViewOf(args.post_in);
  params.mix = ViewOf(args.mix_in);
  params.fn = ViewOf(args.fn);
  params.streams = ViewOf(args.streams);
  params.mean = ViewOf(args.stream_mean);
  params.sums = static_cast<float*>(args.common.scratch);
  return params;
}

template <typename Args>
baleen_status RunStreams(const Queue& queue, const Args& args) {
  const int64_t rows = RowBound(queue, args.streams->size[0]);
  return Launch(
      queue, StreamKernel,
      Grid(RunsOf(args.streams->size[2]), (rows + kRunRows - 1) / kRunRows),
      kRun, 0, StreamsOf(args));
}

template <typename Args>
JoinParams JoinOf(const Args& args) {
  JoinParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.sums = static_cast<const float*>(args.common.scratch);
  params.runs = static_cast<int32_t>(RunsOf(args.streams->size[2]));
  params.mixes = static_cast<int32_t>(args.fn->size[0]);
  params.base = ViewOf(args.base);
  params.scale = ViewOf(args.scale);
  params.norm = ViewOf(args.norm);
  params.streams = ViewOf(args.streams);
  params.u = ViewOf(args.u);
  params.hc_epsilon = args.hc_epsilon;
  params.norm_epsilon = args.norm_epsilon;
  return params;
}

baleen_status RunJoin(const Queue& queue, const JoinParams& params,
                      int64_t rows) {
  return Launch(queue, JoinKernel, Grid(RowBound(queue, rows)), kJoinThreads,
                static_cast<size_t>(params.streams.size2) * sizeof(float),
                params);
}

}  // namespace

const char* EmbedRefusal(const baleen_embed_args& args) {
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->tokens, BALEEN_TYPE_I32)) {
    return "there are no tokens";
  }
  if (!IsType(args.streams, BALEEN_TYPE_BF16) || !IsRows(args.streams, 3)) {
    return "streams are not bf16 [T, M, D]";
  }
  const char* reason = KindRefusal(args.table, BALEEN_WEIGHT_TABLE);
  if (reason != nullptr || args.table == nullptr) return reason;
  return FromHandle(args.table)->matrices()[0].columns == args.streams->size[2]
             ? nullptr
             : "the table has other columns";
}

void EmbedNeeds(const Device&, const baleen_embed_args&, baleen_op_needs*) {}

baleen_status EmbedRun(const Queue& queue, const baleen_embed_args& args) {
  const Matrix& table = FromHandle(args.table)->matrices()[0];
  EmbedParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.streams = ViewOf(args.streams);
  params.table = reinterpret_cast<const uint16_t*>(table.data);
  params.table_rows = table.rows;
  return Launch(queue, EmbedKernel,
                Grid(RowBound(queue, args.streams->size[0])), 256, 0, params);
}

const char* MhcBoundaryRefusal(const baleen_mhc_boundary_args& args) {
  if (args.streams == nullptr || args.streams->rank != 3) {
    return "streams is not bf16 [T, M, D]";
  }
  const int64_t streams = args.streams->size[1];
  const int64_t size = args.streams->size[2];
  const char* reason = HyperRefusal(args, (2 + streams) * streams);
  if (reason != nullptr) return reason;
  if (args.scale->size[0] != 3) return "scale is not [3]";
  if (!IsTensor(args.post, BALEEN_TYPE_F32, 2, streams) ||
      !IsTensor(args.mix, BALEEN_TYPE_F32, 3, streams)) {
    return "post or mix does not fit streams";
  }
  if (args.u != nullptr && !IsTensor(args.u, BALEEN_TYPE_BF16, 2, size)) {
    return "u is not bf16 [T, D]";
  }
  if (args.u_rounded != nullptr &&
      (!IsRounded(args.u_rounded) || args.u_rounded->rank != 2 ||
       args.u_rounded->size[1] != size)) {
    return "u_rounded is not of this device's format";
  }
  return nullptr;
}

void MhcBoundaryNeeds(const Device&, const baleen_mhc_boundary_args& args,
                      baleen_op_needs* needs) {
  needs->scratch_bytes =
      SumBytes(args.streams->size[0], args.streams->size[2], args.fn->size[0]);
  needs->persistent_bytes = kFewRows * sizeof(int32_t);
}

baleen_status MhcBoundaryRun(const Queue& queue,
                             const baleen_mhc_boundary_args& args) {
  JoinParams params = JoinOf(args);
  params.u_rounded = ViewOf(args.u_rounded);
  params.post = ViewOf(args.post);
  params.mix = ViewOf(args.mix);
  params.iterations = static_cast<int32_t>(args.iterations);
  const int64_t rows = RowBound(queue, args.streams->size[0]);
  if (rows <= kFewRows) {
    const BoundaryParams both = {StreamsOf(args), params,
                                 static_cast<int32_t*>(args.common.persistent)};
    return Launch(queue, BoundaryKernel,
                  Grid(RunsOf(args.streams->size[2]), rows), kJoinThreads,
                  static_cast<size_t>(args.streams->size[2]) * sizeof(float),
                  both);
  }
  const baleen_status status = RunStreams(queue, args);
  if (status != BALEEN_OK) return status;
  return RunJoin(queue, params, args.streams->size[0]);
}

const char* HcHeadRefusal(const baleen_hc_head_args& args) {
  if (args.streams == nullptr || args.streams->rank != 3) {
    return "streams is not bf16 [T, M, D]";
  }
  const char* reason = HyperRefusal(args, args.streams->size[1]);
  if (reason != nullptr) return reason;
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->outputs, BALEEN_TYPE_I32)) {
    return "the batch does not say which rows are wanted";
  }
  const int64_t size = args.streams->size[2];
  if (!IsTensor(args.u, BALEEN_TYPE_BF16, 2, size) ||
      (args.joined != nullptr &&
       !IsTensor(args.joined, BALEEN_TYPE_BF16, 2, size))) {
    return "u or joined is not bf16 [R, D]";
  }
  return nullptr;
}

void HcHeadNeeds(const Device&, const baleen_hc_head_args& args,
                 baleen_op_needs* needs) {
  needs->launches = 2;
  needs->scratch_bytes =
      SumBytes(args.streams->size[0], args.streams->size[2], args.fn->size[0]);
}

baleen_status HcHeadRun(const Queue& queue, const baleen_hc_head_args& args) {
  const baleen_status status = RunStreams(queue, args);
  if (status != BALEEN_OK) return status;
  JoinParams params = JoinOf(args);
  params.head = true;
  params.joined = ViewOf(args.joined);
  return RunJoin(queue, params, args.u->size[0]);
}

}  // namespace baleen::cuda
