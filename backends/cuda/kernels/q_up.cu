// Queries of all heads from the query rank: a product, then each head's norm and
// rotation.
//
// With few rows the last of the blocks whose tiles make a head finishes it; with
// many a kernel of its own does.
#include "cuda/kernels/few_rows.h"
#include "cuda/kernels/fused.h"
#include "cuda/kernels/indexer_q.h"
#include "cuda/kernels/row_ops.h"
#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int64_t kFinishedRows =
    8;  // By the product's kernel, a warp for each.

struct HeadsParams {
  BatchView batch;
  View products;  // f32 [T, H * K]
  View rope;
  View q;
  float epsilon;
  int32_t rope_size;
  bool reference;
};

// A head of a row by a warp, in x of its own: its norm, in reference mode in bf16
// step by step, and rotation (model.md §6).
BALEEN_DEVICE void FinishHead(const HeadsParams& params, int row, int head,
                              float* x) {
  const int size = params.q.size2;
  const bool round = params.reference;
  const float* from =
      RowOf<const float>(params.products, row) + int64_t{head} * size;
  for (int i = Lane(); i < size; i += kWarpSize) x[i] = RoundIf(round, from[i]);
  __syncwarp();
  float inverse;
  if (round) {
    double sum = 0;
    for (int i = Lane(); i < size; i += kWarpSize) {
      sum += static_cast<double>(RoundToBf16(x[i] * x[i]));
    }
    const float mean = RoundToBf16(
        static_cast<float>(WarpSum(sum) / static_cast<double>(size)));
    inverse = RoundToBf16(1.0f / sqrtf(RoundToBf16(mean + params.epsilon)));
  } else {
    inverse = WarpInverseRms(x, size, params.epsilon);
  }
  for (int i = Lane(); i < size; i += kWarpSize) {
    x[i] = RoundIf(round, x[i] * inverse);
  }
  __syncwarp();
  const RopeRow rope = RopeAt(params.rope, params.batch.positions[row]);
  float* const turned = x + size - params.rope_size;
  for (int i = Lane(); i < params.rope_size / 2; i += kWarpSize) {
    RotatePair(rope, i, turned);
  }
  __syncwarp();
  uint16_t* out = RowOf<uint16_t>(params.q, row, head);
  for (int i = Lane(); i < size; i += kWarpSize) out[i] = Bf16FromFloat(x[i]);
}

// A warp for each head.
__global__ void __launch_bounds__(kThreads) HeadsKernel(HeadsParams params) {
  __shared__ float heads[kWarps][kMaxHeadSize];
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  const int head = static_cast<int>(blockIdx.y) * kWarps + WarpIndex();
  if (row >= RowsOf(params.batch, params.q.size0) || head >= params.q.size1) {
    return;
  }
  FinishHead(params, row, head, heads[WarpIndex()]);
}

struct QueryParams {
  ProductParams product;  // Part 0 is that of the heads, part 1 the indexer's.
  HeadsParams heads;
  IndexerQParams index;  // Its heads are finished too, if there are any.
  int32_t* counters;     // One for each head.
};

static_assert(kFewThreads == kThreads && kWarps == kFinishedRows);

// By the last block of threads whose tile is part of a head: finishes it, a warp
// for each row.
BALEEN_DEVICE void FinishTile(const QueryParams& params, int part, int tile,
                              float (*heads)[kMaxHeadSize]) {
  const bool index = part != 0;
  if (index && params.index.iq.data == nullptr) return;
  const int tiles =
      (index ? params.index.iq.size2 : params.heads.q.size2) / kTileRows;
  const int head = tile / tiles;
  const int counter = index ? params.heads.q.size1 + head : head;
  if (!IsLastBlock(params.counters + counter, tiles)) return;
  const int row = WarpIndex();
  if (row >= RowsOf(params.heads.batch, params.heads.q.size0)) return;
  if (index) {
    FinishIndexHead(params.index, row, head, heads[row]);
  } else {
    FinishHead(params.heads, row, head, heads[row]);
  }
}

__global__ void __launch_bounds__(kFewThreads, 2)
    QueryKernel(QueryParams params) {
  __shared__ float heads[kWarps][kMaxHeadSize];
  int tile = static_cast<int>(blockIdx.x);
  const int part = FindPart(params.product, 1, &tile);
  if (FewRows<1>(params.product, part, tile)) {
    FinishTile(params, part, tile, heads);
  }
}

__global__ void __launch_bounds__(kFewThreads, 2)
    StreamQueryKernel(QueryParams params) {
  __shared__ float heads[kWarps][kMaxHeadSize];
  StreamRows<1>(params.product, [&](int part, int tile) {
    FinishTile(params, part, tile, heads);
  });
}

}  // namespace

const char* QUpRefusal(const baleen_q_up_args& args) {
  if (!IsRounded(args.query_rounded) || !IsRows(args.query_rounded, 2)) {
    return "query_rounded is not of this device's format";
  }
  if (!IsType(args.q, BALEEN_TYPE_BF16) || !IsRows(args.q, 3) ||
      args.q->size[2] > kMaxHeadSize || args.rope_size > args.q->size[2]) {
    return "q is not bf16 [T, H, K] with K up to 1024";
  }
  if (args.iq != nullptr &&
      (!IsType(args.iq, BALEEN_TYPE_BF16) || !IsRows(args.iq, 3) ||
       args.iq->stride[1] != args.iq->size[2])) {
    return "iq is not bf16 [T, I, J] with heads that follow each other";
  }
  if (!IsRope(args.rope, args.rope_size)) return "rope is not f32";
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->positions, BALEEN_TYPE_I32)) {
    return "there are no positions";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
  for (uint32_t i = 0; i < (args.iq == nullptr ? 1u : 2u); ++i) {
    if (reason != nullptr) return reason;
    reason = ProductRefusal(args.weight, i, *args.query_rounded, nullptr);
    if (reason != nullptr || args.weight == nullptr) return reason;
    const baleen_tensor& out = i == 0 ? *args.q : *args.iq;
    if (FromHandle(args.weight)->matrices()[i].rows !=
        out.size[1] * out.size[2]) {
      return "the weight has other rows";
    }
  }
  return reason;
}

void QUpNeeds(const Device&, const baleen_q_up_args& args,
              baleen_op_needs* needs) {
  needs->launches = 2;
  needs->scratch_bytes =
      static_cast<uint64_t>(args.q->size[0] * args.q->size[1] *
                            args.q->size[2]) *
      sizeof(float);
  needs->persistent_bytes =
      static_cast<uint64_t>(args.q->size[1] +
                            (args.iq == nullptr ? 0 : args.iq->size[1])) *
      sizeof(int32_t);
}

namespace {

QueryParams QueryOf(const baleen_q_up_args& args) {
  const Matrix* matrices = FromHandle(args.weight)->matrices();
  const int64_t rows = args.q->size[0];
  QueryParams params = {};
  params.product = ProductOf(args.common, BALEEN_COUNT_ROWS, rows);
  const View in = ViewOf(args.query_rounded);
  const View products = ScratchView(args.common.scratch, BALEEN_TYPE_F32, rows,
                                    args.q->size[1] * args.q->size[2]);
  AddPart(&params.product, matrices[0], in, products);
  if (args.iq != nullptr) {
    AddPart(&params.product, matrices[1], in, ViewOf(args.iq));
  }
  HeadsParams& heads = params.heads;
  heads.batch = params.product.batch;
  heads.products = products;
  heads.rope = ViewOf(args.rope);
  heads.q = ViewOf(args.q);
  heads.epsilon = args.epsilon;
  heads.rope_size = static_cast<int32_t>(args.rope_size);
  heads.reference = args.common.mode == BALEEN_MODE_REFERENCE;
  params.counters = static_cast<int32_t*>(args.common.persistent);
  return params;
}

bool Finishes(const Queue& queue, const baleen_q_up_args& args) {
  return RowBound(queue, args.q->size[0]) <= kFinishedRows &&
         args.q->size[2] % kTileRows == 0;
}

baleen_status RunFinishing(const Queue& queue, QueryParams params) {
  constexpr size_t kDeclared =
      sizeof(SliceSums<1>) + sizeof(float[kWarps][kMaxHeadSize]);
  const int64_t tiles = GridTiles(params.product, 1);
  const int64_t blocks = StreamBlocks(queue, kDeclared, tiles);
  if (blocks == 0) {
    return Launch(queue, QueryKernel, Grid(tiles), kFewThreads, 0, params);
  }
  params.product.tiles = static_cast<int32_t>(tiles);
  return LaunchStream(queue, StreamQueryKernel, Grid(blocks), kFewThreads,
                      params);
}

struct Range {
  const uint8_t* begin;
  const uint8_t* end;
};
bool Overlap(const Range& a, const Range& b) {
  return a.begin < b.end && b.begin < a.end;
}

Range DataOf(const baleen_tensor& tensor) {
  const uint8_t* begin = static_cast<const uint8_t*>(tensor.data);
  const int64_t bytes = tensor.type == BALEEN_TYPE_F32    ? 4
                        : tensor.type == BALEEN_TYPE_BF16 ? 2
                                                          : 1;
  return {begin, begin + tensor.size[0] * tensor.stride[0] * bytes};
}
// No more than one for each 32 elements.
Range ScalesOf(const baleen_tensor& tensor) {
  const uint8_t* begin = static_cast<const uint8_t*>(tensor.scales);
  if (begin == nullptr) return {nullptr, nullptr};
  return {begin, begin + tensor.size[0] * tensor.stride[0] / 32};
}

// What is dead after q_up may lie where indexer_q writes; then some blocks would
// write what others still read.
bool Reuses(const baleen_q_up_args& up, const baleen_indexer_q_args& index) {
  for (const Range& read :
       {DataOf(*up.query_rounded), ScalesOf(*up.query_rounded)}) {
    for (const Range& written :
         {DataOf(*index.iq_rounded), ScalesOf(*index.iq_rounded),
          DataOf(*index.head_weight)}) {
      if (Overlap(read, written)) return true;
    }
  }
  return false;
}

}  // namespace

baleen_status QUpRun(const Queue& queue, const baleen_q_up_args& args) {
  const QueryParams params = QueryOf(args);
  if (Finishes(queue, args)) return RunFinishing(queue, params);
  const baleen_status status = RunProduct(queue, params.product);
  if (status != BALEEN_OK) return status;
  return Launch(queue, HeadsKernel,
                Grid(RowBound(queue, args.q->size[0]),
                     (args.q->size[1] + kWarps - 1) / kWarps),
                kThreads, 0, params.heads);
}

bool RunQueries(const Queue& queue, const baleen_q_up_args& up,
                const baleen_indexer_q_args& index, baleen_status* status) {
  if (!Finishes(queue, up) || up.iq == nullptr || index.iq == nullptr ||
      index.iq->data != up.iq->data || up.iq->size[2] % kTileRows != 0 ||
      Reuses(up, index)) {
    return false;
  }
  QueryParams params = QueryOf(up);
  params.index = IndexerQOf(index);
  *status = RunFinishing(queue, params);
  return true;
}

}  // namespace baleen::cuda
