// Scores of the indexer, sixteen keys at a time (state.h), as products of bytes.
#include "cpu/batch.h"
#include "cpu/blocked/row_ops.h"
#include "cpu/reference/quantize.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

// Keys that a thread takes; 68 KB of them.
constexpr int64_t kKeysOfTask = 1024;

struct Memory {
  Memory(const baleen_tensor& iq, uint8_t* memory)
      : runs(reinterpret_cast<int32_t*>(memory)),
        offsets(runs + iq.size[1] * iq.size[2] / 4),
        scales(reinterpret_cast<float*>(offsets +
                                        iq.size[1] * iq.size[2] / kKeyGroup)) {}

  static int64_t Bytes(const baleen_tensor& iq) {
    return iq.size[1] * iq.size[2] + 2 * iq.size[1] * iq.size[2] / kKeyGroup *
                                         static_cast<int64_t>(sizeof(int32_t));
  }

  int32_t* runs;
  int32_t* offsets;
  float* scales;
};

// The queries of a row as the kernels want them.
ScoreQueries Prepare(const baleen_indexer_score_args& args, int64_t row,
                     const Memory& memory) {
  constexpr int32_t kKeyOffset = 12;
  constexpr float kQuarter = 0.25f;
  const baleen_tensor& iq = *args.iq_rounded;
  const int64_t heads = iq.size[1];
  const int64_t size = iq.size[2];
  const int64_t blocks = size / kKeyGroup;
  const uint8_t* scales =
      static_cast<const uint8_t*>(iq.scales) + row * heads * blocks;
  int8_t* bytes = reinterpret_cast<int8_t*>(memory.runs);
  for (int64_t head = 0; head < heads; ++head) {
    const int64_t first = row * iq.stride[0] + head * iq.stride[1];
    const uint8_t* data = static_cast<const uint8_t*>(iq.data);
    for (int64_t block = 0; block < blocks; ++block) {
      int32_t sum = 0;
      for (int64_t i = block * kKeyGroup; i < (block + 1) * kKeyGroup; ++i) {
        const int32_t twice = iq.type == BALEEN_TYPE_I8
                                  ? static_cast<int8_t>(data[first + i])
                                  : Fp4Twice(Fp4CodeAt(data + first / 2, i));
        sum += twice;
        // Of each eight, the four even ones first.
        const int64_t at =
            i / kKeyChunk * kKeyChunk + i % 2 * 4 + i % kKeyChunk / 2;
        bytes[head * size + at] = static_cast<int8_t>(twice);
      }
      memory.offsets[head * blocks + block] = -kKeyOffset * sum;
      memory.scales[head * blocks + block] =
          kQuarter * E8m0ToFloat(scales[head * blocks + block]);
    }
  }
  return {heads,
          size,
          memory.runs,
          memory.offsets,
          memory.scales,
          RowOf<const float>(*args.head_weight, row),
          args.common.mode == BALEEN_MODE_REFERENCE};
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
  const int64_t end = std::min(visible, first + kKeysOfTask);
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
  return (args.scores->size[1] + kKeysOfTask - 1) / kKeysOfTask;
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
            ScoreKeys(kKernels, args, batch, i / runs, i % runs * kKeysOfTask,
                      Memory(iq, memory));
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
