// Operators of the residual streams (model.md §4, §5): embedding, the boundary
// between half-layers, and the head that joins the streams.
//
// For each operator of the table, these headers have VisitOperands, which names
// the tensors of an argument struct in order (inputs with In, outputs with Out,
// both with InOut, prepared weights with Weight), and CheckShapes, which holds
// them to the comments in backend.h.
#pragma once

#include <baleen/backend.h>

#include "base/status.h"

namespace baleen {

template <typename Visitor>
void VisitOperands(baleen_embed_args& args, Visitor&& visit) {
  visit.Weight(args.table);
  visit.Out(args.streams);
}

// x_j of the next half: X'_k = post_k y + sum_j mix_jk X_j, then
// u = norm(sum_j pre_j X'_j) with pre, post, mix of X' by Sinkhorn.
template <typename Visitor>
void VisitOperands(baleen_mhc_boundary_args& args, Visitor&& visit) {
  visit.In(args.y);
  visit.In(args.post_in);
  visit.In(args.mix_in);
  visit.In(args.fn);
  visit.In(args.base);
  visit.In(args.scale);
  visit.In(args.norm);
  visit.InOut(args.streams);
  visit.Out(args.u);
  visit.Out(args.u_rounded);
  visit.Out(args.post);
  visit.Out(args.mix);
  visit.Out(args.stream_mean);
}

// y = sum_j pre_j X_j of the wanted rows; u = norm(y).
template <typename Visitor>
void VisitOperands(baleen_hc_head_args& args, Visitor&& visit) {
  visit.In(args.y);
  visit.In(args.post_in);
  visit.In(args.mix_in);
  visit.In(args.fn);
  visit.In(args.base);
  visit.In(args.scale);
  visit.In(args.norm);
  visit.InOut(args.streams);
  visit.Out(args.joined);
  visit.Out(args.u);
  visit.Out(args.stream_mean);
}

Status CheckShapes(const baleen_embed_args& args);
Status CheckShapes(const baleen_mhc_boundary_args& args);
Status CheckShapes(const baleen_hc_head_args& args);

}  // namespace baleen
