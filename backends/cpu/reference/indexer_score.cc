// Scores of the Lightning indexer (model.md §8).
//
// Products of e2m1 values are integers over four, so a block of 32 has an exact
// sum; blocks are added in order, then heads, in float.  Other implementations
// keep to that order and give the same bits.
#include "cpu/batch.h"
#include "cpu/reference/quantize.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

// The queries of a row as integers, twice as large.
int64_t RowBytes(const baleen_indexer_score_args& args) {
  return args.iq_rounded->size[1] * args.iq_rounded->size[2];
}

void LoadQueries(const baleen_tensor& iq, int64_t row, int8_t* queries) {
  const int64_t size = iq.size[2];
  for (int64_t head = 0; head < iq.size[1]; ++head) {
    const int64_t first = row * iq.stride[0] + head * iq.stride[1];
    const uint8_t* data = static_cast<const uint8_t*>(iq.data);
    for (int64_t i = 0; i < size; ++i) {
      const int32_t twice = iq.type == BALEEN_TYPE_I8
                                ? static_cast<int8_t>(data[first + i])
                                : Fp4Twice(Fp4CodeAt(data + first / 2, i));
      *queries++ = static_cast<int8_t>(twice);
    }
  }
}

// query . key, both twice as large and with a scale for each 32.
float Product(const int8_t* query, const uint8_t* query_scales,
              const uint8_t* key, int64_t size) {
  constexpr float kQuarter = 0.25f;
  float sum = 0;
  for (int64_t block = 0; block < size / kKeyGroup; ++block) {
    int32_t exact = 0;
    for (int64_t i = block * kKeyGroup; i < (block + 1) * kKeyGroup; ++i) {
      exact += query[i] * Fp4Twice(Fp4CodeAt(key, i));
    }
    const float scale = kQuarter * E8m0ToFloat(query_scales[block]) *
                        E8m0ToFloat(key[size / 2 + block]);
    sum += static_cast<float>(exact) * scale;
  }
  return sum;
}

float Score(const baleen_indexer_score_args& args, int64_t row,
            const int8_t* queries, const uint8_t* key) {
  const baleen_tensor& iq = *args.iq_rounded;
  const int64_t heads = iq.size[1];
  const int64_t size = iq.size[2];
  const uint8_t* scales =
      static_cast<const uint8_t*>(iq.scales) + row * heads * (size / kKeyGroup);
  const float* weights = RowOf<const float>(*args.head_weight, row);
  const bool round = args.common.mode == BALEEN_MODE_REFERENCE;
  float score = 0;
  for (int64_t head = 0; head < heads; ++head) {
    float product = Product(queries + head * size,
                            scales + head * (size / kKeyGroup), key, size);
    if (round) product = RoundToBf16(product);
    product = std::max(product, 0.0f) * weights[head];
    score += round ? RoundToBf16(product) : product;
  }
  return round ? RoundToBf16(score) : score;
}

void ScoreRow(const baleen_indexer_score_args& args, const BatchView& batch,
              int64_t row, int8_t* queries) {
  const baleen_state_shape& shape = args.state->shape;
  const baleen_tensor& out = *args.scores;
  const int64_t visible =
      std::min(VisibleEntries(shape, batch.positions[row]), out.size[1]);
  const PagedEntries keys(*args.state, BALEEN_POOL_KEYS,
                          batch.PagesOf(batch.sessions[row]));
  LoadQueries(*args.iq_rounded, row, queries);
  uint8_t key[kMaxHeadSize];
  for (int64_t i = 0; i < visible; ++i) {
    LoadKey(shape, keys.Page(i), keys.InPage(i), key);
    const float score = Score(args, row, queries, key);
    if (out.type == BALEEN_TYPE_F32) {
      RowOf<float>(out, row)[i] = score;
    } else {
      RowOf<uint16_t>(out, row)[i] = Bf16FromFloat(score);
    }
  }
}

}  // namespace

const char* IndexerScoreReferenceAccepts(
    const baleen_indexer_score_args& args) {
  if (args.state == nullptr) return "there is no state";
  const baleen_state_shape& shape = args.state->shape;
  const char* error = StateShapeError(shape);
  if (error != nullptr) return error;
  if (shape.ratio == 0 || shape.key_size == 0) {
    return "the layer has no indexer";
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
  if (!IsTensor(args.head_weight, BALEEN_TYPE_F32, 2, iq->size[1])) {
    return "head_weight does not fit iq_rounded";
  }
  if (args.scores == nullptr || args.scores->rank != 2 ||
      (args.scores->type != BALEEN_TYPE_F32 &&
       args.scores->type != BALEEN_TYPE_BF16)) {
    return "scores is neither bf16 nor f32 [T, C]";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

baleen_status IndexerScoreReference(const Queue& queue,
                                    const baleen_indexer_score_args& args) {
  const BatchView batch(*args.common.batch);
  ForRows(queue, args.common.scratch, batch.rows, RowBytes(args),
          [&](int64_t row, uint8_t* memory) {
            ScoreRow(args, batch, row, reinterpret_cast<int8_t*>(memory));
          });
  return BALEEN_OK;
}

void IndexerScoreReferenceNeeds(const Device&,
                                const baleen_indexer_score_args& args,
                                baleen_op_needs* needs) {
  needs->scratch_bytes =
      RowRunScratch(args.iq_rounded->size[0], RowBytes(args));
}

}  // namespace baleen::cpu
