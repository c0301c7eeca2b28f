// The operators without prepared weights, in V4-Flash's shapes: one row is
// decoding, 64 are prefill.  "rows/s" counts rows of the operator; a token needs
// 43 layers of most of them.
#include <algorithm>
#include <array>

#include "ops/bench_device.h"

namespace baleen::bench {
namespace {

constexpr int64_t kHidden = 4096;
constexpr int64_t kStreams = 4;
constexpr int64_t kHeads = 64;
constexpr int64_t kSize = 512;
constexpr int64_t kPositions = 8192;
// Where the first row of a step stands.
constexpr int32_t kFirst = 8000;

void ReportRows(benchmark::State& state, int64_t rows) {
  state.SetItemsProcessed(state.iterations() * rows);
}

// One session in slot 0, its pages in order.
class BenchBatch {
 public:
  explicit BenchBatch(int64_t rows)
      : counts_(BALEEN_TYPE_I32, {BALEEN_COUNT_SIZE}),
        tokens_(BALEEN_TYPE_I32, {rows}),
        positions_(BALEEN_TYPE_I32, {rows}),
        sessions_(BALEEN_TYPE_I32, {rows}),
        starts_(BALEEN_TYPE_I32, {2}),
        slots_(BALEEN_TYPE_I32, {1}),
        pages_(BALEEN_TYPE_I32, {1, kPositions / 256}),
        outputs_(BALEEN_TYPE_I32, {rows}) {
    counts_.as<int32_t>()[BALEEN_COUNT_ROWS] = static_cast<int32_t>(rows);
    counts_.as<int32_t>()[BALEEN_COUNT_SESSIONS] = 1;
    counts_.as<int32_t>()[BALEEN_COUNT_OUTPUTS] = static_cast<int32_t>(rows);
    for (int32_t i = 0; i < rows; ++i) {
      positions_.as<int32_t>()[i] = kFirst + i;
      outputs_.as<int32_t>()[i] = i;
    }
    starts_.as<int32_t>()[1] = static_cast<int32_t>(rows);
    for (int32_t i = 0; i < kPositions / 256; ++i) pages_.as<int32_t>()[i] = i;
    batch_ = {sizeof(batch_),   static_cast<uint32_t>(kPositions),
              counts_.get(),    tokens_.get(),
              positions_.get(), sessions_.get(),
              starts_.get(),    slots_.get(),
              pages_.get(),     outputs_.get()};
  }
  const baleen_batch* get() const { return &batch_; }

 private:
  BenchTensor counts_, tokens_, positions_, sessions_, starts_, slots_, pages_,
      outputs_;
  baleen_batch batch_;
};

// State of one slot and kPositions positions; its bytes make sound entries, and
// keys with scales near one, as real ones have.
class BenchState {
 public:
  BenchState(BenchDevice& device, uint32_t ratio) {
    state_.shape = {ratio, 512, 64, ratio == 4 ? 128u : 0u, 512, 256, 64, 1};
    for (baleen_pool pool = 0; pool < BALEEN_POOL_COUNT; ++pool) {
      uint64_t bytes = 0;
      device.table().state_size(device.handle(), &state_.shape, pool, &bytes);
      const bool by_slot =
          pool == BALEEN_POOL_WINDOW || pool == BALEEN_POOL_TAIL;
      slabs_[pool].assign(bytes * (by_slot ? 1 : state_.shape.slab_pages),
                          pool == BALEEN_POOL_KEYS ? 0x7B : 0x38);
      addresses_[pool] = slabs_[pool].data();
      state_.slabs[pool] = &addresses_[pool];
    }
  }
  const baleen_state* get() const { return &state_; }

 private:
  baleen_state state_{};
  std::vector<uint8_t> slabs_[BALEEN_POOL_COUNT];
  void* addresses_[BALEEN_POOL_COUNT];
};

template <typename Args>
void Loop(benchmark::State& state, BenchDevice& device, baleen_op op,
          baleen_status (*baleen_ops::*function)(baleen_queue*, const Args*),
          Args& args, int64_t rows) {
  if (!device.Prepare(op, &args)) {
    state.SkipWithError("refused");
    return;
  }
  for (auto _ : state) (device.ops().*function)(device.queue(), &args);
  ReportRows(state, rows);
}

void MhcBoundary(benchmark::State& state, BenchDevice& device, baleen_mode mode,
                 int64_t rows) {
  BenchTensor y(BALEEN_TYPE_BF16, {rows, kHidden});
  BenchTensor post(BALEEN_TYPE_F32, {rows, kStreams});
  BenchTensor mix(BALEEN_TYPE_F32, {rows, kStreams, kStreams});
  BenchTensor fn(BALEEN_TYPE_F32, {24, kStreams * kHidden});
  BenchTensor base(BALEEN_TYPE_F32, {24});
  BenchTensor scale(BALEEN_TYPE_F32, {3});
  BenchTensor norm(BALEEN_TYPE_BF16, {kHidden});
  BenchTensor streams(BALEEN_TYPE_BF16, {rows, kStreams, kHidden});
  BenchTensor u(BALEEN_TYPE_BF16, {rows, kHidden});
  BenchTensor rounded = Rounded(mode, {rows, kHidden});
  BenchBatch batch(rows);
  baleen_mhc_boundary_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.y = y.get();
  args.post_in = args.post = post.get();
  args.mix_in = args.mix = mix.get();
  args.fn = fn.get();
  args.base = base.get();
  args.scale = scale.get();
  args.norm = norm.get();
  args.streams = streams.get();
  args.u = u.get();
  args.u_rounded = rounded.get();
  args.hc_epsilon = args.norm_epsilon = 1e-6f;
  args.iterations = 20;
  Loop(state, device, BALEEN_OP_MHC_BOUNDARY, &baleen_ops::mhc_boundary, args,
       rows);
}

void HcHead(benchmark::State& state, BenchDevice& device, baleen_mode mode,
            int64_t rows) {
  BenchTensor fn(BALEEN_TYPE_F32, {kStreams, kStreams * kHidden});
  BenchTensor base(BALEEN_TYPE_F32, {kStreams});
  BenchTensor scale(BALEEN_TYPE_F32, {1});
  BenchTensor norm(BALEEN_TYPE_BF16, {kHidden});
  BenchTensor streams(BALEEN_TYPE_BF16, {rows, kStreams, kHidden});
  BenchTensor u(BALEEN_TYPE_BF16, {rows, kHidden});
  BenchBatch batch(rows);
  baleen_hc_head_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.fn = fn.get();
  args.base = base.get();
  args.scale = scale.get();
  args.norm = norm.get();
  args.streams = streams.get();
  args.u = u.get();
  args.hc_epsilon = args.norm_epsilon = 1e-6f;
  Loop(state, device, BALEEN_OP_HC_HEAD, &baleen_ops::hc_head, args, rows);
}

void QkvPost(benchmark::State& state, BenchDevice& device, baleen_mode mode,
             int64_t rows) {
  BenchTensor query(BALEEN_TYPE_BF16, {rows, 1024});
  BenchTensor kv(BALEEN_TYPE_BF16, {rows, kSize});
  BenchTensor q_norm(BALEEN_TYPE_BF16, {1024});
  BenchTensor kv_norm(BALEEN_TYPE_BF16, {kSize});
  BenchTensor rope(BALEEN_TYPE_F32, {kPositions, 2, 32});
  BenchTensor rounded = Rounded(mode, {rows, 1024});
  BenchState layer(device, 4);
  BenchBatch batch(rows);
  baleen_qkv_post_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.query = query.get();
  args.kv = kv.get();
  args.q_norm = q_norm.get();
  args.kv_norm = kv_norm.get();
  args.rope = rope.get();
  args.state = layer.get();
  args.query_rounded = rounded.get();
  args.epsilon = 1e-6f;
  Loop(state, device, BALEEN_OP_QKV_POST, &baleen_ops::qkv_post, args, rows);
}

void IndexerQ(benchmark::State& state, BenchDevice& device, baleen_mode mode,
              int64_t rows) {
  BenchTensor iq(BALEEN_TYPE_BF16, {rows, kHeads, 128});
  BenchTensor key_weight(BALEEN_TYPE_BF16, {rows, kHeads});
  BenchTensor rope(BALEEN_TYPE_F32, {kPositions, 2, 32});
  BenchTensor rounded(BALEEN_TYPE_I8, {rows, kHeads, 128}, 1, 32);
  BenchTensor head_weight(BALEEN_TYPE_F32, {rows, kHeads});
  BenchBatch batch(rows);
  baleen_indexer_q_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.iq = iq.get();
  args.key_weight = key_weight.get();
  args.rope = rope.get();
  args.iq_rounded = rounded.get();
  args.head_weight = head_weight.get();
  args.scale = 0.011f;
  args.rope_size = 64;
  Loop(state, device, BALEEN_OP_INDEXER_Q, &baleen_ops::indexer_q, args, rows);
}

template <uint32_t kRatio>
void Compress(benchmark::State& state, BenchDevice& device, baleen_mode mode,
              int64_t rows) {
  constexpr int64_t kWidth = kRatio == 4 ? 2 * kSize : kSize;
  BenchTensor value(BALEEN_TYPE_F32, {rows, kWidth});
  BenchTensor gate(BALEEN_TYPE_F32, {rows, kWidth});
  BenchTensor ape(BALEEN_TYPE_F32, {kRatio, kWidth});
  BenchTensor norm(BALEEN_TYPE_BF16, {kSize});
  BenchTensor rope(BALEEN_TYPE_F32, {kPositions, 2, 32});
  BenchState layer(device, kRatio);
  BenchBatch batch(rows);
  baleen_compress_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.pool = BALEEN_POOL_ENTRIES;
  args.epsilon = 1e-6f;
  args.value = value.get();
  args.gate = gate.get();
  args.ape = ape.get();
  args.norm = norm.get();
  args.rope = rope.get();
  args.state = layer.get();
  Loop(state, device, BALEEN_OP_COMPRESS, &baleen_ops::compress, args, rows);
}

// 2000 keys a row; "keys" a second.
void IndexerScore(benchmark::State& state, BenchDevice& device,
                  baleen_mode mode, int64_t rows) {
  BenchTensor queries(BALEEN_TYPE_I8, {rows, kHeads, 128}, 1, 32);
  BenchTensor weights(BALEEN_TYPE_F32, {rows, kHeads});
  BenchTensor scores(
      mode == BALEEN_MODE_FAST ? BALEEN_TYPE_F32 : BALEEN_TYPE_BF16,
      {rows, kPositions / 4});
  for (int64_t i = 0; i < rows * kHeads * 128; ++i) {
    queries.as<int8_t>()[i] = static_cast<int8_t>(i % 25 - 12);
  }
  BenchState layer(device, 4);
  BenchBatch batch(rows);
  baleen_indexer_score_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.iq_rounded = queries.get();
  args.head_weight = weights.get();
  args.state = layer.get();
  args.scores = scores.get();
  Loop(state, device, BALEEN_OP_INDEXER_SCORE, &baleen_ops::indexer_score, args,
       rows);
  state.counters["keys/s"] =
      benchmark::Counter(static_cast<double>(rows * kFirst / 4),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void TopkSelect(benchmark::State& state, BenchDevice& device, baleen_mode mode,
                int64_t rows) {
  BenchTensor scores(BALEEN_TYPE_F32, {rows, kPositions / 4});
  BenchTensor selected(BALEEN_TYPE_I32, {rows, 512});
  BenchTensor count(BALEEN_TYPE_I32, {rows});
  BenchState layer(device, 4);
  BenchBatch batch(rows);
  baleen_topk_select_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.scores = scores.get();
  args.state = layer.get();
  args.selected = selected.get();
  args.count = count.get();
  Loop(state, device, BALEEN_OP_TOPK_SELECT, &baleen_ops::topk_select, args,
       rows);
}

// The window and 512 entries chosen of 2000.
void SparseAttn(benchmark::State& state, BenchDevice& device, baleen_mode mode,
                int64_t rows) {
  BenchTensor q(BALEEN_TYPE_BF16, {rows, kHeads, kSize});
  BenchTensor sink(BALEEN_TYPE_F32, {kHeads});
  BenchTensor rope(BALEEN_TYPE_F32, {kPositions, 2, 32});
  BenchTensor selected(BALEEN_TYPE_I32, {rows, 512});
  BenchTensor count(BALEEN_TYPE_I32, {rows});
  BenchTensor out(BALEEN_TYPE_BF16, {rows, 8, 8 * kSize});
  for (int64_t row = 0; row < rows; ++row) {
    for (int32_t i = 0; i < 512; ++i) {
      selected.as<int32_t>()[row * 512 + i] = i * 3 + 1;
    }
    count.as<int32_t>()[row] = 512;
  }
  BenchState layer(device, 4);
  BenchBatch batch(rows);
  baleen_sparse_attn_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.q = q.get();
  args.sink = sink.get();
  args.rope = rope.get();
  args.selected = selected.get();
  args.count = count.get();
  args.state = layer.get();
  args.out = out.get();
  args.scale = 0.044f;
  args.window = 128;
  Loop(state, device, BALEEN_OP_SPARSE_ATTN, &baleen_ops::sparse_attn, args,
       rows);
  state.counters["GFLOP/s"] = benchmark::Counter(
      4e-9 * static_cast<double>(rows * kHeads * (128 + 512) * kSize),
      benchmark::Counter::kIsIterationInvariantRate);
}

void Router(benchmark::State& state, BenchDevice& device, baleen_mode mode,
            int64_t rows) {
  BenchTensor u(BALEEN_TYPE_BF16, {rows, kHidden});
  BenchTensor gate(BALEEN_TYPE_BF16, {256, kHidden});
  BenchTensor bias(BALEEN_TYPE_F32, {256});
  BenchTensor experts(BALEEN_TYPE_I32, {rows, 6});
  BenchTensor weights(BALEEN_TYPE_F32, {rows, 6});
  BenchBatch batch(rows);
  baleen_router_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.u = u.get();
  args.gate = gate.get();
  args.bias = bias.get();
  args.experts = experts.get();
  args.weights = weights.get();
  args.route_scale = 1.5f;
  Loop(state, device, BALEEN_OP_ROUTER, &baleen_ops::router, args, rows);
}

void Sample(benchmark::State& state, BenchDevice& device, baleen_mode mode,
            int64_t rows) {
  BenchTensor logits(BALEEN_TYPE_F32, {rows, 129280});
  BenchTensor how(BALEEN_TYPE_BYTE, {rows, 32});
  BenchTensor tokens(BALEEN_TYPE_I32, {rows});
  baleen_sample_row row{};
  row.temperature = 0.7f;
  row.top_p = 0.9f;
  row.draft = -1;
  for (int64_t i = 0; i < rows; ++i) {
    std::memcpy(how.as<uint8_t>() + i * 32, &row, sizeof(row));
  }
  BenchBatch batch(rows);
  baleen_sample_args args{};
  args.common = Common(sizeof(args), mode);
  args.common.batch = batch.get();
  args.logits = logits.get();
  args.rows = how.get();
  args.tokens = tokens.get();
  Loop(state, device, BALEEN_OP_SAMPLE, &baleen_ops::sample, args, rows);
}

// A static initializer, so that this file needs no main of its own.
const bool kRegistered = [] {
  const std::vector<int64_t> rows = {1, 64};
  RegisterForDevices("mhc_boundary", MhcBoundary, rows);
  RegisterForDevices("hc_head", HcHead, {1});
  RegisterForDevices("qkv_post", QkvPost, rows);
  RegisterForDevices("indexer_q", IndexerQ, rows);
  RegisterForDevices("compress_4", Compress<4>, rows);
  RegisterForDevices("compress_128", Compress<128>, {128});
  RegisterForDevices("indexer_score", IndexerScore, rows);
  RegisterForDevices("topk_select", TopkSelect, rows);
  RegisterForDevices("sparse_attn", SparseAttn, rows);
  RegisterForDevices("router", Router, rows);
  RegisterForDevices("sample", Sample, {1});
  return true;
}();

}  // namespace
}  // namespace baleen::bench
