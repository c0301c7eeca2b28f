#include "ops/output.h"

#include "ops/shape_check.h"

namespace baleen {

Status CheckShapes(const baleen_head_args& args) {
  int64_t R = 0, D = 0, V = 0, n = 0;
  ShapeCheck check("head");
  check.Is("u", args.u, BALEEN_TYPE_BF16, {&R, &D});
  check.Holds(args.logits != nullptr || args.top != nullptr,
              "there is neither logits nor top");
  check.IsOrNull("logits", args.logits, BALEEN_TYPE_F32, {&R, &V});
  if (args.top != nullptr) {
    check.Is("top", args.top, BALEEN_TYPE_I32, {&R, &n});
    check.Is("top_logits", args.top_logits, BALEEN_TYPE_F32, {&R, &n});
  }
  check.IsOrNull("log_sum", args.log_sum, BALEEN_TYPE_F32, {&R});
  return check.status();
}

Status CheckShapes(const baleen_sample_args& args) {
  int64_t R = 0, V = 0;
  ShapeCheck check("sample");
  check.Is("logits", args.logits, BALEEN_TYPE_F32, {&R, &V});
  check.Is("rows", args.rows, BALEEN_TYPE_BYTE,
           {&R, int64_t{sizeof(baleen_sample_row)}});
  check.IsOrNull("draft_logits", args.draft_logits, BALEEN_TYPE_F32, {&R, &V});
  check.Is("tokens", args.tokens, BALEEN_TYPE_I32, {&R});
  check.IsOrNull("log_probability", args.log_probability, BALEEN_TYPE_F32,
                 {&R});
  check.IsOrNull("accepted", args.accepted, BALEEN_TYPE_I32, {&R});
  return check.status();
}

Status CheckShapes(const baleen_draft_head_args& args) {
  int64_t R = 0, V = 0, D = 0, S = 0, wide = 0;
  ShapeCheck check("draft_head");
  check.Is("base", args.base, BALEEN_TYPE_F32, {&R, &V});
  check.Is("joined", args.joined, BALEEN_TYPE_BF16, {&R, &D});
  check.Is("first", args.first, BALEEN_TYPE_I32, {&S});
  check.Is("rows", args.rows, BALEEN_TYPE_BYTE,
           {&R, int64_t{sizeof(baleen_sample_row)}});
  check.Is("confidence_weight", args.confidence_weight, BALEEN_TYPE_BF16,
           {&wide});
  check.Holds(wide > D, "confidence_weight is not of D + rank");
  check.Is("logits", args.logits, BALEEN_TYPE_F32, {&R, &V});
  check.Is("tokens", args.tokens, BALEEN_TYPE_I32, {&R});
  check.Is("confidence", args.confidence, BALEEN_TYPE_F32, {&R});
  check.Holds(args.block > 0, "a block has no rows");
  return check.status();
}

}  // namespace baleen
