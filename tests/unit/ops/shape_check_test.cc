// The shapes of argument structs: right ones pass, and each tensor that does not
// fit is named.
#include "ops/shape_check.h"

#include <gtest/gtest.h>

#include <string>

#include "ops/attention.h"
#include "ops/experts.h"
#include "ops/hyper.h"
#include "ops/output.h"
#include "ops/projections.h"

namespace baleen {
namespace {

std::string MessageOf(const Status& status) { return status.message(); }

Tensor F32(std::initializer_list<int64_t> sizes) {
  return MakeTensor(BALEEN_TYPE_F32, sizes);
}
Tensor Bf16(std::initializer_list<int64_t> sizes) {
  return MakeTensor(BALEEN_TYPE_BF16, sizes);
}
Tensor I32(std::initializer_list<int64_t> sizes) {
  return MakeTensor(BALEEN_TYPE_I32, sizes);
}

TEST(ShapeCheckTest, BindsLettersAndKeepsTheFirstMismatch) {
  int64_t T = 0, D = 0;
  ShapeCheck check("op");
  const Tensor u = Bf16({3, 8});
  const Tensor v = Bf16({3, 9});
  check.Is("u", &u, BALEEN_TYPE_BF16, {&T, &D});
  EXPECT_TRUE(check.status().ok());
  EXPECT_EQ(T, 3);
  EXPECT_EQ(D, 8);
  check.Is("v", &v, BALEEN_TYPE_BF16, {&T, &D});
  check.Is("w", nullptr, BALEEN_TYPE_BF16, {&T, &D});
  EXPECT_EQ(MessageOf(check.status()),
            "op: v is bf16 [3, 9], which does not fit");
}

TEST(ShapeCheckTest, RefusesMissingTensorsTypesAndRanks) {
  const Tensor u = Bf16({3, 8});
  int64_t T = 0;
  ShapeCheck missing("op");
  missing.Is("u", nullptr, BALEEN_TYPE_BF16, {&T});
  EXPECT_EQ(MessageOf(missing.status()), "op: u is missing");
  ShapeCheck type("op");
  type.Is("u", &u, BALEEN_TYPE_F32, {3, 8});
  EXPECT_FALSE(type.status().ok());
  ShapeCheck rank("op");
  rank.Is("u", &u, BALEEN_TYPE_BF16, {3});
  EXPECT_FALSE(rank.status().ok());
  ShapeCheck optional("op");
  optional.IsOrNull("u", nullptr, BALEEN_TYPE_BF16, {&T});
  EXPECT_TRUE(optional.status().ok());
  // Rows may be apart, but not their elements.
  Tensor strided = u;
  strided.stride[0] = 100;
  ShapeCheck rows("op");
  rows.Is("u", &strided, BALEEN_TYPE_BF16, {3, 8});
  EXPECT_TRUE(rows.status().ok());
  strided.stride[1] = 2;
  rows.Is("u", &strided, BALEEN_TYPE_BF16, {3, 8});
  EXPECT_FALSE(rows.status().ok());
}

TEST(ShapeCheckTest, KnowsRoundedTensors) {
  const Tensor plain = Bf16({2, 256});
  Tensor rounded =
      MakeScaledTensor(BALEEN_TYPE_F8_E4M3, BALEEN_TYPE_E8M0, 128, {2, 256});
  ShapeCheck check("op");
  check.IsRounded("a", &plain, {2, 256});
  check.IsRounded("b", &rounded, {2, 256});
  EXPECT_TRUE(check.status().ok());
  rounded.scale_type = BALEEN_TYPE_NONE;
  check.IsRounded("c", &rounded, {2, 256});
  EXPECT_FALSE(check.status().ok());
}

TEST(ShapeCheckTest, Router) {
  const Tensor u = Bf16({5, 64});
  const Tensor gate = Bf16({8, 64});
  const Tensor bias = F32({8});
  const Tensor table = MakeTensor(BALEEN_TYPE_I64, {100, 3});
  Tensor experts = I32({5, 3});
  Tensor weights = F32({5, 3});
  baleen_router_args args = {};
  args.u = &u;
  args.gate = &gate;
  args.bias = &bias;
  args.experts = &experts;
  args.weights = &weights;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.table = &table;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.bias = nullptr;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.table = nullptr;
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "router: there is neither a bias nor a table");
  args.bias = &bias;
  experts = I32({5, 9});
  weights = F32({5, 9});
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "router: a token visits more experts than there are");
  const Tensor narrow = Bf16({8, 63});
  args.gate = &narrow;
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "router: gate is bf16 [8, 63], which does not fit");
}

TEST(ShapeCheckTest, Boundary) {
  const Tensor y = Bf16({5, 32});
  const Tensor parts = F32({3, 5, 32});
  const Tensor fn = F32({24, 128});
  const Tensor base = F32({24});
  const Tensor scale = F32({3});
  const Tensor norm = Bf16({32});
  Tensor streams = Bf16({5, 4, 32});
  Tensor u = Bf16({5, 32});
  Tensor post = F32({5, 4});
  Tensor mix = F32({5, 4, 4});
  baleen_mhc_boundary_args args = {};
  args.fn = &fn;
  args.base = &base;
  args.scale = &scale;
  args.norm = &norm;
  args.streams = &streams;
  args.u = &u;
  args.post = &post;
  args.mix = &mix;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.y = &y;
  EXPECT_EQ(MessageOf(CheckShapes(args)), "mhc_boundary: post_in is missing");
  args.post_in = &post;
  args.mix_in = &mix;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.y = &parts;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.u = nullptr;
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "mhc_boundary: there is neither u nor u_rounded");
  args.u = &u;
  const Tensor narrow = F32({24, 127});
  args.fn = &narrow;
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "mhc_boundary: fn is f32 [24, 127], which does not fit");
}

TEST(ShapeCheckTest, Attention) {
  baleen_state state = {};
  state.shape.ratio = 4;
  state.shape.head_size = 512;
  state.shape.rope_size = 64;
  state.shape.key_size = 128;
  const Tensor q = Bf16({7, 4, 512});
  const Tensor sink = F32({4});
  const Tensor rope = F32({256, 2, 32});
  const Tensor plan = MakeTensor(BALEEN_TYPE_BYTE, {64});
  const Tensor selected = I32({7, 8});
  const Tensor count = I32({7});
  Tensor out = Bf16({7, 2, 1024});
  baleen_sparse_attn_args args = {};
  args.q = &q;
  args.sink = &sink;
  args.rope = &rope;
  args.plan = &plan;
  args.state = &state;
  args.out = &out;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.selected = &selected;
  EXPECT_EQ(MessageOf(CheckShapes(args)), "sparse_attn: count is missing");
  args.count = &count;
  EXPECT_TRUE(CheckShapes(args).ok());
  out = Bf16({7, 2, 512});
  EXPECT_EQ(MessageOf(CheckShapes(args)), "sparse_attn: out is not all heads");
  const Tensor block = MakeTensor(BALEEN_TYPE_BYTE, {7, 583});
  out = Bf16({7, 2, 1024});
  args.block = &block;
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "sparse_attn: block is byte [7, 583], which does not fit");
  args.block = nullptr;
  args.state = nullptr;
  EXPECT_FALSE(CheckShapes(args).ok());
}

TEST(ShapeCheckTest, Compress) {
  baleen_state state = {};
  state.shape.ratio = 4;
  state.shape.head_size = 512;
  state.shape.rope_size = 64;
  state.shape.key_size = 128;
  const Tensor wide = F32({7, 1024});
  const Tensor ape = F32({4, 1024});
  const Tensor norm = Bf16({512});
  const Tensor rope = F32({256, 2, 32});
  const Tensor plan = MakeTensor(BALEEN_TYPE_BYTE, {64});
  baleen_compress_args args = {};
  args.pool = BALEEN_POOL_ENTRIES;
  args.value = &wide;
  args.gate = &wide;
  args.ape = &ape;
  args.norm = &norm;
  args.rope = &rope;
  args.plan = &plan;
  args.state = &state;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.pool = BALEEN_POOL_KEYS;
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "compress: the state is of entries of another size");
  args.pool = BALEEN_POOL_WINDOW;
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "compress: pool has no compressed rows");
  args.state = nullptr;
  EXPECT_EQ(MessageOf(CheckShapes(args)), "compress: state is missing");
}

TEST(ShapeCheckTest, LinearAndHead) {
  const Tensor in = Bf16({12, 64});
  const Tensor tokens = I32({12});
  const Tensor add = Bf16({3, 32});
  Tensor out = Bf16({12, 32});
  baleen_linear_args args = {};
  args.in = &in;
  args.out = &out;
  args.add = &add;
  args.repeat = 4;
  EXPECT_TRUE(CheckShapes(args).ok());
  args.repeat = 1;
  EXPECT_EQ(MessageOf(CheckShapes(args)),
            "linear: add is bf16 [3, 32], which does not fit");
  args.add = nullptr;
  args.in = &tokens;
  EXPECT_TRUE(CheckShapes(args).ok());

  const Tensor u = Bf16({2, 64});
  Tensor logits = F32({2, 100});
  baleen_head_args head = {};
  head.u = &u;
  EXPECT_EQ(MessageOf(CheckShapes(head)),
            "head: there is neither logits nor top");
  head.logits = &logits;
  EXPECT_TRUE(CheckShapes(head).ok());
}

}  // namespace
}  // namespace baleen
