// Timings of what depends on the length of a context: scores of the indexer,
// selection, and attention, over state of zeros in as many pages as it takes.
//
// One state is read again and again: what fits into caches, as that of one session
// does in the larger ones, may come faster than memory copies.
#include "benchmarks/gpu/bench.h"

namespace baleen::gpu {
namespace {

constexpr int64_t kPagePositions = 256;
constexpr uint32_t kSlab = 4096;  // Pages, more than a million positions have.
constexpr int64_t kHeads = 64;
constexpr int64_t kHeadSize = 512;
constexpr int64_t kKeySize = 128;
constexpr int64_t kSelected = 512;
constexpr int64_t kWindow = 128;
constexpr uint64_t kEntryBytes = 584;
constexpr uint64_t kKeyBytes = 68;

baleen_tensor* Numbers(Bench& bench, std::initializer_list<int64_t> sizes,
                       const std::vector<int32_t>& values) {
  baleen_tensor* tensor = bench.Make(BALEEN_TYPE_I32, sizes);
  bench.Upload(*tensor, values.data());
  return tensor;
}

// Each row is a session of its own, with its own pages, at its last position.
void MakeBatch(Bench& bench, int64_t positions) {
  const int64_t rows = bench.rows();
  const int64_t each = positions / kPagePositions;
  std::vector<int32_t> last, sessions, starts, pages;
  for (int64_t row = 0; row < rows; ++row) {
    last.push_back(static_cast<int32_t>(positions - 1));
    sessions.push_back(static_cast<int32_t>(row));
    starts.push_back(static_cast<int32_t>(row));
    for (int64_t page = 0; page < each; ++page) {
      pages.push_back(static_cast<int32_t>(row * each + page));
    }
  }
  starts.push_back(static_cast<int32_t>(rows));
  baleen_batch& batch = bench.batch();
  batch.position_limit = static_cast<uint32_t>(positions);
  batch.positions = Numbers(bench, {rows}, last);
  batch.sessions = Numbers(bench, {rows}, sessions);
  batch.slots = Numbers(bench, {rows}, sessions);
  batch.starts = Numbers(bench, {rows + 1}, starts);
  batch.pages = Numbers(bench, {rows, each}, pages);
}

void MakeState(Bench& bench, uint32_t ratio, int64_t positions,
               baleen_state* state) {
  const Plugin& plugin = bench.plugin();
  baleen_state_shape& shape = state->shape;
  shape.ratio = ratio;
  shape.head_size = static_cast<uint32_t>(kHeadSize);
  shape.rope_size = 64;
  shape.key_size = ratio == 4 ? static_cast<uint32_t>(kKeySize) : 0;
  shape.ring_rows = 256;
  shape.tail_rows = 2 * ratio;
  shape.slab_pages = kSlab;
  shape.slab_slots = 64;
  const int64_t all = bench.rows() * positions / kPagePositions;
  for (baleen_pool pool = 0; pool < BALEEN_POOL_COUNT; ++pool) {
    const bool by_slot = pool == BALEEN_POOL_WINDOW || pool == BALEEN_POOL_TAIL;
    uint64_t bytes = 0;
    plugin.Expect(
        plugin.table().state_size(plugin.device(), &shape, pool, &bytes));
    const int64_t items = by_slot ? bench.rows() : all;
    std::vector<void*> slabs;
    const int64_t in_slab = by_slot ? shape.slab_slots : shape.slab_pages;
    for (int64_t first = 0; first < items; first += in_slab) {
      const int64_t rest = items - first;
      const int64_t count = rest < in_slab ? rest : in_slab;
      const std::vector<uint8_t> zeros(bytes * static_cast<uint64_t>(count));
      slabs.push_back(bench.Allocate(zeros.size()));
      plugin.Expect(plugin.table().upload(plugin.queue(), slabs.back(),
                                          zeros.data(), zeros.size()));
    }
    state->slabs[pool] =
        static_cast<void**>(bench.Allocate(slabs.size() * sizeof(void*)));
    plugin.Expect(plugin.table().upload(plugin.queue(), state->slabs[pool],
                                        slabs.data(),
                                        slabs.size() * sizeof(void*)));
  }
}

baleen_sparse_attn_args AttentionOf(Bench& bench, const baleen_state* state,
                                    const baleen_tensor* rope) {
  const int64_t rows = bench.rows();
  baleen_sparse_attn_args args = {};
  args.q = bench.Make(BALEEN_TYPE_BF16, {rows, kHeads, kHeadSize});
  args.sink = bench.Make(BALEEN_TYPE_F32, {kHeads});
  args.rope = rope;
  args.out = bench.Make(BALEEN_TYPE_BF16, {rows, 8, 8 * kHeadSize});
  args.state = state;
  args.scale = 0.04419417382f;
  args.window = static_cast<uint32_t>(kWindow);
  return args;
}

}  // namespace

void TimeAttention(Bench& bench, int64_t positions) {
  MakeBatch(bench, positions);
  const int64_t rows = bench.rows();
  const auto count = static_cast<uint64_t>(rows);
  const std::string depth = " at " + std::to_string(positions) + " positions";
  baleen_state fine = {};
  MakeState(bench, 4, positions, &fine);
  const int64_t entries = positions / 4;

  baleen_indexer_score_args score = {};
  baleen_tensor* queries =
      bench.Make(BALEEN_TYPE_F4_E2M1, {rows, kHeads, kKeySize});
  queries->scale_type = BALEEN_TYPE_E8M0;
  queries->block_rows = 1;
  queries->block_columns = 32;
  queries->scales =
      bench.Make(BALEEN_TYPE_BYTE, {rows, kHeads, kKeySize / 32})->data;
  score.iq_rounded = queries;
  score.head_weight = bench.Make(BALEEN_TYPE_F32, {rows, kHeads});
  score.state = &fine;
  score.scores = bench.Make(BALEEN_TYPE_F32, {rows, entries});
  bench.Prepare(BALEEN_OP_INDEXER_SCORE, score);
  bench.Time("indexer_score" + depth,
             count * static_cast<uint64_t>(entries) * kKeyBytes);

  baleen_topk_select_args select = {};
  select.scores = bench.Make(BALEEN_TYPE_F32, {rows, entries});
  select.state = &fine;
  select.selected = bench.Make(BALEEN_TYPE_I32, {rows, kSelected});
  select.count = bench.Make(BALEEN_TYPE_I32, {rows});
  bench.Prepare(BALEEN_OP_TOPK_SELECT, select);
  bench.Time("topk_select" + depth,
             count * static_cast<uint64_t>(entries) * sizeof(float));

  const baleen_tensor* rope = bench.Make(BALEEN_TYPE_F32, {positions, 2, 32});
  baleen_sparse_attn_args chosen = AttentionOf(bench, &fine, rope);
  chosen.selected = select.selected;
  chosen.count = select.count;
  bench.Prepare(BALEEN_OP_SPARSE_ATTN, chosen);
  bench.Time("sparse_attn, ratio 4" + depth,
             count * (kSelected + kWindow) * kEntryBytes);

  baleen_state coarse = {};
  MakeState(bench, 128, positions, &coarse);
  bench.Prepare(BALEEN_OP_SPARSE_ATTN, AttentionOf(bench, &coarse, rope));
  bench.Time(
      "sparse_attn, ratio 128" + depth,
      count * static_cast<uint64_t>(positions / 128 + kWindow) * kEntryBytes);
}

}  // namespace baleen::gpu
