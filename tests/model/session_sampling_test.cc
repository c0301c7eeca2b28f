// Choosing tokens through the public API: what each member of baleen_sampling
// does, and that a seed means the same everywhere.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "pocket.h"

namespace baleen_test {
namespace {

baleen_sampling Sampling() {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  return sampling;
}

baleen_token Sample(const Session& session, const baleen_sampling& sampling) {
  baleen_token token = -1;
  EXPECT_OK(
      baleen_session_sample(session.get(), &sampling, &token, &last_error));
  return token;
}

baleen_token Likeliest(const std::vector<float>& logits) {
  return static_cast<baleen_token>(
      std::max_element(logits.begin(), logits.end()) - logits.begin());
}

Session Prompted(uint64_t seed = 1) {
  Session session = MakeSession(BALEEN_MODE_FAST, seed);
  Append(session, LongPrompt(40));
  return session;
}

TEST(Sampling, GreedyIsTheLikeliest) {
  const Session session = Prompted();
  EXPECT_EQ(Sample(session, Greedy()), Likeliest(Logits(session)));
  baleen_sampling one = Sampling();
  one.top_k = 1;
  EXPECT_EQ(Sample(session, one), Likeliest(Logits(session)));
}

TEST(Sampling, AskingTwiceGivesTheSame) {
  const Session session = Prompted();
  const baleen_token first = Sample(session, Sampling());
  EXPECT_EQ(Sample(session, Sampling()), first);
  EXPECT_EQ(TokensOf(session).size(), 40u);
}

TEST(Sampling, SeedsDecide) {
  const Session a = Prompted(7);
  const Session b = Prompted(7);
  const Session c = Prompted(8);
  const Tokens from_a = Generate(a, 30, Sampling());
  EXPECT_EQ(from_a, Generate(b, 30, Sampling()));
  EXPECT_NE(from_a, Generate(c, 30, Sampling()));
}

TEST(Sampling, ForksDrawTheSameNumbers) {
  const Session session = Prompted(11);
  baleen_session* made = nullptr;
  EXPECT_OK(baleen_session_fork(session.get(), &made, &last_error));
  const Session fork(made);
  EXPECT_EQ(Generate(session, 20, Sampling()), Generate(fork, 20, Sampling()));
}

TEST(Sampling, TopKAndMinPNarrowTheChoice) {
  std::vector<baleen_token_score> top(3);
  baleen_sampling three = Sampling();
  three.top_k = 3;
  three.temperature = 5;
  baleen_sampling near_best = Sampling();
  near_best.min_p = 0.999f;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const Session session = Prompted(seed);
    size_t count = 0;
    EXPECT_OK(baleen_session_top_tokens(session.get(), top.data(), 3, &count,
                                        &last_error));
    const baleen_token token = Sample(session, three);
    EXPECT_TRUE(std::any_of(top.begin(), top.end(), [&](const auto& score) {
      return score.token == token;
    }));
    EXPECT_EQ(Sample(session, near_best), top[0].token);
  }
}

TEST(Sampling, HotterIsMoreVaried) {
  std::set<baleen_token> cold_tokens;
  std::set<baleen_token> hot_tokens;
  baleen_sampling cold = Sampling();
  cold.temperature = 0.05f;
  baleen_sampling hot = Sampling();
  hot.temperature = 20;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Session session = Prompted(seed);
    cold_tokens.insert(Sample(session, cold));
    hot_tokens.insert(Sample(session, hot));
  }
  EXPECT_LE(cold_tokens.size(), 2u);
  EXPECT_GE(hot_tokens.size(), 30u);
}

TEST(Sampling, BiasesEditsAndPenaltiesChangeTheChoice) {
  const Session session = Prompted();
  const std::vector<float> logits = Logits(session);
  const baleen_token best = Likeliest(logits);

  const baleen_token_bias bias = {best,
                                  -std::numeric_limits<float>::infinity()};
  baleen_sampling biased = Greedy();
  biased.biases = &bias;
  biased.bias_count = 1;
  std::vector<float> without = logits;
  without[static_cast<size_t>(best)] = -1e30f;
  EXPECT_EQ(Sample(session, biased), Likeliest(without));

  baleen_sampling edited = Greedy();
  edited.edit = [](void* user, float* values, size_t count) {
    EXPECT_EQ(count, 2048u);
    values[*static_cast<int*>(user)] = 1e6f;
  };
  int wanted = 123;
  edited.edit_user_data = &wanted;
  EXPECT_EQ(Sample(session, edited), 123);
  // The session's own logits are as they were.
  EXPECT_EQ(Logits(session), logits);

  // A penalty without end on the last tokens forbids them all.
  baleen_sampling penalized = Greedy();
  penalized.repeat_penalty = 1e9f;
  const Tokens tokens = TokensOf(session);
  EXPECT_EQ(
      std::count(tokens.begin(), tokens.end(), Sample(session, penalized)), 0);
}

TEST(Sampling, RefusesWhatCannotBe) {
  const Session session = Prompted();
  baleen_token token = -7;
  const auto refused = [&](const baleen_sampling& sampling,
                           const char* member) {
    EXPECT_EQ(
        baleen_session_sample(session.get(), &sampling, &token, &last_error),
        BALEEN_INVALID_ARGUMENT);
    EXPECT_NE(std::string(last_error.message).find(member), std::string::npos)
        << last_error.message;
    EXPECT_EQ(token, -7);
  };
  baleen_sampling sampling = Sampling();
  sampling.temperature = -1;
  refused(sampling, "temperature");
  sampling = Sampling();
  sampling.top_p = 1.5f;
  refused(sampling, "top_p");
  sampling = Sampling();
  sampling.min_p = std::nanf("");
  refused(sampling, "min_p");
  sampling = Sampling();
  sampling.bias_count = 2;
  refused(sampling, "biases");
  const baleen_token_bias bias = {4000, 1};
  sampling.biases = &bias;
  sampling.bias_count = 1;
  refused(sampling, "biases");
}

}  // namespace
}  // namespace baleen_test
