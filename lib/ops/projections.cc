#include "ops/projections.h"

#include <algorithm>

#include "ops/shape_check.h"

namespace baleen {

Status CheckShapes(const baleen_in_proj_args& args) {
  int64_t T = 0, D = 0;
  ShapeCheck check("in_proj");
  check.IsOrNull("u", args.u, BALEEN_TYPE_BF16, {&T, &D});
  check.IsRoundedOrNull("u_rounded", args.u_rounded, {&T, &D});
  check.Holds(T != 0, "there is neither u nor u_rounded");
  bool any = false;
  for (const Tensor* out : args.out) {
    int64_t outer = 0;
    check.IsFloatOrNull("out", out, {&T, &outer});
    any = any || out != nullptr;
  }
  check.Holds(any, "there is no output");
  return check.status();
}

Status CheckShapes(const baleen_q_up_args& args) {
  int64_t T = 0, Q = 0, P = 0, H = 0, K = 0, I = 0, J = 0;
  ShapeCheck check("q_up");
  check.IsRounded("query_rounded", args.query_rounded, {&T, &Q});
  check.Is("rope", args.rope, BALEEN_TYPE_F32,
           {&P, 2, int64_t{args.rope_size / 2}});
  check.Is("q", args.q, BALEEN_TYPE_BF16, {&T, &H, &K});
  check.IsOrNull("iq", args.iq, BALEEN_TYPE_BF16, {&T, &I, &J});
  check.Holds(K >= args.rope_size, "a head is smaller than its rotated part");
  return check.status();
}

Status CheckShapes(const baleen_wo_a_args& args) {
  int64_t T = 0, G = 0, inner = 0, outer = 0;
  ShapeCheck check("wo_a");
  check.IsRounded("in", args.in, {&T, &G, &inner});
  check.IsRounded("z", args.z, {&T, &outer});
  check.Holds(G != 0 && outer % G == 0, "z is not one part for each group");
  return check.status();
}

Status CheckShapes(const baleen_wo_b_args& args) {
  int64_t T = 0, D = 0, inner = 0;
  ShapeCheck check("wo_b");
  check.IsRounded("z", args.z, {&T, &inner});
  check.IsSum("y", args.y, &T, &D);
  return check.status();
}

Status CheckShapes(const baleen_linear_args& args) {
  int64_t rows = 0, inner = 0, outer = 0;
  ShapeCheck check("linear");
  if (args.in != nullptr && args.in->type == BALEEN_TYPE_I32) {
    check.Is("in", args.in, BALEEN_TYPE_I32, {&rows});
    check.Holds(args.norm_in == nullptr, "indices have no norm");
  } else {
    check.IsRounded("in", args.in, {&rows, &inner});
    check.IsOrNull("norm_in", args.norm_in, BALEEN_TYPE_BF16, {&inner});
  }
  check.IsFloat("out", args.out, {&rows, &outer});
  check.IsOrNull("add", args.add, BALEEN_TYPE_BF16,
                 {rows / std::max<int64_t>(args.repeat, 1), &outer});
  check.IsOrNull("norm_out", args.norm_out, BALEEN_TYPE_BF16, {&outer});
  return check.status();
}

}  // namespace baleen
