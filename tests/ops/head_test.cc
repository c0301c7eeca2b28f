// head: logits, the likeliest tokens and the log of the sum.
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

constexpr int64_t kRows = 9;
constexpr int64_t kHidden = 192;
constexpr int64_t kVocabulary = 523;
constexpr int64_t kTop = 20;

class Head {
 public:
  Head()
      : u_(BALEEN_TYPE_BF16, {kRows, kHidden}, 4),
        matrix_(RandomMatrix(Kind::kBf16, kVocabulary, kHidden, 2)),
        logits_(BALEEN_TYPE_F32, {kRows, kVocabulary}, 5),
        top_(BALEEN_TYPE_I32, {kRows, kTop}),
        top_logits_(BALEEN_TYPE_F32, {kRows, kTop}),
        log_sum_(BALEEN_TYPE_F32, {kRows}) {
    Fill(u_, 1);
    // Two equal rows: their logits tie.
    std::memcpy(matrix_.row<uint16_t>(77), matrix_.row<uint16_t>(13),
                kHidden * 2);
  }

  baleen_status Run(TestDevice& device, int64_t first, int64_t count,
                    bool with_logits) {
    const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix_});
    const Batch batch(std::max<int64_t>(count, 1), count);
    const baleen_tensor u = u_.Rows(first, count);
    baleen_tensor logits = logits_.Rows(first, count);
    baleen_tensor top = top_.Rows(first, count);
    baleen_tensor top_logits = top_logits_.Rows(first, count);
    baleen_tensor log_sum = log_sum_.Rows(first, count);
    baleen_head_args args{};
    args.common = Common(sizeof(args), BALEEN_MODE_FAST, batch.get());
    args.u = &u;
    args.weight = weight.get();
    args.logits = with_logits ? &logits : nullptr;
    args.top = &top;
    args.top_logits = &top_logits;
    args.log_sum = &log_sum;
    return device.Call(BALEEN_OP_HEAD, device.ops().head, args);
  }

  Tensor u_;
  Tensor matrix_;
  Tensor logits_;
  Tensor top_;
  Tensor top_logits_;
  Tensor log_sum_;
};

TEST(Head, GivesLogitsTheLikeliestAndTheLogOfTheSum) {
  for (const char* isa : Devices()) {
    TestDevice device(isa, 2);
    Head test;
    ASSERT_EQ(test.Run(device, 0, kRows, true), BALEEN_OK) << device.failure();
    EXPECT_EQ(device.implementation(), isa);
    for (int64_t t = 0; t < kRows; ++t) {
      double sum = 0;
      for (int64_t n = 0; n < kVocabulary; ++n) {
        const Product product =
            DotAt(*test.matrix_, n, *test.u_, t, BALEEN_MODE_FAST);
        ASSERT_TRUE(Near(ValueAt(*test.logits_, t, n), product.value,
                         Tolerance(product, BALEEN_TYPE_F32)))
            << isa;
        sum += std::exp(product.value);
      }
      const float* logits = test.logits_.row<float>(t);
      EXPECT_EQ(logits[13], logits[77]);
      EXPECT_NEAR(static_cast<double>(test.log_sum_.row<float>(t)[0]),
                  std::log(sum), 1e-4);
      // The list is that of a stable sort, so ties are the lower index.
      std::vector<int32_t> order(kVocabulary);
      for (int32_t n = 0; n < kVocabulary; ++n) {
        order[static_cast<size_t>(n)] = n;
      }
      std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        return logits[a] > logits[b];
      });
      for (int64_t i = 0; i < kTop; ++i) {
        EXPECT_EQ(test.top_.row<int32_t>(t)[i], order[static_cast<size_t>(i)]);
        EXPECT_EQ(test.top_logits_.row<float>(t)[i],
                  logits[order[static_cast<size_t>(i)]]);
      }
    }
  }
}

TEST(Head, HasTheSameBitsForAnyRowsThreadsAndWithoutLogits) {
  for (const char* isa : Devices()) {
    TestDevice one(isa, 1);
    Head together;
    ASSERT_EQ(together.Run(one, 0, kRows, true), BALEEN_OK);
    TestDevice three(isa, 3);
    Head alone;
    for (int64_t t = 0; t < kRows; ++t) {
      ASSERT_EQ(alone.Run(three, t, 1, true), BALEEN_OK);
    }
    EXPECT_EQ(alone.logits_.bytes(), together.logits_.bytes()) << isa;
    Head without;
    ASSERT_EQ(without.Run(three, 0, kRows, false), BALEEN_OK);
    for (const Head* other : {&alone, &without}) {
      EXPECT_EQ(other->top_.bytes(), together.top_.bytes()) << isa;
      EXPECT_EQ(other->top_logits_.bytes(), together.top_logits_.bytes());
      EXPECT_EQ(other->log_sum_.bytes(), together.log_sum_.bytes());
    }
  }
}

TEST(Head, TakesZeroRows) {
  for (const char* isa : Devices()) {
    TestDevice device(isa);
    Head test;
    const auto before = test.logits_.bytes();
    EXPECT_EQ(test.Run(device, 0, 0, true), BALEEN_OK);
    EXPECT_EQ(test.logits_.bytes(), before);
  }
}

}  // namespace
}  // namespace baleen::conformance
