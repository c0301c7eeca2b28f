// BALEEN_OP_SAMPLE on the emulated device beside the CPU: the same tokens of the
// same seeds, whatever is restricted in which order, and the same verdicts on
// drafts.  That these are distributed as they should be is tested on the CPU
// (tests/ops/sample_test.cc) with more draws than an emulated device can do.
#include "ops/state_fixture.h"

extern "C" const baleen_backend* baleen_cuda_emulated_entry(
    const baleen_host* host);

namespace baleen::ops_test {
namespace {

constexpr int32_t kRows = 24;

std::vector<int32_t> AllRows() {
  std::vector<int32_t> rows(kRows);
  for (int32_t i = 0; i < kRows; ++i) rows[static_cast<size_t>(i)] = i;
  return rows;
}

// Rows at consecutive positions, each with logits of its own.
class Draws {
 public:
  // Multiples of `step`, so that the smaller it is, the fewer are equal.
  Draws(int64_t vocabulary, double step)
      : vocabulary_(vocabulary),
        batch_({{0, 1000, kRows}}, AllRows()),
        logits_(BALEEN_TYPE_F32, {kRows, vocabulary}, 3),
        draft_logits_(BALEEN_TYPE_F32, {kRows, vocabulary}),
        rows_(BALEEN_TYPE_BYTE, {kRows, sizeof(baleen_sample_row)}) {
    std::mt19937 random(static_cast<uint32_t>(vocabulary));
    std::normal_distribution<double> normal(0, 2);
    const auto fill = [&](TestTensor& tensor) {
      tensor.ForEach([&](int64_t i, int64_t j, int64_t) {
        tensor.Set(static_cast<float>(std::round(normal(random) / step) * step),
                   i, j);
      });
    };
    fill(logits_);
    fill(draft_logits_);
    how_.seed = 77;
    how_.draft = -1;
    how_.temperature = 0.9f;
  }

  baleen_sample_row& how() { return how_; }

  // Token, acceptance and logarithm of each row; `certain`: drafts have no
  // logits.  Drafts are spread over the vocabulary where `drafts`.
  struct Outcome {
    std::vector<int32_t> tokens;
    std::vector<int32_t> accepted;
    std::vector<double> logarithms;
  };
  Outcome Run(TestDevice& device, bool drafts, bool certain) {
    for (int32_t r = 0; r < kRows; ++r) {
      baleen_sample_row row = how_;
      if (drafts) row.draft = static_cast<int32_t>(r * 31 % vocabulary_);
      std::memcpy(&rows_.At<uint8_t>(r, 0), &row, sizeof(row));
    }
    TestTensor tokens(BALEEN_TYPE_I32, {kRows});
    TestTensor logarithms(BALEEN_TYPE_F32, {kRows});
    TestTensor accepted(BALEEN_TYPE_I32, {kRows});
    baleen_sample_args args = {};
    args.common = Common(BALEEN_MODE_FAST, batch_);
    args.logits = logits_.get();
    args.draft_logits = drafts && !certain ? draft_logits_.get() : nullptr;
    args.rows = rows_.get();
    args.tokens = tokens.get();
    args.log_probability = logarithms.get();
    args.accepted = accepted.get();
    EXPECT_EQ(device.Run(BALEEN_OP_SAMPLE, &baleen_ops::sample, args),
              BALEEN_OK)
        << device.failure();
    Outcome out;
    for (int32_t r = 0; r < kRows; ++r) {
      out.tokens.push_back(tokens.At<int32_t>(r));
      out.accepted.push_back(accepted.At<int32_t>(r));
      out.logarithms.push_back(logarithms.Get(r));
    }
    return out;
  }

  // Both devices; what they say must be the same.
  Outcome RunBoth(bool drafts = false, bool certain = false) {
    TestDevice cpu({"reference", 1});
    TestDevice cuda({"reference", 1}, baleen_cuda_emulated_entry);
    const Outcome wanted = Run(cpu, drafts, certain);
    const Outcome got = Run(cuda, drafts, certain);
    EXPECT_EQ(got.tokens, wanted.tokens);
    EXPECT_EQ(got.accepted, wanted.accepted);
    for (size_t r = 0; r < kRows; ++r) {
      EXPECT_NEAR(got.logarithms[r], wanted.logarithms[r], 1e-5);
    }
    return got;
  }

 private:
  int64_t vocabulary_;
  TestBatch batch_;
  TestTensor logits_;
  TestTensor draft_logits_;
  TestTensor rows_;
  baleen_sample_row how_ = {};
};

int DistinctTokens(const Draws::Outcome& outcome) {
  std::vector<int32_t> tokens = outcome.tokens;
  std::sort(tokens.begin(), tokens.end());
  return static_cast<int>(std::unique(tokens.begin(), tokens.end()) -
                          tokens.begin());
}

int Accepted(const Draws::Outcome& outcome) {
  int count = 0;
  for (const int32_t accepted : outcome.accepted) count += accepted;
  return count;
}

// top_k, then top_p of what it left, then min_p; with few distinct logits, so
// that most limits fall among equals, and with many.
TEST(CudaSample, RestrictsInTheOrderOfTheCpu) {
  const struct {
    uint32_t top_k;
    float top_p;
    float min_p;
  } restrictions[] = {{0, 0, 0},      {1, 0, 0},       {5, 0, 0},
                      {0, 0.3f, 0},   {0, 0.95f, 0},   {0, 0, 0.05f},
                      {0, 0, 1},      {7, 0.5f, 0},    {40, 0.9f, 0.02f},
                      {9, 0, 0.3f},   {0, 0.8f, 0.1f}, {9, 0.99f, 0.45f},
                      {2000, 1, 0.5f}};
  for (const double step : {1.0, 0.001}) {
    Draws draws(step == 1.0 ? 40 : 700, step);
    for (const auto& one : restrictions) {
      SCOPED_TRACE(testing::Message() << one.top_k << " " << one.top_p << " "
                                      << one.min_p << " " << step);
      draws.how().top_k = one.top_k;
      draws.how().top_p = one.top_p;
      draws.how().min_p = one.min_p;
      EXPECT_GT(DistinctTokens(draws.RunBoth()), 1);
    }
  }
}

TEST(CudaSample, VerifiesDraftsAsTheCpuDoes) {
  Draws draws(12, 0.25);
  int verdicts = 0;
  for (const uint32_t top_k : {0u, 6u}) {
    for (const float top_p : {0.0f, 0.8f}) {
      for (const float min_p : {0.0f, 0.1f}) {
        SCOPED_TRACE(testing::Message()
                     << top_k << " " << top_p << " " << min_p);
        draws.how().top_k = top_k;
        draws.how().top_p = top_p;
        draws.how().min_p = min_p;
        verdicts += Accepted(draws.RunBoth(true));
        draws.RunBoth(true, true);
      }
    }
  }
  // Some are accepted, and some are not: the test would see either go wrong.
  EXPECT_GT(verdicts, 20);
  EXPECT_LT(verdicts, 8 * kRows - 20);
}

// Greedy rows accept the likeliest token, or put it in the draft's place.
TEST(CudaSample, VerifiesGreedyDraftsAsTheCpuDoes) {
  Draws draws(5, 0.25);
  draws.how().flags = BALEEN_SAMPLING_GREEDY;
  const Draws::Outcome plain = draws.RunBoth();
  const Draws::Outcome drafted = draws.RunBoth(true);
  EXPECT_EQ(drafted.tokens, plain.tokens);
  EXPECT_GT(Accepted(drafted), 0);
  EXPECT_LT(Accepted(drafted), kRows);
}

}  // namespace
}  // namespace baleen::ops_test
