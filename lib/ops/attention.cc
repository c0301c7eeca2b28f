#include "ops/attention.h"

#include "ops/shape_check.h"
#include "ops/state_shape.h"

namespace baleen {
Status CheckShapes(const baleen_qkv_post_args& args) {
  int64_t T = 0, Q = 0, K = 0, P = 0, half = 0;
  ShapeCheck check("qkv_post");
  check.IsFloat("kv", args.kv, {&T, &K});
  if (args.query != nullptr) {
    check.IsFloat("query", args.query, {&T, &Q});
    check.Is("q_norm", args.q_norm, BALEEN_TYPE_BF16, {&Q});
    check.IsRounded("query_rounded", args.query_rounded, {&T, &Q});
  }
  check.Is("kv_norm", args.kv_norm, BALEEN_TYPE_BF16, {&K});
  check.Is("rope", args.rope, BALEEN_TYPE_F32, {&P, 2, &half});
  if (args.state == nullptr) {
    check.Is("block", args.block, BALEEN_TYPE_BYTE,
             {&T, EntryBytes(K, 2 * half)});
  } else {
    check.Holds(args.block == nullptr, "there is both a state and a block");
    check.Holds(args.state->shape.head_size == K &&
                    args.state->shape.rope_size == 2 * half,
                "the state is of heads of another size");
  }
  return check.status();
}

Status CheckShapes(const baleen_indexer_q_args& args) {
  int64_t T = 0, I = 0, J = 0, P = 0;
  ShapeCheck check("indexer_q");
  check.Is("iq", args.iq, BALEEN_TYPE_BF16, {&T, &I, &J});
  check.Is("key_weight", args.key_weight, BALEEN_TYPE_BF16, {&T, &I});
  check.Is("rope", args.rope, BALEEN_TYPE_F32,
           {&P, 2, int64_t{args.rope_size / 2}});
  const bool small =
      args.iq_rounded != nullptr && args.iq_rounded->type == BALEEN_TYPE_I8;
  check.Is("iq_rounded", args.iq_rounded,
           small ? BALEEN_TYPE_I8 : BALEEN_TYPE_F4_E2M1, {&T, &I, &J});
  check.Is("head_weight", args.head_weight, BALEEN_TYPE_F32, {&T, &I});
  return check.status();
}

Status CheckShapes(const baleen_compress_args& args) {
  int64_t T = 0, wide = 0, size = 0, P = 0, half = 0, S = 0;
  ShapeCheck check("compress");
  check.Holds(args.state != nullptr, "state is missing");
  if (!check.status().ok()) return check.status();
  const baleen_state_shape& shape = args.state->shape;
  check.Is("value", args.value, BALEEN_TYPE_F32, {&T, &wide});
  check.Is("gate", args.gate, BALEEN_TYPE_F32, {&T, &wide});
  check.Is("ape", args.ape, BALEEN_TYPE_F32, {int64_t{shape.ratio}, &wide});
  check.Is("norm", args.norm, BALEEN_TYPE_BF16, {&size});
  check.Is("rope", args.rope, BALEEN_TYPE_F32, {&P, 2, &half});
  check.IsPlan("plan", args.plan);
  check.IsOrNull("frozen", args.frozen, BALEEN_TYPE_I32, {&S});
  const bool keys = args.pool == BALEEN_POOL_KEYS;
  check.Holds(keys || args.pool == BALEEN_POOL_ENTRIES,
              "pool has no compressed rows");
  check.Holds(size == (keys ? shape.key_size : shape.head_size) &&
                  wide == OverlapOf(shape) * size,
              "the state is of entries of another size");
  return check.status();
}

Status CheckShapes(const baleen_step_plan_args& args) {
  ShapeCheck check("step_plan");
  check.Holds(args.kinds != nullptr && args.kind_count > 0, "kinds is empty");
  check.IsPlan("plan", args.plan);
  return check.status();
}

Status CheckShapes(const baleen_indexer_score_args& args) {
  int64_t T = 0, I = 0, J = 0, C = 0;
  ShapeCheck check("indexer_score");
  const bool small =
      args.iq_rounded != nullptr && args.iq_rounded->type == BALEEN_TYPE_I8;
  check.Is("iq_rounded", args.iq_rounded,
           small ? BALEEN_TYPE_I8 : BALEEN_TYPE_F4_E2M1, {&T, &I, &J});
  check.Is("head_weight", args.head_weight, BALEEN_TYPE_F32, {&T, &I});
  check.IsPlan("plan", args.plan);
  check.IsFloat("scores", args.scores, {&T, &C});
  check.Holds(args.state != nullptr && args.state->shape.key_size == J,
              "the state has no keys of this size");
  return check.status();
}

Status CheckShapes(const baleen_topk_select_args& args) {
  int64_t T = 0, C = 0, N = 0;
  ShapeCheck check("topk_select");
  check.IsFloat("scores", args.scores, {&T, &C});
  check.IsPlan("plan", args.plan);
  check.Is("selected", args.selected, BALEEN_TYPE_I32, {&T, &N});
  check.Is("count", args.count, BALEEN_TYPE_I32, {&T});
  check.Holds(args.state != nullptr, "state is missing");
  return check.status();
}

Status CheckShapes(const baleen_sparse_attn_args& args) {
  int64_t T = 0, H = 0, K = 0, P = 0, half = 0, N = 0, G = 0;
  ShapeCheck check("sparse_attn");
  check.Is("q", args.q, BALEEN_TYPE_BF16, {&T, &H, &K});
  check.Is("sink", args.sink, BALEEN_TYPE_F32, {&H});
  check.Is("rope", args.rope, BALEEN_TYPE_F32, {&P, 2, &half});
  check.IsPlan("plan", args.plan);
  if (args.selected != nullptr) {
    check.Is("selected", args.selected, BALEEN_TYPE_I32, {&T, &N});
    check.Is("count", args.count, BALEEN_TYPE_I32, {&T});
  }
  check.IsOrNull("block", args.block, BALEEN_TYPE_BYTE,
                 {&T, EntryBytes(K, 2 * half)});
  int64_t inner = 0;
  check.IsRounded("out", args.out, {&T, &G, &inner});
  check.Holds(G * inner == H * K, "out is not all heads");
  check.Holds(args.state != nullptr && args.state->shape.head_size == K,
              "the state is of heads of another size");
  return check.status();
}

}  // namespace baleen
