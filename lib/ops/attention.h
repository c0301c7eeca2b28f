// Operators of attention and its state (model.md §6 to §9): keys and the window,
// compressors, the Lightning indexer, the choice of entries, and the core.
#pragma once

#include <baleen/backend.h>

#include "base/status.h"

namespace baleen {

template <typename Visitor>
void VisitOperands(baleen_qkv_post_args& args, Visitor&& visit) {
  visit.In(args.query);
  visit.In(args.kv);
  visit.In(args.q_norm);
  visit.In(args.kv_norm);
  visit.In(args.rope);
  visit.Out(args.query_rounded);
  visit.Out(args.block);
}

template <typename Visitor>
void VisitOperands(baleen_indexer_q_args& args, Visitor&& visit) {
  visit.In(args.iq);
  visit.In(args.key_weight);
  visit.In(args.rope);
  visit.Out(args.iq_rounded);
  visit.Out(args.head_weight);
}

// E_i = softmax over the group's gates, by channel, of its values.
template <typename Visitor>
void VisitOperands(baleen_compress_args& args, Visitor&& visit) {
  visit.In(args.value);
  visit.In(args.gate);
  visit.In(args.ape);
  visit.In(args.norm);
  visit.In(args.rope);
  visit.In(args.plan);
  visit.In(args.frozen);
}

template <typename Visitor>
void VisitOperands(baleen_step_plan_args& args, Visitor&& visit) {
  visit.Out(args.plan);
}

// I_ts = sum_h relu(iq_th . ik_s) w_th.
template <typename Visitor>
void VisitOperands(baleen_indexer_score_args& args, Visitor&& visit) {
  visit.In(args.iq_rounded);
  visit.In(args.head_weight);
  visit.In(args.plan);
  visit.Out(args.scores);
}

template <typename Visitor>
void VisitOperands(baleen_topk_select_args& args, Visitor&& visit) {
  visit.In(args.scores);
  visit.In(args.plan);
  visit.Out(args.selected);
  visit.Out(args.count);
}

// o_h = sum_n exp(l_hn - m) k_n / (sum_n exp(l_hn - m) + exp(sink_h - m)).
template <typename Visitor>
void VisitOperands(baleen_sparse_attn_args& args, Visitor&& visit) {
  visit.In(args.q);
  visit.In(args.sink);
  visit.In(args.rope);
  visit.In(args.plan);
  visit.In(args.selected);
  visit.In(args.count);
  visit.In(args.block);
  visit.Out(args.out);
}

Status CheckShapes(const baleen_qkv_post_args& args);
Status CheckShapes(const baleen_indexer_q_args& args);
Status CheckShapes(const baleen_compress_args& args);
Status CheckShapes(const baleen_step_plan_args& args);
Status CheckShapes(const baleen_indexer_score_args& args);
Status CheckShapes(const baleen_topk_select_args& args);
Status CheckShapes(const baleen_sparse_attn_args& args);

}  // namespace baleen
