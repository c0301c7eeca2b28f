// draft_head: each token of a block is drawn from logits that depend on the one
// before.
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

constexpr int64_t kBlock = 3;
constexpr int64_t kSessions = 4;
constexpr int64_t kRows = kBlock * kSessions;
constexpr int64_t kVocabulary = 200;
constexpr int64_t kRank = 96;
constexpr int64_t kHidden = 64;

class DraftHead {
 public:
  DraftHead()
      : base_(BALEEN_TYPE_F32, {kRows, kVocabulary}),
        joined_(BALEEN_TYPE_BF16, {kRows, kHidden}),
        first_(BALEEN_TYPE_I32, {kSessions}),
        rows_(BALEEN_TYPE_BYTE, {kRows, sizeof(baleen_sample_row)}),
        w1_(RandomMatrix(Kind::kBf16, kVocabulary, kRank, 1)),
        w2_(RandomMatrix(Kind::kBf16, kVocabulary, kRank, 2)),
        weight_(BALEEN_TYPE_BF16, {kHidden + kRank}),
        logits_(BALEEN_TYPE_F32, {kRows, kVocabulary}, 3),
        tokens_(BALEEN_TYPE_I32, {kRows}),
        confidence_(BALEEN_TYPE_F32, {kRows}) {
    Fill(base_, 3);
    Fill(joined_, 4);
    Fill(weight_, 5);
    std::memset(rows_->data, 0, kRows * sizeof(baleen_sample_row));
    for (int64_t s = 0; s < kSessions; ++s) {
      first_.row<int32_t>(s)[0] = static_cast<int32_t>(31 * s);
    }
  }

  baleen_status Run(TestDevice& device, int64_t session, int64_t count) {
    const OpenWeight w1(device, BALEEN_WEIGHT_TABLE, {&w1_});
    const OpenWeight w2(device, BALEEN_WEIGHT_LINEAR, {&w2_});
    const int64_t first = session * kBlock;
    const int64_t rows = count * kBlock;
    const Batch batch(std::max<int64_t>(rows, 1), rows,
                      static_cast<int32_t>(first));
    const baleen_tensor base = base_.Rows(first, rows);
    const baleen_tensor joined = joined_.Rows(first, rows);
    const baleen_tensor before = first_.Rows(session, count);
    const baleen_tensor sampling = rows_.Rows(first, rows);
    baleen_tensor logits = logits_.Rows(first, rows);
    baleen_tensor tokens = tokens_.Rows(first, rows);
    baleen_tensor confidence = confidence_.Rows(first, rows);
    baleen_draft_head_args args{};
    args.common = Common(sizeof(args), BALEEN_MODE_FAST, batch.get());
    args.base = &base;
    args.joined = &joined;
    args.first = &before;
    args.rows = &sampling;
    args.w1 = w1.get();
    args.w2 = w2.get();
    args.confidence_weight = weight_.get();
    args.logits = &logits;
    args.tokens = &tokens;
    args.confidence = &confidence;
    args.block = kBlock;
    return device.Call(BALEEN_OP_DRAFT_HEAD, device.ops().draft_head, args);
  }

  Tensor base_;
  Tensor joined_;
  Tensor first_;
  Tensor rows_;
  Tensor w1_;
  Tensor w2_;
  Tensor weight_;
  Tensor logits_;
  Tensor tokens_;
  Tensor confidence_;
};

TEST(DraftHead, FollowsTheTokenBefore) {
  for (const char* isa : Devices()) {
    TestDevice device(isa, 2);
    DraftHead test;
    ASSERT_EQ(test.Run(device, 0, kSessions), BALEEN_OK) << device.failure();
    EXPECT_EQ(device.implementation(), isa);
    for (int64_t row = 0; row < kRows; ++row) {
      const int64_t before = row % kBlock == 0
                                 ? test.first_.row<int32_t>(row / kBlock)[0]
                                 : test.tokens_.row<int32_t>(row - 1)[0];
      const float* logits = test.logits_.row<float>(row);
      for (int64_t n = 0; n < kVocabulary; ++n) {
        const Product product =
            DotAt(*test.w2_, n, *test.w1_, before, BALEEN_MODE_FAST);
        ASSERT_TRUE(Near(static_cast<double>(logits[n]),
                         ValueAt(*test.base_, row, n) + product.value,
                         product.slack + 1e-5))
            << isa << " row " << row;
      }
      // Zero temperature: the likeliest.
      EXPECT_EQ(test.tokens_.row<int32_t>(row)[0],
                std::max_element(logits, logits + kVocabulary) - logits);
      double confidence = 0;
      for (int64_t i = 0; i < kHidden; ++i) {
        confidence +=
            ValueAt(*test.weight_, i, 0) * ValueAt(*test.joined_, row, i);
      }
      for (int64_t i = 0; i < kRank; ++i) {
        confidence += ValueAt(*test.weight_, kHidden + i, 0) *
                      ValueAt(*test.w1_, before, i);
      }
      EXPECT_NEAR(static_cast<double>(test.confidence_.row<float>(row)[0]),
                  confidence, 1e-4);
    }
  }
}

TEST(DraftHead, HasTheSameBitsForAnySessionsAndThreads) {
  for (const char* isa : Devices()) {
    TestDevice one(isa, 1);
    DraftHead together;
    ASSERT_EQ(together.Run(one, 0, kSessions), BALEEN_OK);
    TestDevice three(isa, 3);
    DraftHead alone;
    for (int64_t s = 0; s < kSessions; ++s) {
      ASSERT_EQ(alone.Run(three, s, 1), BALEEN_OK);
    }
    EXPECT_EQ(alone.logits_.bytes(), together.logits_.bytes()) << isa;
    EXPECT_EQ(alone.tokens_.bytes(), together.tokens_.bytes()) << isa;
    EXPECT_EQ(alone.confidence_.bytes(), together.confidence_.bytes()) << isa;
  }
}

TEST(DraftHead, TakesNoSessions) {
  TestDevice device("reference");
  DraftHead test;
  EXPECT_EQ(test.Run(device, 0, 0), BALEEN_OK) << device.failure();
}

}  // namespace
}  // namespace baleen::conformance
