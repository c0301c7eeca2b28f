// Scores of the indexer with tiles of bytes (score_tiles.h): a sweep that
// arranges all queries, then tasks of some rows and keys.  Rows and keys whose
// scales do not allow it are left to the kernels of row_kernels.h, which give
// the same bits.
#if defined(__x86_64__)
#include "cpu/blocked/score_rows.h"
#include "cpu/blocked/tile_ops.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"
#include "cpu/score_tiles.h"

namespace baleen::cpu {
namespace {

// Rows of a task: enough that unpacking keys is little beside products with 16
// times as many pairs of rows and heads as a tile has.
constexpr int64_t kPairsOfTask = 1024;
constexpr int64_t kMostRowsOfTask = 64;
constexpr int64_t kMostGroupsOfTask = kMostScoreKeys / kKeysTogether;
constexpr int64_t kHeadsOfTask = 16;  // In the first sweep.

int64_t RowsOfTask(const baleen_tensor& iq) {
  return std::clamp<int64_t>(kPairsOfTask / iq.size[1], 1, kMostRowsOfTask);
}

// The arranged queries of all rows; then each task's memory for ScoreRows.
class Scratch {
 public:
  Scratch(const baleen_tensor& iq, void* memory)
      : queries(static_cast<int8_t*>(memory)),
        weights(reinterpret_cast<TileWeight*>(queries + QueryBytes(iq))),
        fits(reinterpret_cast<bool*>(weights + Pairs(iq))),
        rest(static_cast<uint8_t*>(memory) + Bytes(iq)) {}

  static int64_t Pairs(const baleen_tensor& iq) {
    return iq.size[0] * iq.size[1];
  }
  // Two tiles may be read from any pair on.
  static int64_t QueryBytes(const baleen_tensor& iq) {
    return (Pairs(iq) + 2 * kTilePairs) * kTileKeySize;
  }
  static int64_t Bytes(const baleen_tensor& iq) {
    return AlignScratch(QueryBytes(iq) +
                        Pairs(iq) * (static_cast<int64_t>(sizeof(TileWeight)) +
                                     static_cast<int64_t>(sizeof(bool))));
  }

  int8_t* queries;      // [T, heads, kTileKeySize]
  TileWeight* weights;  // [T, heads]
  bool* fits;           // [T, heads]
  uint8_t* rest;
};

void PrepareHeads(const baleen_indexer_score_args& args, int64_t row,
                  int64_t first, const Scratch& scratch) {
  const baleen_tensor& iq = *args.iq_rounded;
  const int64_t heads = iq.size[1];
  const int64_t blocks = kTileKeySize / kKeyGroup;
  const float* weights = RowOf<const float>(*args.head_weight, row);
  for (int64_t head = first; head < std::min(first + kHeadsOfTask, heads);
       ++head) {
    const int64_t pair = row * heads + head;
    scratch.fits[pair] = kAmxScoreTiles.prepare(
        static_cast<const int8_t*>(iq.data) + row * iq.stride[0] +
            head * iq.stride[1],
        static_cast<const uint8_t*>(iq.scales) + pair * blocks, weights[head],
        scratch.queries + pair * kTileKeySize, scratch.weights + pair);
  }
}

// Keys [first, end) for rows of at most RowsOfTask, some at a time.
void ScoreOtherwise(const baleen_indexer_score_args& args,
                    const BatchView& batch, RowBlock block, int64_t first,
                    int64_t end, uint8_t* memory) {
  const int64_t last = block.end;
  for (; block.first < last; block.first = block.end) {
    block.end = std::min(block.first + RowsOfScoreTask(*args.iq_rounded), last);
    ScoreRows(kAvx512RowKernels, args, batch, block, first, end, memory);
  }
}

void ScoreTask(const baleen_indexer_score_args& args, const BatchView& batch,
               const RowBlock& block, int64_t first, const Scratch& scratch,
               uint8_t* memory) {
  const int64_t heads = args.iq_rounded->size[1];
  float* scores[kMostRowsOfTask];
  int64_t visible[kMostRowsOfTask];
  const int64_t rows = block.end - block.first;
  int64_t most = first;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = block.first + r;
    const int64_t end =
        std::min(VisibleKeys(args, batch, row), first + KeysOfScoreTask(args));
    const bool* fits = scratch.fits + row * heads;
    scores[r] = RowOf<float>(*args.scores, row) + first;
    visible[r] = 0;
    if (std::all_of(fits, fits + heads, [](bool fit) { return fit; })) {
      visible[r] = end - first;
      most = std::max(most, end);
    } else {
      ScoreOtherwise(args, batch, {block.session, row, row + 1}, first, end,
                     memory);
    }
  }
  const KeyGroups keys(args, batch, block.session);
  const uint8_t* groups[kMostGroupsOfTask];
  bool refused[kMostGroupsOfTask];
  const int64_t count = keys.Find(first, most, groups);
  kAmxScoreTiles.score(
      {rows, heads, scratch.queries + block.first * heads * kTileKeySize,
       scratch.weights + block.first * heads, scores, visible},
      groups, count, refused);
  for (int64_t g = 0; g < count; ++g) {
    const int64_t begin = g;
    while (g < count && refused[g]) ++g;
    if (g == begin) continue;
    ScoreOtherwise(args, batch, block, first + begin * kKeysTogether,
                   first + g * kKeysTogether, memory);
  }
}

}  // namespace

const char* IndexerScoreTilesAccepts(const baleen_indexer_score_args& args) {
  const char* error = IndexerScoreReferenceAccepts(args);
  if (error != nullptr) return error;
  const int64_t heads = args.iq_rounded->size[1];
  if (PageEntries(args.state->shape) % kKeysTogether != 0) {
    return "pages are not of 16 keys";
  }
  if (args.iq_rounded->type != BALEEN_TYPE_I8 ||
      args.scores->type != BALEEN_TYPE_F32 ||
      args.common.mode != BALEEN_MODE_FAST) {
    return "not in fast mode";
  }
  if (args.state->shape.key_size != kTileKeySize) {
    return "keys are not of 128 elements";
  }
  return heads > 0 && heads % kTileHeads == 0
             ? nullptr
             : "the number of heads is no multiple of 4";
}

baleen_status IndexerScoreTiles(const Queue& queue,
                                const baleen_indexer_score_args& args) {
  const BatchView batch(*args.common.batch);
  const baleen_tensor& iq = *args.iq_rounded;
  const Scratch scratch(iq, args.common.scratch);
  const int64_t runs = (iq.size[1] + kHeadsOfTask - 1) / kHeadsOfTask;
  ParallelFor(queue, batch.rows * runs, [&](int64_t i) {
    PrepareHeads(args, i / runs, i % runs * kHeadsOfTask, scratch);
  });
  const RowBlocks blocks(batch, RowsOfTask(iq));
  const int64_t tasks = ScoreTasksOfBlock(args);
  ForRows(queue, scratch.rest, blocks.count() * tasks, ScoreRowsBytes(iq),
          [&](int64_t i, uint8_t* memory) {
            ScoreTask(args, batch, blocks.At(i / tasks),
                      i % tasks * KeysOfScoreTask(args), scratch, memory);
          });
  return BALEEN_OK;
}

void IndexerScoreTilesNeeds(const Device&,
                            const baleen_indexer_score_args& args,
                            baleen_op_needs* needs) {
  const baleen_tensor& iq = *args.iq_rounded;
  needs->scratch_bytes =
      static_cast<uint64_t>(Scratch::Bytes(iq)) +
      RowRunScratch(iq.size[0] * ScoreTasksOfBlock(args), ScoreRowsBytes(iq));
}

}  // namespace baleen::cpu
#endif
