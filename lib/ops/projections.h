// Operators that are products with a weight (model.md §6): everything that
// multiplies the input of a half-layer, the queries, the two output products,
// and the linear operator of the drafters.
#pragma once

#include <baleen/backend.h>

#include "base/status.h"

namespace baleen {

template <typename Visitor>
void VisitOperands(baleen_in_proj_args& args, Visitor&& visit) {
  visit.In(args.u);
  visit.In(args.u_rounded);
  visit.Weight(args.weight);
  for (baleen_tensor*& out : args.out) visit.Out(out);
}

// q = rope(norm per head(wq_b qr)); iq = indexer.wq_b qr.
template <typename Visitor>
void VisitOperands(baleen_q_up_args& args, Visitor&& visit) {
  visit.In(args.query_rounded);
  visit.Weight(args.weight);
  visit.In(args.rope);
  visit.Out(args.q);
  visit.Out(args.iq);
}

// z_g = wo_a_g out_g.
template <typename Visitor>
void VisitOperands(baleen_wo_a_args& args, Visitor&& visit) {
  visit.In(args.in);
  visit.Weight(args.weight);
  visit.Out(args.z);
}

template <typename Visitor>
void VisitOperands(baleen_wo_b_args& args, Visitor&& visit) {
  visit.In(args.z);
  visit.Weight(args.weight);
  visit.Out(args.y);
}

template <typename Visitor>
void VisitOperands(baleen_linear_args& args, Visitor&& visit) {
  visit.In(args.in);
  visit.In(args.norm_in);
  visit.Weight(args.weight);
  visit.In(args.add);
  visit.In(args.norm_out);
  visit.Out(args.out);
}

Status CheckShapes(const baleen_in_proj_args& args);
Status CheckShapes(const baleen_q_up_args& args);
Status CheckShapes(const baleen_wo_a_args& args);
Status CheckShapes(const baleen_wo_b_args& args);
Status CheckShapes(const baleen_linear_args& args);

}  // namespace baleen
