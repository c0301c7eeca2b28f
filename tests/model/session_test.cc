// A session's timeline through the public API: whatever way it came to its
// tokens, its logits have the same bits as a fresh session's.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "pocket.h"

namespace baleen_test {
namespace {

class SessionTest : public testing::TestWithParam<baleen_mode> {
 protected:
  Session Fresh() { return MakeSession(GetParam()); }
  Session Fresh(const Tokens& tokens) {
    Session session = Fresh();
    Append(session, tokens);
    return session;
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, SessionTest,
                         testing::Values(BALEEN_MODE_FAST,
                                         BALEEN_MODE_REFERENCE),
                         [](const auto& mode) {
                           return mode.param == BALEEN_MODE_FAST ? "Fast"
                                                                 : "Reference";
                         });

Tokens First(const Tokens& tokens, size_t count) {
  return {tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(count)};
}

TEST_P(SessionTest, ChunksOfAnySizeGiveTheSameBits) {
  const Tokens prompt = LongPrompt(700);
  const std::vector<float> whole = Logits(Fresh(prompt));
  for (const size_t chunk : {1u, 3u, 16u, 37u, 128u}) {
    const Session session = Fresh();
    for (size_t at = 0; at < prompt.size(); at += chunk) {
      const size_t end = std::min(prompt.size(), at + chunk);
      Append(session, Tokens(prompt.begin() + static_cast<ptrdiff_t>(at),
                             prompt.begin() + static_cast<ptrdiff_t>(end)));
    }
    EXPECT_EQ(Logits(session), whole) << "chunks of " << chunk;
  }
}

TEST_P(SessionTest, PrefillChunkOptionChangesNoBit) {
  const Tokens prompt = LongPrompt(300);
  const std::vector<float> whole = Logits(Fresh(prompt));
  baleen_session_options options = SessionOptions(GetParam());
  options.prefill_chunk = 41;
  const Session session = MakeSession(SharedPocket(), options);
  Append(session, prompt);
  EXPECT_EQ(Logits(session), whole);
}

TEST_P(SessionTest, ThreadsChangeNoBit) {
  const Tokens prompt = LongPrompt(150);
  const std::vector<float> two = Logits(Fresh(prompt));
  for (const uint32_t threads : {1u, 3u}) {
    const Context context = MakeContext(threads);
    const Model model = LoadPocket(context.get());
    const Session session =
        MakeSession(model.get(), SessionOptions(GetParam()));
    Append(session, prompt);
    EXPECT_EQ(Logits(session), two) << threads << " threads";
  }
}

TEST_P(SessionTest, TruncateToAnyLengthAndGoOn) {
  const Tokens prompt = LongPrompt(700);
  const Session session = Fresh(prompt);
  // From the end backwards, near and far, on and off the borders of groups,
  // windows and pages.
  for (const size_t keep : {699u, 697u, 640u, 513u, 512u, 511u, 300u, 256u,
                            129u, 128u, 100u, 7u, 4u, 3u, 1u}) {
    EXPECT_OK(baleen_session_truncate(session.get(), keep, &last_error));
    EXPECT_EQ(TokensOf(session), First(prompt, keep));
    EXPECT_EQ(Logits(session), Logits(Fresh(First(prompt, keep))))
        << "after truncating to " << keep;
  }
}

TEST_P(SessionTest, TruncateThenAppendOther) {
  const Tokens prompt = LongPrompt(600);
  for (const size_t keep : {590u, 384u, 130u, 5u, 0u}) {
    const Session session = Fresh(prompt);
    EXPECT_OK(baleen_session_truncate(session.get(), keep, &last_error));
    Tokens other = First(prompt, keep);
    const Tokens tail(prompt.begin() + 17, prompt.begin() + 217);
    other.insert(other.end(), tail.begin(), tail.end());
    Append(session, tail);
    EXPECT_EQ(Logits(session), Logits(Fresh(other))) << "keep " << keep;
  }
}

TEST_P(SessionTest, SetTokensReusesThePrefix) {
  const Tokens prompt = LongPrompt(400);
  const Session session = Fresh(First(prompt, 380));
  size_t reused = 0;
  EXPECT_OK(baleen_session_set_tokens(session.get(), prompt.data(),
                                      prompt.size(), &reused, &last_error));
  EXPECT_EQ(reused, 380u);
  EXPECT_EQ(Logits(session), Logits(Fresh(prompt)));

  Tokens other = First(prompt, 390);
  other.push_back(prompt[5]);
  EXPECT_OK(baleen_session_set_tokens(session.get(), other.data(), other.size(),
                                      &reused, &last_error));
  EXPECT_EQ(TokensOf(session), other);
  EXPECT_LE(reused, 390u);
  EXPECT_EQ(Logits(session), Logits(Fresh(other)));

  EXPECT_OK(baleen_session_set_tokens(session.get(), nullptr, 0, &reused,
                                      &last_error));
  EXPECT_TRUE(TokensOf(session).empty());
}

TEST_P(SessionTest, ForksGoTheirOwnWays) {
  const Tokens prompt = LongPrompt(333);
  const Session session = Fresh(prompt);
  baleen_session* made = nullptr;
  EXPECT_OK(baleen_session_fork(session.get(), &made, &last_error));
  const Session fork(made);
  EXPECT_EQ(TokensOf(fork), prompt);
  EXPECT_EQ(Logits(fork), Logits(session));

  const Tokens a(prompt.begin(), prompt.begin() + 60);
  const Tokens b(prompt.begin() + 100, prompt.begin() + 160);
  Append(session, a);
  Append(fork, b);
  Tokens with_a = prompt;
  with_a.insert(with_a.end(), a.begin(), a.end());
  Tokens with_b = prompt;
  with_b.insert(with_b.end(), b.begin(), b.end());
  EXPECT_EQ(Logits(session), Logits(Fresh(with_a)));
  EXPECT_EQ(Logits(fork), Logits(Fresh(with_b)));
}

TEST_P(SessionTest, DecodingEqualsPrefill) {
  const Session session = Fresh(LongPrompt(120));
  Generate(session, 40);
  EXPECT_EQ(Logits(session), Logits(Fresh(TokensOf(session))));
}

TEST_P(SessionTest, ScoresAreThoseOfTheLogits) {
  const Tokens prompt = LongPrompt(90);
  const Session session = Fresh();
  std::vector<baleen_token_score> scores(prompt.size());
  EXPECT_OK(baleen_session_append_scored(
      session.get(), prompt.data(), prompt.size(), scores.data(), &last_error));
  EXPECT_EQ(scores[0].token, prompt[0]);
  EXPECT_EQ(scores[0].logit, 0.0f);
  EXPECT_EQ(scores[0].log_probability, 0.0f);
  const Session stepwise = Fresh();
  for (size_t i = 0; i + 1 < prompt.size(); ++i) {
    Append(stepwise, {prompt[i]});
    const std::vector<float> logits = Logits(stepwise);
    const auto next = static_cast<size_t>(prompt[i + 1]);
    EXPECT_EQ(scores[i + 1].logit, logits[next]);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(double{logit});
    // Sums of 2,048 doubles, rounded to float at the end.
    EXPECT_NEAR(scores[i + 1].log_probability, logits[next] - std::log(sum),
                1e-5);
  }
  EXPECT_EQ(Logits(session), Logits(Fresh(prompt)));
}

TEST_P(SessionTest, TopTokensAreSorted) {
  const Session session = Fresh(LongPrompt(50));
  const std::vector<float> logits = Logits(session);
  std::vector<baleen_token_score> top(20);
  size_t count = 0;
  EXPECT_OK(baleen_session_top_tokens(session.get(), top.data(), top.size(),
                                      &count, &last_error));
  ASSERT_EQ(count, 20u);
  std::vector<float> sorted = logits;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  for (size_t i = 0; i < count; ++i) {
    EXPECT_EQ(top[i].logit, sorted[i]);
    EXPECT_EQ(top[i].logit, logits[static_cast<size_t>(top[i].token)]);
    EXPECT_LE(top[i].log_probability, 0.0f);
  }
}

TEST(Session, RefusesWhatCannotBe) {
  const Session session = MakeSession();
  const float* logits = nullptr;
  size_t count = 0;
  EXPECT_EQ(baleen_session_logits(session.get(), &logits, &count, &last_error),
            BALEEN_NOT_FOUND);
  const baleen_token bad[] = {1, 5000};
  EXPECT_EQ(baleen_session_append(session.get(), bad, 2, &last_error),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(last_error.message).find("5000"), std::string::npos);
  EXPECT_TRUE(TokensOf(session).empty());
  EXPECT_EQ(baleen_session_truncate(session.get(), 1, &last_error),
            BALEEN_INVALID_ARGUMENT);
}

TEST(Session, FullIsFull) {
  baleen_session_options options = SessionOptions(BALEEN_MODE_FAST);
  options.capacity = 40;
  const Session session = MakeSession(SharedPocket(), options);
  const Tokens prompt = LongPrompt(40);
  Append(session, First(prompt, 38));
  const std::vector<float> before = Logits(session);
  EXPECT_EQ(baleen_session_append(session.get(), prompt.data(), 3, &last_error),
            BALEEN_SESSION_FULL);
  EXPECT_EQ(Logits(session), before);
  EXPECT_EQ(Generate(session, 2).size(), 2u);
  const baleen_sampling greedy = Greedy();
  baleen_token token = -7;
  size_t count = 77;
  EXPECT_EQ(baleen_session_step(session.get(), &greedy, &token, 1, &count,
                                &last_error),
            BALEEN_SESSION_FULL);
  EXPECT_EQ(token, -7);
  EXPECT_EQ(count, 77u);
}

TEST(Session, StatsCount) {
  const Session session = MakeSession(BALEEN_MODE_FAST, 99);
  Append(session, LongPrompt(64));
  Generate(session, 5);
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  EXPECT_OK(baleen_session_get_stats(session.get(), &stats, &last_error));
  EXPECT_EQ(stats.seed, 99u);
  EXPECT_EQ(stats.prompt_tokens, 64u);
  EXPECT_EQ(stats.generated_tokens, 5u);
  EXPECT_GT(stats.state_bytes, 0u);
  EXPECT_GT(stats.prompt_seconds, 0.0);
  EXPECT_GT(stats.generate_seconds, 0.0);
}

}  // namespace
}  // namespace baleen_test
