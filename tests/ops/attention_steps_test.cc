// The operators of attention one after another, on a sequence cut into steps:
// every row's result must be the same bits however it is cut (backend.h, "Same
// bits").
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

constexpr int32_t kPositions = 300;
constexpr int64_t kHeads = 4;
constexpr int64_t kIndexHeads = 4;
constexpr int64_t kSelected = 12;

// What the projections of a layer would give for each position.
struct Sequence {
  explicit Sequence(uint32_t ratio_of_layer)
      : random(ratio_of_layer + 1),
        ratio(ratio_of_layer),
        halves(ratio == 4 ? 2 : 1),
        query(BALEEN_TYPE_BF16, {kPositions, 128}),
        kv(BALEEN_TYPE_BF16, {kPositions, 512}),
        value(BALEEN_TYPE_F32, {kPositions, halves * 512}),
        gate(BALEEN_TYPE_F32, {kPositions, halves * 512}),
        key_value(BALEEN_TYPE_F32, {kPositions, halves * 128}),
        key_gate(BALEEN_TYPE_F32, {kPositions, halves * 128}),
        key_weight(BALEEN_TYPE_BF16, {kPositions, kIndexHeads}),
        q(BALEEN_TYPE_BF16, {kPositions, kHeads, 512}),
        iq(BALEEN_TYPE_BF16, {kPositions, kIndexHeads, 128}),
        ape(BALEEN_TYPE_F32, {ratio, halves * 512}),
        key_ape(BALEEN_TYPE_F32, {ratio, halves * 128}),
        norm(BALEEN_TYPE_BF16, {512}),
        key_norm(BALEEN_TYPE_BF16, {128}),
        query_norm(BALEEN_TYPE_BF16, {128}),
        sink(BALEEN_TYPE_F32, {kHeads}),
        rope(RopeTable(kPositions, 64)) {
    for (TestTensor* tensor :
         {&query, &kv, &value, &gate, &key_value, &key_gate, &key_weight, &q,
          &iq, &ape, &key_ape, &norm, &key_norm, &query_norm, &sink}) {
      tensor->Random(random);
    }
  }

  std::mt19937 random;
  int64_t ratio;
  int64_t halves;
  TestTensor query, kv, value, gate, key_value, key_gate, key_weight, q, iq;
  TestTensor ape, key_ape, norm, key_norm, query_norm, sink, rope;
};

// The rows of a step: a view of `count` rows of a tensor by position.
class Rows {
 public:
  Rows(TestTensor& all, int32_t first, int32_t count) : view_(all.tensor()) {
    view_.data = static_cast<uint8_t*>(view_.data) +
                 first * view_.stride[0] * TypeBytes(view_.type);
    view_.size[0] = count;
  }
  const baleen_tensor* get() const { return &view_; }

 private:
  baleen_tensor view_;
};

void Compress(TestDevice& device, const baleen_op_common& common, Sequence& s,
              const TestState& state, baleen_pool pool, const Rows& value,
              const Rows& gate) {
  const bool keys = pool == BALEEN_POOL_KEYS;
  baleen_compress_args args = {};
  args.common = common;
  args.pool = pool;
  args.epsilon = 1e-6f;
  args.value = value.get();
  args.gate = gate.get();
  args.ape = keys ? s.key_ape.get() : s.ape.get();
  args.norm = keys ? s.key_norm.get() : s.norm.get();
  args.rope = s.rope.get();
  args.state = state.get();
  BALEEN_RUN(device, COMPRESS, compress, args);
}

// Chooses entries for the step's rows.
void Select(TestDevice& device, const baleen_op_common& common, Sequence& s,
            const TestState& state, int32_t first, int32_t count,
            TestTensor& selected, TestTensor& selected_count) {
  TestTensor queries(BALEEN_TYPE_I8, {count, kIndexHeads, 128});
  queries.Scales(32);
  TestTensor weights(BALEEN_TYPE_F32, {count, kIndexHeads});
  TestTensor scores(
      common.mode == BALEEN_MODE_REFERENCE ? BALEEN_TYPE_BF16 : BALEEN_TYPE_F32,
      {count, kPositions / 4});
  const Rows iq(s.iq, first, count);
  const Rows key_weight(s.key_weight, first, count);
  baleen_indexer_q_args query = {};
  query.common = common;
  query.iq = iq.get();
  query.key_weight = key_weight.get();
  query.rope = s.rope.get();
  query.iq_rounded = queries.get();
  query.head_weight = weights.get();
  query.scale = 0.04f;
  query.rope_size = 64;
  BALEEN_RUN(device, INDEXER_Q, indexer_q, query);
  baleen_indexer_score_args score = {};
  score.common = common;
  score.iq_rounded = queries.get();
  score.head_weight = weights.get();
  score.state = state.get();
  score.scores = scores.get();
  BALEEN_RUN(device, INDEXER_SCORE, indexer_score, score);
  baleen_topk_select_args topk = {};
  topk.common = common;
  topk.scores = scores.get();
  topk.state = state.get();
  topk.selected = selected.get();
  topk.count = selected_count.get();
  BALEEN_RUN(device, TOPK_SELECT, topk_select, topk);
}

void Step(TestDevice& device, baleen_mode mode, Sequence& s,
          const TestState& state, int32_t first, int32_t count,
          TestTensor& out) {
  const TestBatch batch({{1, first, count}});
  const baleen_op_common common = Common(mode, batch);
  TestTensor rounded(
      mode == BALEEN_MODE_REFERENCE ? BALEEN_TYPE_F8_E4M3 : BALEEN_TYPE_BF16,
      {count, 128});
  if (mode == BALEEN_MODE_REFERENCE) rounded.Scales(128);
  const Rows query(s.query, first, count);
  const Rows kv(s.kv, first, count);
  baleen_qkv_post_args post = {};
  post.common = common;
  post.query = query.get();
  post.kv = kv.get();
  post.q_norm = s.query_norm.get();
  post.kv_norm = s.norm.get();
  post.rope = s.rope.get();
  post.state = state.get();
  post.query_rounded = rounded.get();
  post.epsilon = 1e-6f;
  BALEEN_RUN(device, QKV_POST, qkv_post, post);
  Compress(device, common, s, state, BALEEN_POOL_ENTRIES,
           Rows(s.value, first, count), Rows(s.gate, first, count));
  TestTensor selected(BALEEN_TYPE_I32, {count, kSelected});
  TestTensor selected_count(BALEEN_TYPE_I32, {count});
  if (s.ratio == 4) {
    Compress(device, common, s, state, BALEEN_POOL_KEYS,
             Rows(s.key_value, first, count), Rows(s.key_gate, first, count));
    Select(device, common, s, state, first, count, selected, selected_count);
  }
  const Rows q(s.q, first, count);
  TestTensor result(BALEEN_TYPE_BF16, {count, 2, 2 * 512});
  baleen_sparse_attn_args attention = {};
  attention.common = common;
  attention.q = q.get();
  attention.sink = s.sink.get();
  attention.rope = s.rope.get();
  attention.selected = s.ratio == 4 ? selected.get() : nullptr;
  attention.count = s.ratio == 4 ? selected_count.get() : nullptr;
  attention.state = state.get();
  attention.out = result.get();
  attention.scale = 0.04419417382f;
  attention.window = 128;
  BALEEN_RUN(device, SPARSE_ATTN, sparse_attn, attention);
  std::memcpy(&out.At<uint16_t>(first, 0, 0), result.get()->data,
              static_cast<size_t>(count) * 2048 * sizeof(uint16_t));
}

TEST(AttentionSteps, GiveTheSameBitsHoweverTheyAreCut) {
  ForEachVariant(
      [](TestDevice& device) {
        for (const baleen_mode mode : kModes) {
          for (const uint32_t ratio : {4u, 128u}) {
            Sequence sequence(ratio);
            std::vector<uint8_t> first;
            for (const int32_t step : {128, 1, 3, 16, 37}) {
              const TestState state(device, ShapeOf(ratio), 2);
              TestTensor out(BALEEN_TYPE_BF16, {kPositions, 2, 1024});
              for (int32_t p = 0; p < kPositions; p += step) {
                Step(device, mode, sequence, state, p,
                     std::min(step, kPositions - p), out);
              }
              if (first.empty()) first = out.bytes();
              ASSERT_TRUE(out.bytes() == first)
                  << "ratio " << ratio << " in steps of " << step;
            }
          }
        }
      },
      {3}, kIsasWithTiles);
}

}  // namespace
}  // namespace baleen::ops_test
