#include "ops/experts.h"

#include "ops/shape_check.h"

namespace baleen {

Status CheckShapes(const baleen_router_args& args) {
  int64_t T = 0, D = 0, E = 0, A = 0, V = 0;
  ShapeCheck check("router");
  check.Is("u", args.u, BALEEN_TYPE_BF16, {&T, &D});
  check.Is("gate", args.gate, BALEEN_TYPE_BF16, {&E, &D});
  check.Is("experts", args.experts, BALEEN_TYPE_I32, {&T, &A});
  check.Is("weights", args.weights, BALEEN_TYPE_F32, {&T, &A});
  check.Holds(args.table != nullptr || args.bias != nullptr,
              "there is neither a bias nor a table");
  check.IsOrNull("bias", args.bias, BALEEN_TYPE_F32, {&E});
  const bool wide =
      args.table != nullptr && args.table->type == BALEEN_TYPE_I64;
  check.IsOrNull("table", args.table, wide ? BALEEN_TYPE_I64 : BALEEN_TYPE_I32,
                 {&V, &A});
  check.Holds(A <= E, "a token visits more experts than there are");
  return check.status();
}

Status CheckShapes(const baleen_moe_plan_args& args) {
  int64_t T = 0, A = 0, E = 0;
  ShapeCheck check("moe_plan");
  check.Is("experts", args.experts, BALEEN_TYPE_I32, {&T, &A});
  check.Is("weights", args.weights, BALEEN_TYPE_F32, {&T, &A});
  check.IsPlan("plan", args.plan);
  check.Is("visited", args.visited, BALEEN_TYPE_I32, {&E});
  check.IsOrNull("resident", args.resident, BALEEN_TYPE_I32, {&E});
  check.IsOrNull("missing", args.missing, BALEEN_TYPE_I32, {1 + E});
  return check.status();
}

Status CheckShapes(const baleen_moe_gate_up_args& args) {
  int64_t T = 0, D = 0, places = 0, F = 0;
  ShapeCheck check("moe_gate_up");
  check.IsOrNull("u", args.u, BALEEN_TYPE_BF16, {&T, &D});
  check.IsRounded("u_rounded", args.u_rounded, {&T, &D});
  check.IsPlan("plan", args.plan);
  check.IsRounded("a", args.a, {&places, &F});
  check.Holds(T != 0 && places % T == 0, "a is not so many places a row");
  return check.status();
}

Status CheckShapes(const baleen_moe_down_args& args) {
  int64_t T = 0, D = 0, A = 0, places = 0, F = 0;
  ShapeCheck check("moe_down");
  check.IsRounded("a", args.a, {&places, &F});
  check.IsPlan("plan", args.plan);
  check.IsSum("y", args.y, &T, &D);
  check.IsOrNull("others", args.others, BALEEN_TYPE_F32, {&T, &A, &D});
  check.Holds(T != 0 && places % T == 0, "a is not so many places a row");
  return check.status();
}

}  // namespace baleen
