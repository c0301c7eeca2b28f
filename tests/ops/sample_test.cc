// BALEEN_OP_SAMPLE: the tokens of a seed, the restrictions, the distribution,
// and drafts.
#include <numeric>

#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

// Outputs r are the rows at positions first + r, all with the same logits.
struct Case {
  Case(const std::vector<float>& values, int32_t outputs, int32_t first = 0)
      : batch({{0, first, outputs}}, Identity(outputs)),
        logits(BALEEN_TYPE_F32, {outputs, std::ssize(values)}, 1),
        draft_logits(BALEEN_TYPE_F32, {outputs, std::ssize(values)}, 2),
        rows(BALEEN_TYPE_BYTE, {outputs, 32}),
        tokens(BALEEN_TYPE_I32, {outputs}),
        log_probability(BALEEN_TYPE_F32, {outputs}),
        accepted(BALEEN_TYPE_I32, {outputs}) {
    logits.ForEach([&](int64_t i, int64_t j, int64_t) {
      logits.Set(values[static_cast<size_t>(j)], i, j);
    });
    how.seed = 1234;
    how.draft = -1;
    args.common = Common(BALEEN_MODE_FAST, batch);
    args.logits = logits.get();
    args.rows = rows.get();
    args.tokens = tokens.get();
    args.log_probability = log_probability.get();
    args.accepted = accepted.get();
  }
  static std::vector<int32_t> Identity(int32_t count) {
    std::vector<int32_t> rows(static_cast<size_t>(count));
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }

  void Run(TestDevice& device) {
    for (int64_t r = 0; r < rows.tensor().size[0]; ++r) SetRow(r, how);
    BALEEN_RUN(device, SAMPLE, sample, args);
  }
  void SetRow(int64_t r, const baleen_sample_row& row) {
    std::memcpy(&rows.At<uint8_t>(r, 0), &row, sizeof(row));
  }

  // How often each token came out.
  std::vector<double> Counts() {
    std::vector<double> counts(static_cast<size_t>(logits.tensor().size[1]));
    for (int64_t r = 0; r < tokens.tensor().size[0]; ++r) {
      counts.at(static_cast<size_t>(tokens.At<int32_t>(r))) += 1;
    }
    return counts;
  }

  TestBatch batch;
  TestTensor logits, draft_logits, rows, tokens, log_probability, accepted;
  baleen_sample_row how = {};
  baleen_sample_args args = {};
};

std::vector<double> Softmax(const std::vector<float>& logits,
                            double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (const float logit : logits) {
    p.push_back(std::exp(static_cast<double>(logit) / temperature));
    sum += p.back();
  }
  for (double& x : p) x /= sum;
  return p;
}

// Pearson's statistic; tokens that cannot come out must not.
double ChiSquare(const std::vector<double>& counts,
                 const std::vector<double>& p) {
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] == 0) {
      EXPECT_EQ(counts[i], 0) << i;
      continue;
    }
    const double expected = p[i] * total;
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return sum;
}

// The 99.9 % quantile of 7 degrees of freedom.  Seeds are fixed, so this is a
// property of the generator, not of the day.
constexpr double kChiSquare7 = 24.32;

const std::vector<float> kLogits = {0.5f, 2, -1, 1.25f, 0, 2, -3, 0.75f};
constexpr int32_t kDraws = 20000;

TEST(Sample, DrawsFromTheDistribution) {
  ForEachVariant([](TestDevice& device) {
    for (const float temperature : {0.0f, 1.0f, 0.7f, 3.0f}) {
      Case c(kLogits, kDraws);
      c.how.temperature = temperature;
      c.Run(device);
      const std::vector<double> p =
          Softmax(kLogits, temperature == 0 ? 1 : temperature);
      EXPECT_LT(ChiSquare(c.Counts(), p), kChiSquare7) << temperature;
    }
  });
}

TEST(Sample, ASeedMeansTheSameEverywhere) {
  // Position and seed decide, whatever the row of the step.  The tokens were
  // written down from a program of 20 lines that follows docs/operators.md.
  ForEachVariant([](TestDevice& device) {
    Case c(kLogits, 40, 100);
    c.Run(device);
    Case later(kLogits, 20, 120);
    later.Run(device);
    for (int64_t r = 0; r < 20; ++r) {
      EXPECT_EQ(later.tokens.At<int32_t>(r), c.tokens.At<int32_t>(20 + r));
    }
    std::string text;
    for (int64_t r = 0; r < 40; ++r) {
      text += std::to_string(c.tokens.At<int32_t>(r));
    }
    EXPECT_EQ(text, "1715371315111703055515511551113071511511");
  });
}

TEST(Sample, RestrictionsInTheirOrder) {
  // Sorted: 1 and 5 (equal), 3, 7, 0, 4, 2, 6.
  const std::vector<double> p = Softmax(kLogits, 1);
  const auto keep = [&](std::vector<size_t> tokens) {
    std::vector<double> kept(p.size());
    double sum = 0;
    for (const size_t token : tokens) sum += kept[token] = p[token];
    for (double& x : kept) x /= sum;
    return kept;
  };
  struct Restriction {
    uint32_t top_k;
    float top_p;
    float min_p;
    std::vector<double> expected;
  };
  const Restriction restrictions[] = {
      {1, 0, 0, keep({1})},  // The lower of two equals.
      {2, 0, 0, keep({1, 5})},
      {4, 0, 0, keep({1, 3, 5, 7})},
      {100, 1, 0, p},
      {0, 0.2f, 0, keep({1})},
      {0, 0.6f, 0, keep({1, 5})},
      {0, 0.7f, 0, keep({1, 3, 5})},
      {0, 0, 0.4f, keep({1, 3, 5})},
      {0, 0, 1, keep({1, 5})},
      {0, 0, 7, keep({1, 5})},
      // Of the four highest, 0.85 of what is left is three.
      {4, 0.85f, 0, keep({1, 3, 5})},
      {4, 0.99f, 0.25f, keep({1, 3, 5, 7})},
      {4, 0.99f, 0.45f, keep({1, 3, 5})},
  };
  ForEachVariant([&](TestDevice& device) {
    for (const Restriction& restriction : restrictions) {
      Case c(kLogits, 4000);
      c.how.top_k = restriction.top_k;
      c.how.top_p = restriction.top_p;
      c.how.min_p = restriction.min_p;
      c.Run(device);
      SCOPED_TRACE(testing::Message()
                   << restriction.top_k << " " << restriction.top_p << " "
                   << restriction.min_p);
      EXPECT_LT(ChiSquare(c.Counts(), restriction.expected), kChiSquare7);
      const std::vector<double> counts = c.Counts();
      for (size_t i = 0; i < counts.size(); ++i) {
        EXPECT_EQ(counts[i] > 0, restriction.expected[i] > 0) << i;
      }
    }
  });
}

TEST(Sample, GreedyTakesTheLikeliestAndTheLowerOnTies) {
  ForEachVariant([](TestDevice& device) {
    Case c(kLogits, 3);
    c.how.flags = BALEEN_SAMPLING_GREEDY;
    c.how.temperature = 5;
    c.Run(device);
    for (int64_t r = 0; r < 3; ++r) {
      EXPECT_EQ(c.tokens.At<int32_t>(r), 1);
      EXPECT_NEAR(c.log_probability.Get(r), std::log(Softmax(kLogits, 1)[1]),
                  1e-6);
      EXPECT_EQ(c.accepted.At<int32_t>(r), 0);
    }
  });
}

TEST(Sample, LogProbabilityIsThatOfTemperatureOneAndAllTokens) {
  ForEachVariant([](TestDevice& device) {
    Case c(kLogits, 200);
    c.how.temperature = 4;
    c.how.top_k = 5;
    c.Run(device);
    const std::vector<double> p = Softmax(kLogits, 1);
    for (int64_t r = 0; r < 200; ++r) {
      EXPECT_NEAR(c.log_probability.Get(r),
                  std::log(p[static_cast<size_t>(c.tokens.At<int32_t>(r))]),
                  1e-6);
    }
  });
}

TEST(Sample, OddLogits) {
  constexpr float kInfinity = INFINITY;
  const struct {
    std::vector<float> logits;
    int32_t token;
    double log_probability;
  } kCases[] = {{{-kInfinity, -kInfinity, -kInfinity}, 0, -kInfinity},
                {{NAN, NAN}, 0, -kInfinity},
                {{NAN, -kInfinity, 3, NAN}, 2, 0},
                {{0, kInfinity, 5}, 1, 0},
                {{-3e38f, 3e38f, NAN}, 1, 0},
                {{7}, 0, 0}};
  ForEachVariant([&](TestDevice& device) {
    for (const auto& one : kCases) {
      for (const uint32_t flags : {0u, uint32_t{BALEEN_SAMPLING_GREEDY}}) {
        for (const float top_p : {0.0f, 0.5f}) {
          Case c(one.logits, 1);
          c.how.flags = flags;
          c.how.top_p = top_p;
          c.how.top_k = 2;
          c.how.min_p = 0.1f;
          c.Run(device);
          EXPECT_EQ(c.tokens.At<int32_t>(0), one.token);
          if (std::isinf(one.log_probability)) {
            EXPECT_EQ(c.log_probability.Get(0), one.log_probability);
          } else {
            EXPECT_NEAR(c.log_probability.Get(0), one.log_probability, 1e-6);
          }
        }
      }
    }
    Case two({kInfinity, 0, kInfinity}, 400);
    two.Run(device);
    const std::vector<double> counts = two.Counts();
    EXPECT_EQ(counts[1], 0);
    EXPECT_NEAR(counts[0], 200, 60);
    EXPECT_NEAR(two.log_probability.Get(0), std::log(0.5), 1e-6);
  });
}

// With certain drafts the tokens are those that come without drafts, and a
// draft is accepted where it is the token.
TEST(Sample, CertainDraftsChangeNothing) {
  ForEachVariant([](TestDevice& device) {
    Case plain(kLogits, 2000);
    plain.Run(device);
    Case drafted(kLogits, 2000);
    drafted.how.draft = 3;
    drafted.Run(device);
    EXPECT_EQ(drafted.tokens.bytes(), plain.tokens.bytes());
    for (int64_t r = 0; r < 2000; ++r) {
      EXPECT_EQ(drafted.accepted.At<int32_t>(r),
                drafted.tokens.At<int32_t>(r) == 3);
    }
    Case greedy(kLogits, 1);
    greedy.how.flags = BALEEN_SAMPLING_GREEDY;
    greedy.how.draft = 1;
    greedy.args.draft_logits = greedy.draft_logits.get();
    greedy.Run(device);
    EXPECT_EQ(greedy.accepted.At<int32_t>(0), 1);
    greedy.how.draft = 5;
    greedy.Run(device);
    EXPECT_EQ(greedy.accepted.At<int32_t>(0), 0);
    EXPECT_EQ(greedy.tokens.At<int32_t>(0), 1);
  });
}

// Drafts drawn from q by another generator: what comes out is distributed as p
// is, and as many are accepted as min(p, q) has mass.
TEST(Sample, VerificationKeepsTheDistribution) {
  const std::vector<float> draft_logits = {1, 1, 1, -2, 0, 0.5f, 2, -1};
  ForEachVariant([&](TestDevice& device) {
    for (const uint32_t top_k : {0u, 4u}) {
      Case c(kLogits, kDraws);
      std::vector<double> p = Softmax(kLogits, 0.8);
      std::vector<double> q = Softmax(draft_logits, 0.8);
      if (top_k == 4) {
        const auto keep = [](std::vector<double>& x,
                             std::vector<size_t> tokens) {
          double sum = 0;
          for (const size_t token : tokens) sum += x[token];
          for (size_t i = 0; i < x.size(); ++i) {
            const bool kept =
                std::find(tokens.begin(), tokens.end(), i) != tokens.end();
            x[i] = kept ? x[i] / sum : 0;
          }
        };
        keep(p, {1, 3, 5, 7});
        keep(q, {0, 1, 2, 6});
      }
      std::mt19937 random(9);
      std::discrete_distribution<int32_t> draw(q.begin(), q.end());
      c.draft_logits.ForEach([&](int64_t i, int64_t j, int64_t) {
        c.draft_logits.Set(draft_logits[static_cast<size_t>(j)], i, j);
      });
      c.how.temperature = 0.8f;
      c.how.top_k = top_k;
      for (int64_t r = 0; r < kDraws; ++r) {
        c.how.draft = draw(random);
        c.SetRow(r, c.how);
      }
      c.args.draft_logits = c.draft_logits.get();
      BALEEN_RUN(device, SAMPLE, sample, c.args);
      EXPECT_LT(ChiSquare(c.Counts(), p), kChiSquare7);
      double overlap = 0;
      for (size_t i = 0; i < p.size(); ++i) overlap += std::min(p[i], q[i]);
      double accepted = 0;
      for (int64_t r = 0; r < kDraws; ++r) {
        accepted += c.accepted.At<int32_t>(r);
      }
      // Four standard deviations.
      EXPECT_NEAR(accepted / kDraws, overlap,
                  4 * std::sqrt(overlap * (1 - overlap) / kDraws));
    }
  });
}

TEST(Sample, DraftsThatCannotHaveBeenDrawnAreHarmless) {
  ForEachVariant([](TestDevice& device) {
    Case plain(kLogits, 500);
    plain.Run(device);
    Case c(kLogits, 500);
    c.draft_logits.ForEach([&](int64_t i, int64_t j, int64_t) {
      c.draft_logits.Set(j == 3 ? -INFINITY : 0, i, j);
    });
    c.args.draft_logits = c.draft_logits.get();
    for (const int32_t draft : {3, 8, INT32_MAX}) {
      c.how.draft = draft;
      c.Run(device);
      EXPECT_EQ(c.tokens.bytes(), plain.tokens.bytes());
    }
  });
}

TEST(Sample, NoRows) {
  ForEachVariant([](TestDevice& device) {
    Case c(kLogits, 0);
    c.Run(device);
  });
}

}  // namespace
}  // namespace baleen::ops_test
