// Operators behind the layers (model.md §12, §14): logits, sampling, and the
// Markov head of the DSpark drafter.
#pragma once

#include <baleen/backend.h>

#include "base/status.h"

namespace baleen {

template <typename Visitor>
void VisitOperands(baleen_head_args& args, Visitor&& visit) {
  visit.In(args.u);
  visit.Weight(args.weight);
  visit.Out(args.logits);
  visit.Out(args.top);
  visit.Out(args.top_logits);
  visit.Out(args.log_sum);
}

template <typename Visitor>
void VisitOperands(baleen_sample_args& args, Visitor&& visit) {
  visit.In(args.logits);
  visit.In(args.rows);
  visit.In(args.draft_logits);
  visit.Out(args.tokens);
  visit.Out(args.log_probability);
  visit.Out(args.accepted);
}

// L_i = base_i + w2 w1[token before]; token of it; confidence = weight .
// (joined_i, w1[token before]).
template <typename Visitor>
void VisitOperands(baleen_draft_head_args& args, Visitor&& visit) {
  visit.In(args.base);
  visit.In(args.joined);
  visit.In(args.first);
  visit.In(args.rows);
  visit.Weight(args.w1);
  visit.Weight(args.w2);
  visit.In(args.confidence_weight);
  visit.Out(args.logits);
  visit.Out(args.tokens);
  visit.Out(args.confidence);
}

Status CheckShapes(const baleen_head_args& args);
Status CheckShapes(const baleen_sample_args& args);
Status CheckShapes(const baleen_draft_head_args& args);

}  // namespace baleen
