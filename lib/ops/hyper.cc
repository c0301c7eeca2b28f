#include "ops/hyper.h"

#include "ops/shape_check.h"

namespace baleen {

Status CheckShapes(const baleen_embed_args& args) {
  int64_t T = 0, M = 0, D = 0;
  ShapeCheck check("embed");
  check.Is("streams", args.streams, BALEEN_TYPE_BF16, {&T, &M, &D});
  return check.status();
}

Status CheckShapes(const baleen_mhc_boundary_args& args) {
  int64_t T = 0, M = 0, D = 0;
  ShapeCheck check("mhc_boundary");
  check.Is("streams", args.streams, BALEEN_TYPE_BF16, {&T, &M, &D});
  if (args.y != nullptr) {
    check.IsSum("y", args.y, &T, &D);
    check.Is("post_in", args.post_in, BALEEN_TYPE_F32, {&T, &M});
    check.Is("mix_in", args.mix_in, BALEEN_TYPE_F32, {&T, &M, &M});
  }
  check.Is("fn", args.fn, BALEEN_TYPE_F32, {(2 + M) * M, M * D});
  check.Is("base", args.base, BALEEN_TYPE_F32, {(2 + M) * M});
  check.Is("scale", args.scale, BALEEN_TYPE_F32, {3});
  check.Is("norm", args.norm, BALEEN_TYPE_BF16, {&D});
  check.Holds(args.u != nullptr || args.u_rounded != nullptr,
              "there is neither u nor u_rounded");
  check.IsOrNull("u", args.u, BALEEN_TYPE_BF16, {&T, &D});
  check.IsRoundedOrNull("u_rounded", args.u_rounded, {&T, &D});
  check.Is("post", args.post, BALEEN_TYPE_F32, {&T, &M});
  check.Is("mix", args.mix, BALEEN_TYPE_F32, {&T, &M, &M});
  check.IsOrNull("stream_mean", args.stream_mean, BALEEN_TYPE_BF16, {&T, &D});
  return check.status();
}

Status CheckShapes(const baleen_hc_head_args& args) {
  int64_t T = 0, M = 0, D = 0, R = 0;
  ShapeCheck check("hc_head");
  check.Is("streams", args.streams, BALEEN_TYPE_BF16, {&T, &M, &D});
  if (args.y != nullptr) {
    check.IsSum("y", args.y, &T, &D);
    check.Is("post_in", args.post_in, BALEEN_TYPE_F32, {&T, &M});
    check.Is("mix_in", args.mix_in, BALEEN_TYPE_F32, {&T, &M, &M});
  }
  check.Is("fn", args.fn, BALEEN_TYPE_F32, {&M, M * D});
  check.Is("base", args.base, BALEEN_TYPE_F32, {&M});
  check.Is("scale", args.scale, BALEEN_TYPE_F32, {1});
  check.Is("norm", args.norm, BALEEN_TYPE_BF16, {&D});
  check.IsOrNull("joined", args.joined, BALEEN_TYPE_BF16, {&R, &D});
  check.Is("u", args.u, BALEEN_TYPE_BF16, {&R, &D});
  check.IsOrNull("stream_mean", args.stream_mean, BALEEN_TYPE_BF16, {&T, &D});
  return check.status();
}

}  // namespace baleen
