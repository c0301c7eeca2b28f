// Queries arranged for the kernels of row_kernels.h, and scores by them.
#include "cpu/blocked/score_rows.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "cpu/reference/quantize.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

constexpr float kQuarter = 0.25f;  // Both factors are doubled.

// Keys that a task takes, besides kMostScoreKeys: so many that arranging the
// queries, which it does itself, is little beside them, and so few that all
// threads have some.
constexpr int64_t kLeastKeysOfTask = 512;
constexpr int64_t kTasksOfRow = 32;

// Heads of a task that unpacked keys serve; more save little, and their queries
// would not stay in the second cache.
constexpr int64_t kHeadsOfTask = 256;

struct Memory {
  Memory(const baleen_tensor& iq, uint8_t* memory)
      : runs(reinterpret_cast<int32_t*>(memory)),
        folded_runs(runs + iq.size[1] * iq.size[2] / 4),
        offsets(folded_runs + iq.size[1] * iq.size[2] / 4),
        folded_offsets(offsets + Blocks(iq)),
        scales(reinterpret_cast<float*>(folded_offsets + iq.size[1])),
        folded_scales(scales + Blocks(iq)) {}

  static int64_t Blocks(const baleen_tensor& iq) {
    return iq.size[1] * iq.size[2] / kKeyGroup;
  }
  static int64_t Bytes(const baleen_tensor& iq) {
    return 2 * iq.size[1] * iq.size[2] +
           2 * (Blocks(iq) + iq.size[1]) * static_cast<int64_t>(sizeof(float));
  }

  int32_t* runs;
  int32_t* folded_runs;
  int32_t* offsets;
  int32_t* folded_offsets;
  float* scales;
  float* folded_scales;
};

// Twice the values of a head, as bytes.
const int8_t* HeadBytes(const baleen_tensor& iq, int64_t row, int64_t head,
                        int8_t* place) {
  const int64_t first = row * iq.stride[0] + head * iq.stride[1];
  const uint8_t* data = static_cast<const uint8_t*>(iq.data);
  if (iq.type == BALEEN_TYPE_I8) {
    return reinterpret_cast<const int8_t*>(data) + first;
  }
  for (int64_t i = 0; i < iq.size[2]; ++i) {
    place[i] = static_cast<int8_t>(Fp4Twice(Fp4CodeAt(data + first / 2, i)));
  }
  return place;
}

// Of each eight bytes the four even ones first, then the odd ones.
void Separate(const int8_t* bytes, int64_t count, int32_t* out) {
  static_assert(kKeyChunk == 8);
  for (int64_t i = 0; i < count; i += kKeyChunk) {
    uint64_t both;
    std::memcpy(&both, bytes + i, sizeof(both));
    const auto even = [](uint64_t x) {
      x &= 0x00FF00FF00FF00FFu;
      x = (x | x >> 8) & 0x0000FFFF0000FFFFu;
      return static_cast<int32_t>(static_cast<uint32_t>(x | x >> 16));
    };
    *out++ = even(both);
    *out++ = even(both >> 8);
  }
}

// A head of scales that differ by little; false: they do not.
bool FoldHead(const int8_t* twice, int64_t size, const uint8_t* scales,
              int64_t head, const Memory& memory) {
  constexpr int32_t kFoldedOffset = 12 << kKeyFold;
  const int64_t blocks = size / kKeyGroup;
  const auto [least, most] = std::minmax_element(scales, scales + blocks);
  if (*least < kLeastFoldedScale || *most > kMostFoldedScale ||
      *most - *least > kQueryFold) {
    return false;
  }
  int8_t folded[kMaxHeadSize];
  int32_t sum = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const int factor = 1 << (scales[block] - *least);
    for (int64_t i = block * kKeyGroup; i < (block + 1) * kKeyGroup; ++i) {
      folded[i] = static_cast<int8_t>(twice[i] * factor);
      sum += folded[i];
    }
  }
  Separate(folded, size, memory.folded_runs + head * size / 4);
  memory.folded_offsets[head] = -kFoldedOffset * sum;
  memory.folded_scales[head] = kQuarter * E8m0ToFloat(*least);
  return true;
}

// The queries of a row as the kernels want them.
ScoreQueries Prepare(const baleen_indexer_score_args& args, int64_t row,
                     const Memory& memory) {
  constexpr int32_t kKeyOffset = 12;
  const baleen_tensor& iq = *args.iq_rounded;
  const int64_t heads = iq.size[1];
  const int64_t size = iq.size[2];
  const int64_t blocks = size / kKeyGroup;
  bool folded = true;
  for (int64_t head = 0; head < heads; ++head) {
    int8_t place[kMaxHeadSize];
    const int8_t* twice = HeadBytes(iq, row, head, place);
    const uint8_t* scales =
        static_cast<const uint8_t*>(iq.scales) + (row * heads + head) * blocks;
    Separate(twice, size, memory.runs + head * size / 4);
    for (int64_t block = 0; block < blocks; ++block) {
      const int8_t* first = twice + block * kKeyGroup;
      memory.offsets[head * blocks + block] =
          -kKeyOffset * std::accumulate(first, first + kKeyGroup, 0);
      memory.scales[head * blocks + block] =
          kQuarter * E8m0ToFloat(scales[block]);
    }
    folded = folded && FoldHead(twice, size, scales, head, memory);
  }
  ScoreQueries queries = {};
  queries.heads = heads;
  queries.size = size;
  queries.runs = memory.runs;
  queries.offsets = memory.offsets;
  queries.scales = memory.scales;
  queries.weights = RowOf<const float>(*args.head_weight, row);
  queries.round = args.common.mode == BALEEN_MODE_REFERENCE;
  queries.folded_runs = folded ? memory.folded_runs : nullptr;
  queries.folded_offsets = memory.folded_offsets;
  queries.folded_scales = memory.folded_scales;
  return queries;
}

void StoreScores(const baleen_tensor& out, int64_t row, int64_t first,
                 int64_t count, const float* scores) {
  if (out.type == BALEEN_TYPE_F32) {
    std::copy(scores, scores + count, RowOf<float>(out, row) + first);
    return;
  }
  uint16_t* to = RowOf<uint16_t>(out, row) + first;
  for (int64_t i = 0; i < count; ++i) to[i] = Bf16FromFloat(scores[i]);
}

// A group's keys times the queries of some rows.
void ScoreGroup(const RowKernels& kernels,
                const baleen_indexer_score_args& args, const RowBlock& block,
                const ScoreQueries* queries, const int64_t* visible,
                const uint8_t* group, int64_t key) {
  UnpackedKeys keys;
  const int64_t count = block.end - block.first;
  for (const bool fold : {true, false}) {
    bool unpacked = false;
    for (int64_t r = 0; r < count; ++r) {
      const int64_t seen = std::min(kKeysTogether, visible[r] - key);
      if (seen <= 0 || (queries[r].folded_runs != nullptr) != fold) continue;
      if (!unpacked) kernels.unpack_keys(queries[r].size, group, fold, &keys);
      unpacked = true;
      float scores[kKeysTogether];
      kernels.score(queries[r], keys, scores);
      StoreScores(*args.scores, block.first + r, key, seen, scores);
    }
  }
}

}  // namespace

int64_t KeysOfScoreTask(const baleen_indexer_score_args& args) {
  const int64_t keys = args.scores->size[1] / kTasksOfRow / kKeysTogether;
  return std::clamp(keys * kKeysTogether, kLeastKeysOfTask, kMostScoreKeys);
}

int64_t ScoreTasksOfBlock(const baleen_indexer_score_args& args) {
  return (args.scores->size[1] + KeysOfScoreTask(args) - 1) /
         KeysOfScoreTask(args);
}

int64_t VisibleKeys(const baleen_indexer_score_args& args,
                    const BatchView& batch, int64_t row) {
  return std::min(VisibleEntries(args.state->shape, batch.positions[row]),
                  args.scores->size[1]);
}

int64_t RowsOfScoreTask(const baleen_tensor& iq) {
  return std::clamp<int64_t>(kHeadsOfTask / std::max<int64_t>(iq.size[1], 1), 1,
                             kMostScoreRows);
}

int64_t ScoreRowsBytes(const baleen_tensor& iq) {
  return RowsOfScoreTask(iq) * AlignScratch(Memory::Bytes(iq));
}

void ScoreRows(const RowKernels& kernels, const baleen_indexer_score_args& args,
               const BatchView& batch, const RowBlock& block, int64_t first,
               int64_t end, uint8_t* memory) {
  ScoreQueries queries[kMostScoreRows];
  int64_t visible[kMostScoreRows];
  const int64_t bytes = AlignScratch(Memory::Bytes(*args.iq_rounded));
  int64_t most = 0;
  for (int64_t r = 0; r < block.end - block.first; ++r) {
    const int64_t row = block.first + r;
    visible[r] = std::min(VisibleKeys(args, batch, row), end);
    most = std::max(most, visible[r]);
    if (visible[r] <= first) continue;
    queries[r] =
        Prepare(args, row, Memory(*args.iq_rounded, memory + r * bytes));
  }
  const KeyGroups keys(args, batch, block.session);
  for (int64_t key = first; key < most; key += kKeysTogether) {
    ScoreGroup(kernels, args, block, queries, visible, keys.At(key), key);
  }
}

}  // namespace baleen::cpu
