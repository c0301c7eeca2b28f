// Scores of the indexer, sixteen keys at a time (state.h), as products of bytes.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "cpu/batch.h"
#include "cpu/blocked/row_ops.h"
#include "cpu/reference/quantize.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

constexpr float kQuarter = 0.25f;  // Both factors are doubled.

// Keys that a thread takes: so many that arranging the queries, which it does
// itself, is little beside them, and so few that all threads have some.
constexpr int64_t kMostKeysOfTask = 4096;
constexpr int64_t kLeastKeysOfTask = 512;
constexpr int64_t kTasksOfRow = 32;

int64_t KeysOfTask(const baleen_indexer_score_args& args) {
  const int64_t keys = args.scores->size[1] / kTasksOfRow / kKeysTogether;
  return std::clamp(keys * kKeysTogether, kLeastKeysOfTask, kMostKeysOfTask);
}

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

void ScoreKeys(const RowKernels& kernels, const baleen_indexer_score_args& args,
               const BatchView& batch, int64_t row, int64_t first,
               const Memory& memory) {
  const baleen_state_shape& shape = args.state->shape;
  const int64_t visible = std::min(VisibleEntries(shape, batch.positions[row]),
                                   args.scores->size[1]);
  const int64_t end = std::min(visible, first + KeysOfTask(args));
  if (first >= end) return;
  const ScoreQueries queries = Prepare(args, row, memory);
  const PagedEntries keys(*args.state, BALEEN_POOL_KEYS,
                          batch.PagesOf(batch.sessions[row]));
  for (int64_t key = first; key < end; key += kKeysTogether) {
    const uint8_t* group = keys.Page(key) + keys.InPage(key) / kKeysTogether *
                                                KeyGroupBytes(shape);
    float scores[kKeysTogether];
    kernels.score(queries, group, scores);
    StoreScores(*args.scores, row, key, std::min(kKeysTogether, end - key),
                scores);
  }
}

int64_t Runs(const baleen_indexer_score_args& args) {
  return (args.scores->size[1] + KeysOfTask(args) - 1) / KeysOfTask(args);
}

}  // namespace

const char* IndexerScoreBlockedAccepts(const baleen_indexer_score_args& args) {
  const char* error = IndexerScoreReferenceAccepts(args);
  if (error != nullptr) return error;
  return PageEntries(args.state->shape) % kKeysTogether == 0
             ? nullptr
             : "pages are not of 16 keys";
}

template <const RowKernels& kKernels>
baleen_status IndexerScoreBlocked(const Queue& queue,
                                  const baleen_indexer_score_args& args) {
  const BatchView batch(*args.common.batch);
  const int64_t runs = Runs(args);
  const baleen_tensor& iq = *args.iq_rounded;
  ForRows(queue, args.common.scratch, batch.rows * runs, Memory::Bytes(iq),
          [&](int64_t i, uint8_t* memory) {
            ScoreKeys(kKernels, args, batch, i / runs,
                      i % runs * KeysOfTask(args), Memory(iq, memory));
          });
  return BALEEN_OK;
}

void IndexerScoreBlockedNeeds(const Device&,
                              const baleen_indexer_score_args& args,
                              baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.iq_rounded->size[0] * Runs(args),
                                       Memory::Bytes(*args.iq_rounded));
}

BALEEN_CPU_INSTANTIATE(indexer_score, IndexerScore)

}  // namespace baleen::cpu
