// Operators of the mixture of experts (model.md §11): router, the order of rows
// by expert, and the two halves of the experts.
#pragma once

#include <baleen/backend.h>

#include "base/status.h"

namespace baleen {

template <typename Visitor>
void VisitOperands(baleen_router_args& args, Visitor&& visit) {
  visit.In(args.u);
  visit.In(args.gate);
  visit.In(args.bias);
  visit.In(args.table);
  visit.Out(args.experts);
  visit.Out(args.weights);
}

template <typename Visitor>
void VisitOperands(baleen_moe_plan_args& args, Visitor&& visit) {
  visit.In(args.experts);
  visit.In(args.weights);
  visit.In(args.resident);
  visit.Out(args.plan);
  visit.Out(args.visited);
  visit.Out(args.missing);
}

template <typename Visitor>
void VisitOperands(baleen_moe_gate_up_args& args, Visitor&& visit) {
  visit.In(args.u);
  visit.In(args.u_rounded);
  visit.In(args.plan);
  visit.Weight(args.weight);
  visit.Out(args.a);
}

template <typename Visitor>
void VisitOperands(baleen_moe_down_args& args, Visitor&& visit) {
  visit.In(args.a);
  visit.In(args.plan);
  visit.In(args.others);
  visit.Weight(args.weight);
  visit.Out(args.y);
}

Status CheckShapes(const baleen_router_args& args);
Status CheckShapes(const baleen_moe_plan_args& args);
Status CheckShapes(const baleen_moe_gate_up_args& args);
Status CheckShapes(const baleen_moe_down_args& args);

}  // namespace baleen
