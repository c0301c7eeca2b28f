// in_proj and wo_b: every implementation against double precision; the same bits
// for any number of rows and threads.
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

struct Shape {
  int64_t rows;
  int64_t columns;
  std::vector<int64_t> outers;  // Rows of each part, in the order of its kinds.
};

constexpr Kind kKinds[] = {Kind::kFp8, Kind::kFp8FloatScales, Kind::kBf16,
                           Kind::kBf16, Kind::kFp8};

// in_proj with parts of each kind of weight, out to bf16 and f32.
class InProj {
 public:
  InProj(const Shape& shape, baleen_mode mode)
      : shape_(shape),
        mode_(mode),
        u_(BALEEN_TYPE_BF16, {shape.rows, shape.columns}, 8),
        u_rounded_(RandomRounded(mode, {shape.rows, shape.columns}, 7, 16)) {
    Fill(u_, 8);
    for (size_t i = 0; i < shape.outers.size(); ++i) {
      matrices_.push_back(RandomMatrix(
          kKinds[i], shape.outers[i], shape.columns, static_cast<uint32_t>(i)));
      outs_.emplace_back(
          i % 2 == 0 ? BALEEN_TYPE_BF16 : BALEEN_TYPE_F32,
          std::initializer_list<int64_t>{shape.rows, shape.outers[i]}, 4);
    }
  }

  // Runs rows [first, first + count) of the inputs to those of the outputs.
  baleen_status Run(TestDevice& device, int64_t first, int64_t count) {
    std::vector<Tensor*> tensors;
    for (Tensor& matrix : matrices_) tensors.push_back(&matrix);
    const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, tensors);
    EXPECT_EQ(weight.status(), BALEEN_OK) << device.failure();
    const Batch batch(std::max<int64_t>(count, 1), count);
    const baleen_tensor u = u_.Rows(first, count);
    const baleen_tensor u_rounded = u_rounded_.Rows(first, count);
    std::vector<baleen_tensor> outs;
    for (Tensor& out : outs_) outs.push_back(out.Rows(first, count));
    baleen_in_proj_args args{};
    args.common = Common(sizeof(args), mode_, batch.get());
    args.u = &u;
    args.u_rounded = &u_rounded;
    args.weight = weight.get();
    for (size_t i = 0; i < outs.size(); ++i) args.out[i] = &outs[i];
    return device.Call(BALEEN_OP_IN_PROJ, device.ops().in_proj, args);
  }

  void Check(const std::string& where) {
    for (size_t i = 0; i < outs_.size(); ++i) {
      const Tensor& in = kKinds[i] == Kind::kBf16 ? u_ : u_rounded_;
      int64_t exact = 0;
      for (int64_t t = 0; t < shape_.rows; ++t) {
        for (int64_t n = 0; n < shape_.outers[i]; ++n) {
          const Product product = DotAt(*matrices_[i], n, *in, t, mode_);
          const double got = ValueAt(*outs_[i], t, n);
          ASSERT_TRUE(
              Near(got, product.value, Tolerance(product, outs_[i]->type)))
              << where << " " << KindName(kKinds[i]) << " row " << t
              << " column " << n;
          exact += got == DecodeBf16(EncodeBf16(product.value));
        }
      }
      // A bf16 result is that of the exact sum but for near-ties.
      const int64_t all = shape_.rows * shape_.outers[i];
      if (outs_[i]->type == BALEEN_TYPE_BF16) {
        EXPECT_GE(exact, all - 1 - all / 100) << where;
      }
    }
  }

  std::vector<std::vector<uint8_t>> Outputs() const {
    std::vector<std::vector<uint8_t>> bytes;
    for (const Tensor& out : outs_) bytes.push_back(out.bytes());
    return bytes;
  }

 private:
  Shape shape_;
  baleen_mode mode_;
  Tensor u_;
  Tensor u_rounded_;
  std::vector<Tensor> matrices_;
  std::vector<Tensor> outs_;
};

// Just below, at and above tiles of 64 weight rows, 8 rows and 128 columns.
const Shape kShapes[] = {{1, 128, {1, 64, 65}},           {3, 100, {63, 2, 7}},
                         {8, 256, {64, 128, 16}},         {9, 160, {129, 1, 1}},
                         {17, 384, {33, 31, 65, 5, 200}}, {7, 1, {3, 3, 3}}};

TEST(InProj, IsNearDoublePrecision) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (const Shape& shape : kShapes) {
        TestDevice device(isa);
        InProj test(shape, mode);
        ASSERT_EQ(test.Run(device, 0, shape.rows), BALEEN_OK)
            << device.failure();
        EXPECT_EQ(device.implementation(), isa);
        test.Check(std::string(isa) + " mode " + std::to_string(mode) +
                   " columns " + std::to_string(shape.columns));
      }
    }
  }
}

TEST(InProj, HasTheSameBitsForAnyRowsAndThreads) {
  for (const char* isa : Devices()) {
    const Shape& shape = kShapes[4];
    InProj together(shape, BALEEN_MODE_FAST);
    TestDevice one(isa, 1);
    ASSERT_EQ(together.Run(one, 0, shape.rows), BALEEN_OK);
    for (uint32_t width : {2u, 3u}) {
      TestDevice device(isa, width);
      InProj test(shape, BALEEN_MODE_FAST);
      ASSERT_EQ(test.Run(device, 0, shape.rows), BALEEN_OK);
      EXPECT_EQ(test.Outputs(), together.Outputs()) << isa << " " << width;
    }
    InProj alone(shape, BALEEN_MODE_FAST);
    for (int64_t t = 0; t < shape.rows; ++t) {
      ASSERT_EQ(alone.Run(one, t, 1), BALEEN_OK);
    }
    EXPECT_EQ(alone.Outputs(), together.Outputs()) << isa;
  }
}

TEST(InProj, TakesZeroRowsAndRefusesWhatItDoesNotKnow) {
  for (const char* isa : Devices()) {
    TestDevice device(isa);
    InProj test({4, 128, {16}}, BALEEN_MODE_REFERENCE);
    const auto before = test.Outputs();
    EXPECT_EQ(test.Run(device, 0, 0), BALEEN_OK);
    EXPECT_EQ(test.Outputs(), before);

    Tensor u(BALEEN_TYPE_F32, {1, 128});
    Tensor out(BALEEN_TYPE_F32, {1, 4});
    Tensor matrix = RandomMatrix(Kind::kBf16, 4, 128, 1);
    const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix});
    const Batch batch(1, 1);
    baleen_in_proj_args args{};
    args.common = Common(sizeof(args), BALEEN_MODE_FAST, batch.get());
    args.u = u.get();
    args.weight = weight.get();
    args.out[0] = out.get();
    EXPECT_EQ(device.ops().in_proj(device.queue(), &args), BALEEN_UNSUPPORTED);
    EXPECT_NE(device.failure().find("u is not bf16"), std::string::npos);
    args.u = nullptr;
    EXPECT_EQ(device.ops().in_proj(device.queue(), &args), BALEEN_UNSUPPORTED);
    Tensor good(BALEEN_TYPE_BF16, {1, 64});
    args.u = good.get();
    EXPECT_EQ(device.ops().in_proj(device.queue(), &args), BALEEN_UNSUPPORTED);
    args.weight = nullptr;
    EXPECT_EQ(device.ops().in_proj(device.queue(), &args),
              BALEEN_INVALID_ARGUMENT);
    args.common.struct_size = 8;
    EXPECT_EQ(device.ops().in_proj(device.queue(), &args),
              BALEEN_INVALID_ARGUMENT);
  }
}

TEST(WoB, IsNearDoublePrecision) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (Kind kind : {Kind::kFp8, Kind::kBf16, Kind::kFp4}) {
        TestDevice device(isa, 2);
        Tensor z = RandomRounded(mode, {5, 256}, 3);
        Tensor y(BALEEN_TYPE_BF16, {5, 130});
        Tensor matrix = RandomMatrix(kind, 130, 256, 4);
        const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix});
        const Batch batch(5, 5);
        baleen_wo_b_args args{};
        args.common = Common(sizeof(args), mode, batch.get());
        args.z = z.get();
        args.weight = weight.get();
        args.y = y.get();
        ASSERT_EQ(device.Call(BALEEN_OP_WO_B, device.ops().wo_b, args),
                  BALEEN_OK)
            << device.failure();
        for (int64_t t = 0; t < 5; ++t) {
          for (int64_t n = 0; n < 130; ++n) {
            const Product product = DotAt(*matrix, n, *z, t, mode);
            ASSERT_TRUE(Near(ValueAt(*y, t, n), product.value,
                             Tolerance(product, BALEEN_TYPE_BF16)))
                << isa << " " << KindName(kind);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace baleen::conformance
