// q_up: products, norm of each head and rotation, against double precision.
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

struct Shape {
  int64_t rows;
  int64_t rank;
  int64_t heads;
  int64_t size;
  int64_t index_heads;
  int64_t index_size;
  uint32_t rope_size;
};

class QUp {
 public:
  QUp(const Shape& shape, baleen_mode mode)
      : shape_(shape),
        mode_(mode),
        query_(RandomRounded(mode, {shape.rows, shape.rank}, 1, 128)),
        wq_b_(
            RandomMatrix(Kind::kFp8, shape.heads * shape.size, shape.rank, 2)),
        index_wq_b_(RandomMatrix(
            Kind::kFp8,
            std::max<int64_t>(1, shape.index_heads * shape.index_size),
            shape.rank, 3)),
        rope_(BALEEN_TYPE_F32, {kPositions, 2, shape.rope_size / 2}),
        q_(BALEEN_TYPE_BF16, {shape.rows, shape.heads, shape.size}, 32),
        iq_(BALEEN_TYPE_BF16,
            {shape.rows, std::max<int64_t>(1, shape.index_heads),
             std::max<int64_t>(1, shape.index_size)}) {
    for (int64_t p = 0; p < kPositions; ++p) {
      for (int64_t i = 0; i < shape.rope_size / 2; ++i) {
        const double angle = static_cast<double>(p * (i + 1)) * 0.37;
        rope_.row<float>(p)[i] = static_cast<float>(std::cos(angle));
        rope_.row<float>(p)[shape.rope_size / 2 + i] =
            static_cast<float>(std::sin(angle));
      }
    }
  }

  baleen_status Run(TestDevice& device, int64_t first, int64_t count) {
    std::vector<Tensor*> tensors = {&wq_b_};
    if (shape_.index_heads != 0) tensors.push_back(&index_wq_b_);
    const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, tensors);
    const Batch batch(std::max<int64_t>(count, 1), count,
                      static_cast<int32_t>(3 + first));
    const baleen_tensor query = query_.Rows(first, count);
    baleen_tensor q = q_.Rows(first, count);
    baleen_tensor iq = iq_.Rows(first, count);
    baleen_q_up_args args{};
    args.common = Common(sizeof(args), mode_, batch.get());
    args.query_rounded = &query;
    args.weight = weight.get();
    args.rope = rope_.get();
    args.q = &q;
    args.iq = shape_.index_heads == 0 ? nullptr : &iq;
    args.epsilon = 1e-6f;
    args.rope_size = shape_.rope_size;
    return device.Call(BALEEN_OP_Q_UP, device.ops().q_up, args);
  }

  // The head as a definition in double; reference mode rounds its steps.
  std::vector<double> Head(int64_t t, int64_t head) const {
    const auto round = [&](double value) {
      return mode_ == BALEEN_MODE_REFERENCE ? DecodeBf16(EncodeBf16(value))
                                            : value;
    };
    std::vector<double> x;
    double squares = 0;
    for (int64_t k = 0; k < shape_.size; ++k) {
      x.push_back(round(
          DotAt(*wq_b_, head * shape_.size + k, *query_, t, mode_).value));
      squares += round(x.back() * x.back());
    }
    const double mean = round(squares / static_cast<double>(shape_.size));
    const double inverse = round(1 / std::sqrt(round(mean + 1e-6)));
    for (double& value : x) value = round(value * inverse);
    const int64_t plain = shape_.size - shape_.rope_size;
    for (int64_t i = 0; i < shape_.rope_size / 2; ++i) {
      const double cosine = ValueAt(*rope_, 2 * (t + 3), i);
      const double sine = ValueAt(*rope_, 2 * (t + 3) + 1, i);
      const double a = x[static_cast<size_t>(plain + 2 * i)];
      const double b = x[static_cast<size_t>(plain + 2 * i + 1)];
      x[static_cast<size_t>(plain + 2 * i)] = a * cosine - b * sine;
      x[static_cast<size_t>(plain + 2 * i + 1)] = a * sine + b * cosine;
    }
    return x;
  }

  void Check(const std::string& where) const {
    int64_t exact = 0;
    for (int64_t t = 0; t < shape_.rows; ++t) {
      for (int64_t head = 0; head < shape_.heads; ++head) {
        const std::vector<double> x = Head(t, head);
        for (int64_t k = 0; k < shape_.size; ++k) {
          const double got = ValueAt(*q_, t * shape_.heads + head, k);
          const double expected = x[static_cast<size_t>(k)];
          // Reference mode: a near-tie in one of four roundings moves the result
          // by a step of bf16 of the numbers that the rotation mixes, which are
          // around 1 after the norm.
          const double steps = mode_ == BALEEN_MODE_REFERENCE ? 4 : 1;
          ASSERT_TRUE(Near(got, expected,
                           kBf16Slack * steps * (std::fabs(expected) + 0.25)))
              << where << " head " << head << " " << k;
          exact += got == DecodeBf16(EncodeBf16(expected));
        }
      }
      for (int64_t n = 0; n < shape_.index_heads * shape_.index_size; ++n) {
        const Product product = DotAt(*index_wq_b_, n, *query_, t, mode_);
        ASSERT_TRUE(
            Near(ValueAt(*iq_, t * shape_.index_heads + n / shape_.index_size,
                         n % shape_.index_size),
                 product.value, Tolerance(product, BALEEN_TYPE_BF16)))
            << where << " index " << n;
      }
    }
    const int64_t all = shape_.rows * shape_.heads * shape_.size;
    EXPECT_GE(exact, all - all / 50) << where;
  }

  std::vector<uint8_t> Outputs() const {
    std::vector<uint8_t> bytes = q_.bytes();
    const std::vector<uint8_t> more = iq_.bytes();
    bytes.insert(bytes.end(), more.begin(), more.end());
    return bytes;
  }

 private:
  static constexpr int64_t kPositions = 32;
  Shape shape_;
  baleen_mode mode_;
  Tensor query_;
  Tensor wq_b_;
  Tensor index_wq_b_;
  Tensor rope_;
  Tensor q_;
  Tensor iq_;
};

const Shape kShapes[] = {{9, 128, 2, 512, 3, 128, 64},
                         {1, 256, 3, 64, 0, 0, 32},
                         {3, 130, 1, 520, 1, 16, 64}};

TEST(QUp, IsNearDoublePrecision) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (const Shape& shape : kShapes) {
        TestDevice device(isa, 2);
        QUp test(shape, mode);
        ASSERT_EQ(test.Run(device, 0, shape.rows), BALEEN_OK)
            << device.failure();
        // Heads of more than 512 do not fit a tile.
        EXPECT_EQ(device.implementation(),
                  shape.size > 512 ? "reference" : isa);
        test.Check(std::string(isa) + " mode " + std::to_string(mode));
      }
    }
  }
}

TEST(QUp, HasTheSameBitsForAnyRowsAndThreads) {
  for (const char* isa : Devices()) {
    QUp together(kShapes[0], BALEEN_MODE_FAST);
    TestDevice one(isa, 1);
    ASSERT_EQ(together.Run(one, 0, 9), BALEEN_OK);
    TestDevice three(isa, 3);
    QUp threads(kShapes[0], BALEEN_MODE_FAST);
    ASSERT_EQ(threads.Run(three, 0, 9), BALEEN_OK);
    EXPECT_EQ(threads.Outputs(), together.Outputs()) << isa;
    QUp alone(kShapes[0], BALEEN_MODE_FAST);
    for (int64_t t = 0; t < 9; ++t) ASSERT_EQ(alone.Run(one, t, 1), BALEEN_OK);
    EXPECT_EQ(alone.Outputs(), together.Outputs()) << isa;
  }
}

}  // namespace
}  // namespace baleen::conformance
