// linear: products between norms and an addend, rows of a table, and what is
// rounded when.
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

struct Case {
  const char* name;
  Kind kind;
  bool table;
  bool weightless;
  bool norm_in;
  bool add;
  bool norm_out;
  bool float_out;
  uint32_t repeat;
};

constexpr int64_t kRows = 8;
constexpr int64_t kInner = 256;
constexpr int64_t kOuter = 130;

// The definition in double, rounding to bf16 where the operator does.
class Linear {
 public:
  Linear(const Case& what, baleen_mode mode)
      : what_(what),
        mode_(mode),
        outer_(what.weightless || what.table ? kInner : kOuter),
        in_(BALEEN_TYPE_BF16, {kRows, kInner}, 8),
        tokens_(BALEEN_TYPE_I32, {kRows}),
        norm_in_(BALEEN_TYPE_BF16, {kInner}),
        norm_out_(BALEEN_TYPE_BF16, {outer_}),
        matrix_(RandomMatrix(what.kind, what.table ? 40 : kOuter, kInner, 3)),
        add_(BALEEN_TYPE_BF16, {kRows / what.repeat, outer_}),
        out_(what.float_out ? BALEEN_TYPE_F32 : BALEEN_TYPE_BF16,
             {kRows, outer_}, 16) {
    Fill(in_, 1);
    Fill(norm_in_, 2);
    Fill(norm_out_, 4);
    Fill(add_, 5);
    for (int64_t t = 0; t < kRows; ++t) {
      tokens_.row<int32_t>(t)[0] = static_cast<int32_t>(t * 7 % 40);
    }
  }

  baleen_status Run(TestDevice& device, int64_t first, int64_t count) {
    std::unique_ptr<OpenWeight> weight;
    if (!what_.weightless) {
      weight = std::make_unique<OpenWeight>(
          device, what_.table ? BALEEN_WEIGHT_TABLE : BALEEN_WEIGHT_LINEAR,
          std::vector<Tensor*>{&matrix_});
    }
    const int64_t repeat = what_.repeat;
    const Batch batch(std::max<int64_t>(count, 1), count / repeat);
    const baleen_tensor in =
        what_.table ? tokens_.Rows(first, count) : in_.Rows(first, count);
    const baleen_tensor add = add_.Rows(first / repeat, count / repeat);
    baleen_tensor out = out_.Rows(first, count);
    baleen_linear_args args{};
    args.common = Common(sizeof(args), mode_, batch.get());
    args.in = &in;
    args.norm_in = what_.norm_in ? norm_in_.get() : nullptr;
    args.weight = weight == nullptr ? nullptr : weight->get();
    args.add = what_.add ? &add : nullptr;
    args.norm_out = what_.norm_out ? norm_out_.get() : nullptr;
    args.out = &out;
    args.epsilon = 1e-6f;
    args.repeat = what_.repeat;
    return device.Call(BALEEN_OP_LINEAR, device.ops().linear, args);
  }

  void Check(const std::string& where) const {
    int64_t exact = 0;
    for (int64_t t = 0; t < kRows; ++t) {
      const std::vector<double> expected = Row(t);
      double largest = 0;
      for (double value : expected) {
        largest = std::max(largest, std::fabs(value));
      }
      for (int64_t n = 0; n < outer_; ++n) {
        const double value = expected[static_cast<size_t>(n)];
        const double got = ValueAt(*out_, t, n);
        // A near-tie of an e4m3 activation moves a product by up to 2^-4 of one
        // of 256 terms; of a bf16 step, by 2^-8 of the result.
        ASSERT_TRUE(Near(got, value, largest / 128 + 1e-6))
            << where << " " << n;
        exact += (*out_).type == BALEEN_TYPE_F32
                     ? std::fabs(got - value) <= 1e-5 * largest
                     : got == DecodeBf16(EncodeBf16(value));
      }
    }
    EXPECT_GE(exact, kRows * outer_ * 24 / 25) << where;
  }
  std::vector<uint8_t> Outputs() const { return out_.bytes(); }

 private:
  static double Bf16(double value) { return DecodeBf16(EncodeBf16(value)); }

  static void Norm(const Tensor& weight, bool rounds, std::vector<double>& x) {
    double squares = 0;
    for (double value : x) squares += value * value;
    const double inverse =
        1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-6);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] *= inverse * ValueAt(*weight, static_cast<int64_t>(i), 0);
      if (rounds) x[i] = Bf16(x[i]);
    }
  }

  // As reference mode rounds what quantized weights multiply.
  static void RoundToFp8(std::vector<double>& x) {
    for (size_t first = 0; first < x.size(); first += 128) {
      double largest = 1e-4;
      for (size_t i = first; i < first + 128; ++i) {
        largest = std::max(largest, std::fabs(x[i]));
      }
      const int power = static_cast<int>(std::ceil(std::log2(largest / 448)));
      for (size_t i = first; i < first + 128; ++i) {
        const double value = std::ldexp(x[i], -power);
        const int step =
            std::max(-9, (value == 0 ? -9 : std::ilogb(value)) - 3);
        x[i] =
            std::ldexp(std::nearbyint(std::ldexp(value, -step)), step + power);
      }
    }
  }

  std::vector<double> Row(int64_t t) const {
    const bool rounds = !what_.float_out;
    std::vector<double> x;
    for (int64_t k = 0; k < kInner; ++k) {
      x.push_back(what_.table ? ValueAt(*matrix_, t * 7 % 40, k)
                              : ValueAt(*in_, t, k));
    }
    if (what_.norm_in) Norm(norm_in_, true, x);
    std::vector<double> y;
    if (what_.weightless || what_.table) {
      y = x;
    } else {
      if (mode_ == BALEEN_MODE_REFERENCE && what_.kind != Kind::kBf16) {
        RoundToFp8(x);
      }
      for (int64_t n = 0; n < outer_; ++n) {
        double sum = 0;
        for (int64_t k = 0; k < kInner; ++k) {
          sum += ValueAt(*matrix_, n, k) * x[static_cast<size_t>(k)];
        }
        y.push_back(rounds ? Bf16(sum) : sum);
      }
    }
    if (what_.add) {
      for (int64_t n = 0; n < outer_; ++n) {
        double& value = y[static_cast<size_t>(n)];
        value += ValueAt(*add_, t / what_.repeat, n);
        if (rounds) value = Bf16(value);
      }
    }
    if (what_.norm_out) Norm(norm_out_, rounds, y);
    return y;
  }

  Case what_;
  baleen_mode mode_;
  int64_t outer_;
  Tensor in_;
  Tensor tokens_;
  Tensor norm_in_;
  Tensor norm_out_;
  Tensor matrix_;
  Tensor add_;
  Tensor out_;
};

const Case kCases[] = {
    {"plain fp8", Kind::kFp8, false, false, false, false, false, false, 1},
    {"plain bf16", Kind::kBf16, false, false, false, false, false, true, 1},
    {"everything", Kind::kFp8, false, false, true, true, true, false, 4},
    {"everything in f32", Kind::kBf16, false, false, true, true, true, true, 2},
    {"norm only", Kind::kBf16, false, true, true, false, false, false, 1},
    {"table", Kind::kBf16, true, false, false, false, true, false, 1}};

TEST(Linear, IsNearDoublePrecision) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (const Case& what : kCases) {
        TestDevice device(isa, 2);
        Linear test(what, mode);
        ASSERT_EQ(test.Run(device, 0, kRows), BALEEN_OK) << device.failure();
        EXPECT_EQ(device.implementation(), isa);
        test.Check(std::string(isa) + " " + what.name);
      }
    }
  }
}

TEST(Linear, HasTheSameBitsForAnyRowsAndThreads) {
  for (const char* isa : Devices()) {
    for (const Case& what : kCases) {
      Linear together(what, BALEEN_MODE_REFERENCE);
      TestDevice one(isa, 1);
      ASSERT_EQ(together.Run(one, 0, kRows), BALEEN_OK);
      TestDevice three(isa, 3);
      Linear alone(what, BALEEN_MODE_REFERENCE);
      for (int64_t t = 0; t < kRows; t += what.repeat) {
        ASSERT_EQ(alone.Run(three, t, what.repeat), BALEEN_OK);
      }
      EXPECT_EQ(alone.Outputs(), together.Outputs()) << isa << what.name;
    }
  }
}

TEST(Linear, TakesInputThatIsRoundedAlready) {
  for (const char* isa : Devices()) {
    TestDevice device(isa);
    Tensor in = RandomRounded(BALEEN_MODE_REFERENCE, {3, 128}, 1);
    Tensor matrix = RandomMatrix(Kind::kFp4, 70, 128, 2);
    Tensor out(BALEEN_TYPE_F32, {3, 70});
    const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix});
    baleen_linear_args args{};
    args.common = Common(sizeof(args), BALEEN_MODE_REFERENCE, nullptr);
    args.in = in.get();
    args.weight = weight.get();
    args.out = out.get();
    ASSERT_EQ(device.Call(BALEEN_OP_LINEAR, device.ops().linear, args),
              BALEEN_OK)
        << device.failure();
    for (int64_t t = 0; t < 3; ++t) {
      for (int64_t n = 0; n < 70; ++n) {
        const Product product =
            DotAt(*matrix, n, *in, t, BALEEN_MODE_REFERENCE);
        ASSERT_TRUE(Near(ValueAt(*out, t, n), product.value,
                         Tolerance(product, BALEEN_TYPE_F32)));
      }
    }
    Tensor norm(BALEEN_TYPE_BF16, {128});
    args.norm_in = norm.get();
    EXPECT_EQ(device.ops().linear(device.queue(), &args), BALEEN_UNSUPPORTED);
  }
}

}  // namespace
}  // namespace baleen::conformance
