#include "models/deepseek_v4/attention.h"

#include <cmath>

#include "models/deepseek_v4/hyper.h"

namespace baleen::deepseek_v4 {
namespace {

// Everything that multiplies the half's input.
struct Projections {
  Tensor* query = nullptr;        // [T, Q]
  Tensor* kv = nullptr;           // [T, K]
  Tensor* entry_value = nullptr;  // [T, c * K], and its gate
  Tensor* entry_gate = nullptr;
  Tensor* key_value = nullptr;  // [T, c * J], and its gate
  Tensor* key_gate = nullptr;
  Tensor* key_weight = nullptr;  // [T, I]
};

struct Queries {
  Tensor* q = nullptr;   // bf16 [T, H, K]
  Tensor* iq = nullptr;  // bf16 [T, I, J]
};

// The compressed entries that a row attends to; empty: all that it sees.
struct Selection {
  Tensor* entries = nullptr;  // i32 [T, N]
  Tensor* count = nullptr;    // i32 [T]
};

const Tensor* RopeOf(const Forward& forward, const PreparedLayer& layer) {
  return forward.rope->table(layer.ratio == 0 ? RopeKind::kWindow
                                              : RopeKind::kCompressed);
}

const baleen_state* StateOf(const Forward& forward,
                            const PreparedLayer& layer) {
  return &forward.states->state(layer.index);
}

Projections Project(Forward& forward, const PreparedLayer& layer,
                    const HalfInput& input) {
  const Config& config = *forward.config;
  const auto make = [&](baleen_type type, int64_t columns) {
    return forward.Make(MakeTensor(type, {forward.rows, columns}));
  };
  Projections out;
  out.query = make(BALEEN_TYPE_BF16, config.query_rank);
  out.kv = make(BALEEN_TYPE_BF16, config.head_size);
  if (layer.ratio != 0) {
    const int64_t overlap = layer.ratio == 4 ? 2 : 1;
    out.entry_value = make(BALEEN_TYPE_F32, overlap * config.head_size);
    out.entry_gate = make(BALEEN_TYPE_F32, overlap * config.head_size);
    if (layer.ratio == 4) {
      out.key_value = make(BALEEN_TYPE_F32, overlap * config.index_head_size);
      out.key_gate = make(BALEEN_TYPE_F32, overlap * config.index_head_size);
      out.key_weight = make(BALEEN_TYPE_BF16, config.index_heads);
    }
  }
  baleen_in_proj_args args = {};
  args.u = input.u;
  args.u_rounded = input.u_rounded;
  args.weight = layer.in_proj.handle;
  args.out[BALEEN_IN_QUERY] = out.query;
  args.out[BALEEN_IN_KV] = out.kv;
  args.out[BALEEN_IN_ENTRY_VALUE] = out.entry_value;
  args.out[BALEEN_IN_ENTRY_GATE] = out.entry_gate;
  args.out[BALEEN_IN_KEY_VALUE] = out.key_value;
  args.out[BALEEN_IN_KEY_GATE] = out.key_gate;
  args.out[BALEEN_IN_KEY_WEIGHT] = out.key_weight;
  forward.ops->Add(args, layer.index, {&layer.in_proj.facts});
  return out;
}

// kv goes to the window, or to `block`; returns the normed query rank.
Tensor* NormAndStore(Forward& forward, const PreparedLayer& layer,
                     const Projections& in, Tensor* block) {
  Tensor* query = forward.ops->MakeRounded(
      BALEEN_OP_QKV_POST, nullptr, {forward.rows, forward.config->query_rank});
  baleen_qkv_post_args args = {};
  args.query = in.query;
  args.kv = in.kv;
  args.q_norm = layer.q_norm;
  args.kv_norm = layer.kv_norm;
  args.rope = RopeOf(forward, layer);
  args.state = block == nullptr ? StateOf(forward, layer) : nullptr;
  args.query_rounded = query;
  args.block = block;
  args.epsilon = forward.config->norm_epsilon;
  forward.ops->Add(args, layer.index);
  return query;
}

Queries ProjectQueries(Forward& forward, const PreparedLayer& layer,
                       Tensor* query_rounded) {
  const Config& config = *forward.config;
  Queries out;
  out.q = forward.Make(MakeTensor(
      BALEEN_TYPE_BF16, {forward.rows, config.heads, config.head_size}));
  if (layer.ratio == 4) {
    out.iq = forward.Make(
        MakeTensor(BALEEN_TYPE_BF16,
                   {forward.rows, config.index_heads, config.index_head_size}));
  }
  baleen_q_up_args args = {};
  args.query_rounded = query_rounded;
  args.weight = layer.q_up.handle;
  args.rope = RopeOf(forward, layer);
  args.q = out.q;
  args.iq = out.iq;
  args.epsilon = config.norm_epsilon;
  args.rope_size = static_cast<uint32_t>(config.rope_size);
  forward.ops->Add(args, layer.index, {&layer.q_up.facts});
  return out;
}

void Compress(Forward& forward, const PreparedLayer& layer, baleen_pool pool,
              Tensor* value, Tensor* gate) {
  const PreparedCompressor& compressor =
      pool == BALEEN_POOL_KEYS ? layer.indexer_compressor : layer.compressor;
  baleen_compress_args args = {};
  args.pool = pool;
  args.epsilon = forward.config->norm_epsilon;
  args.value = value;
  args.gate = gate;
  args.ape = compressor.ape;
  args.norm = compressor.norm;
  args.rope = RopeOf(forward, layer);
  args.plan = forward.plan;
  args.frozen = forward.ops->batch().frozen_tensor(
      layer.ratio == 4 ? Batch::kFrozen4 : Batch::kFrozen128);
  args.state = StateOf(forward, layer);
  forward.ops->Add(args, layer.index);
}

// The Lightning indexer (model.md §8).
Selection SelectEntries(Forward& forward, const PreparedLayer& layer,
                        const Projections& in, const Queries& queries) {
  const Config& config = *forward.config;
  const int64_t rows = forward.rows;
  const int64_t heads = config.index_heads;
  const int64_t size = config.index_head_size;
  baleen_indexer_q_args round = {};
  round.iq = queries.iq;
  round.key_weight = in.key_weight;
  round.rope = RopeOf(forward, layer);
  round.iq_rounded = forward.Make(MakeScaledTensor(
      BALEEN_TYPE_I8, BALEEN_TYPE_E8M0, 32, {rows, heads, size}));
  round.head_weight = forward.Make(MakeTensor(BALEEN_TYPE_F32, {rows, heads}));
  round.scale = 1 / std::sqrt(static_cast<float>(heads * size));
  round.rope_size = static_cast<uint32_t>(config.rope_size);
  forward.ops->Add(round, layer.index);

  baleen_indexer_score_args score = {};
  score.iq_rounded = round.iq_rounded;
  score.head_weight = round.head_weight;
  score.plan = forward.plan;
  score.state = StateOf(forward, layer);
  const bool reference = forward.ops->mode() == BALEEN_MODE_REFERENCE;
  score.scores =
      forward.Make(MakeTensor(reference ? BALEEN_TYPE_BF16 : BALEEN_TYPE_F32,
                              {rows, forward.positions / layer.ratio}));
  forward.ops->Add(score, layer.index);

  Selection out;
  out.entries =
      forward.Make(MakeTensor(BALEEN_TYPE_I32, {rows, config.index_top}));
  out.count = forward.Make(MakeTensor(BALEEN_TYPE_I32, {rows}));
  baleen_topk_select_args select = {};
  select.scores = score.scores;
  select.plan = forward.plan;
  select.state = StateOf(forward, layer);
  select.selected = out.entries;
  select.count = out.count;
  forward.ops->Add(select, layer.index);
  forward.taps.scores = score.scores;
  forward.taps.selected = out.entries;
  forward.taps.selected_count = out.count;
  return out;
}

Tensor* Attend(Forward& forward, const PreparedLayer& layer, Tensor* q,
               const Selection& selection, Tensor* block) {
  const Config& config = *forward.config;
  const int64_t groups = config.output_groups;
  Tensor* out = forward.Make(MakeTensor(
      BALEEN_TYPE_BF16,
      {forward.rows, groups, config.heads / groups * config.head_size}));
  baleen_sparse_attn_args args = {};
  args.q = q;
  args.sink = layer.sink;
  args.rope = RopeOf(forward, layer);
  args.plan = forward.plan;
  args.selected = selection.entries;
  args.count = selection.count;
  args.block = block;
  args.state = StateOf(forward, layer);
  args.out = out;
  args.scale = 1 / std::sqrt(static_cast<float>(config.head_size));
  args.window = static_cast<uint32_t>(config.window);
  forward.ops->Add(args, layer.index);
  return out;
}

// The grouped output projection: out of each group, then of all.
Tensor* ProjectOutput(Forward& forward, const PreparedLayer& layer,
                      Tensor* attended) {
  const Config& config = *forward.config;
  const int64_t inner = int64_t{config.output_groups} * config.output_rank;
  baleen_wo_a_args first = {};
  first.in = attended;
  first.weight = layer.wo_a.handle;
  first.z =
      forward.ops->MakeRounded(BALEEN_OP_WO_A, nullptr, {forward.rows, inner});
  forward.ops->Add(first, layer.index, {&layer.wo_a.facts});

  baleen_wo_b_args second = {};
  second.z = first.z;
  second.weight = layer.wo_b.handle;
  second.y =
      forward.Make(MakeTensor(BALEEN_TYPE_BF16, {forward.rows, config.hidden}));
  const baleen_op_needs needs = forward.ops->Query(second, layer.index);
  if (needs.parts > 0) {
    second.y = forward.Make(MakeTensor(
        BALEEN_TYPE_F32, {needs.parts, forward.rows, config.hidden}));
  }
  forward.ops->Add(second, layer.index, {&layer.wo_b.facts});
  return second.y;
}

}  // namespace

void AttentionHalf(Forward& forward, const PreparedLayer& layer) {
  const HalfInput input = BeginHalf(forward, layer.attention_hyper,
                                    layer.attention_norm, layer.index);
  const Projections in = Project(forward, layer, input);
  Tensor* block = nullptr;
  if (forward.drafts_block) {
    const auto entry = static_cast<int64_t>(
        ItemBytes(StateOf(forward, layer)->shape, BALEEN_POOL_WINDOW));
    block = forward.Make(MakeTensor(BALEEN_TYPE_BYTE, {forward.rows, entry}));
  }
  // What the projections give goes to the state before queries are made, so that
  // a device can do it all at once.
  Tensor* query = NormAndStore(forward, layer, in, block);
  if (layer.ratio != 0) {
    Compress(forward, layer, BALEEN_POOL_ENTRIES, in.entry_value,
             in.entry_gate);
  }
  if (layer.ratio == 4) {
    Compress(forward, layer, BALEEN_POOL_KEYS, in.key_value, in.key_gate);
  }
  const Queries queries = ProjectQueries(forward, layer, query);
  Selection selection;
  if (layer.ratio == 4) {
    selection = SelectEntries(forward, layer, in, queries);
  }
  Tensor* attended = Attend(forward, layer, queries.q, selection, block);
  forward.y = ProjectOutput(forward, layer, attended);
}

void FillWindow(Forward& forward, const PreparedLayer& stage,
                const CountedWeight& wkv, Tensor* context) {
  const Config& config = *forward.config;
  baleen_linear_args project = {};
  project.in = context;
  project.weight = wkv.handle;
  project.out = forward.Make(
      MakeTensor(BALEEN_TYPE_BF16, {forward.rows, config.head_size}));
  project.epsilon = config.norm_epsilon;
  project.repeat = 1;
  forward.ops->Add(project, stage.index, {&wkv.facts});

  baleen_qkv_post_args store = {};
  store.kv = project.out;
  store.kv_norm = stage.kv_norm;
  store.rope = RopeOf(forward, stage);
  store.state = StateOf(forward, stage);
  store.epsilon = config.norm_epsilon;
  forward.ops->Add(store, stage.index);
}

}  // namespace baleen::deepseek_v4
