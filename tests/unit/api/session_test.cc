// Sessions through the public header: what each entry promises.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "robustness/pocket.h"

namespace baleen_test {
namespace {

class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    context_ = MakeContext();
    model_ = LoadPocket(context_.get());
    ASSERT_TRUE(model_ != nullptr);
    prompt_ = Prompt(model_.get(), 60);
  }

  SessionPointer Read(size_t count) {
    baleen_session_options options = SessionOptions();
    options.seed = 3;
    SessionPointer session = MakeSession(model_.get(), &options);
    EXPECT_EQ(
        baleen_session_append(session.get(), prompt_.data(), count, &error_),
        BALEEN_OK)
        << error_.message;
    return session;
  }
  std::vector<baleen_token> Tokens(const SessionPointer& session) {
    size_t count = 0;
    const baleen_token* tokens = baleen_session_tokens(session.get(), &count);
    return std::vector<baleen_token>(tokens, tokens + count);
  }
  std::vector<baleen_token> FirstOfPrompt(size_t count) const {
    return std::vector<baleen_token>(
        prompt_.begin(), prompt_.begin() + static_cast<ptrdiff_t>(count));
  }

  ContextPointer context_;
  ModelPointer model_;
  std::vector<baleen_token> prompt_;
  baleen_error error_ = {};
};

TEST_F(SessionTest, AnEmptyOneHasNoLogits) {
  const SessionPointer session = MakeSession(model_.get());
  const float* logits = nullptr;
  size_t count = 5;
  EXPECT_EQ(baleen_session_logits(session.get(), &logits, &count, &error_),
            BALEEN_NOT_FOUND);
  EXPECT_EQ(logits, nullptr);
  EXPECT_EQ(count, 5u);
  baleen_token token = -9;
  EXPECT_EQ(baleen_session_sample(session.get(), nullptr, &token, &error_),
            BALEEN_NOT_FOUND);
  EXPECT_EQ(token, -9);
  EXPECT_EQ(baleen_session_append(session.get(), nullptr, 0, &error_),
            BALEEN_OK);
}

TEST_F(SessionTest, TopTokensAreTheLikeliest) {
  const SessionPointer session = Read(40);
  const std::vector<float> logits = Logits(session.get());
  baleen_token_score top[5] = {};
  size_t count = 0;
  ASSERT_EQ(baleen_session_top_tokens(session.get(), top, 5, &count, &error_),
            BALEEN_OK);
  ASSERT_EQ(count, 5u);
  EXPECT_EQ(top[0].token,
            std::max_element(logits.begin(), logits.end()) - logits.begin());
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(top[i].logit, logits[static_cast<size_t>(top[i].token)]);
    EXPECT_LT(top[i].log_probability, 0);
    if (i > 0) {
      EXPECT_LE(top[i].logit, top[i - 1].logit);
    }
  }
}

TEST_F(SessionTest, SamplingTwiceGivesTheSameAndReadsNothing) {
  const SessionPointer session = Read(40);
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = 2;
  baleen_token first = -1;
  baleen_token second = -1;
  ASSERT_EQ(baleen_session_sample(session.get(), &sampling, &first, &error_),
            BALEEN_OK);
  ASSERT_EQ(baleen_session_sample(session.get(), &sampling, &second, &error_),
            BALEEN_OK);
  EXPECT_EQ(first, second);
  EXPECT_EQ(Tokens(session), FirstOfPrompt(40));
  size_t count = 0;
  ASSERT_EQ(baleen_session_step(session.get(), &sampling, &second, 1, &count,
                                &error_),
            BALEEN_OK);
  EXPECT_EQ(first, second);
  EXPECT_EQ(Tokens(session).size(), 41u);
}

TEST_F(SessionTest, EditsAndBiasesChangeWhatIsChosen) {
  const SessionPointer session = Read(40);
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.flags = BALEEN_SAMPLING_GREEDY;
  baleen_token greedy = -1;
  ASSERT_EQ(baleen_session_sample(session.get(), &sampling, &greedy, &error_),
            BALEEN_OK);
  const baleen_token_bias bias = {greedy, -INFINITY};
  sampling.biases = &bias;
  sampling.bias_count = 1;
  baleen_token other = -1;
  ASSERT_EQ(baleen_session_sample(session.get(), &sampling, &other, &error_),
            BALEEN_OK);
  EXPECT_NE(other, greedy);
  baleen_token wanted = 77;
  sampling.edit_user_data = &wanted;
  sampling.edit = [](void* data, float* logits, size_t count) {
    const auto keep = static_cast<size_t>(*static_cast<baleen_token*>(data));
    for (size_t i = 0; i < count; ++i) {
      if (i != keep) logits[i] = -INFINITY;
    }
  };
  ASSERT_EQ(baleen_session_sample(session.get(), &sampling, &other, &error_),
            BALEEN_OK);
  EXPECT_EQ(other, 77);
}

TEST_F(SessionTest, SetTokensKeepsTheCommonPrefix) {
  const SessionPointer session = Read(40);
  std::vector<baleen_token> other = FirstOfPrompt(60);
  other[50] = 9;
  size_t reused = 0;
  ASSERT_EQ(baleen_session_set_tokens(session.get(), other.data(), other.size(),
                                      &reused, &error_),
            BALEEN_OK)
      << error_.message;
  EXPECT_EQ(Tokens(session), other);
  EXPECT_EQ(reused, 40u);
  const SessionPointer fresh = MakeSession(model_.get());
  ASSERT_EQ(
      baleen_session_append(fresh.get(), other.data(), other.size(), &error_),
      BALEEN_OK);
  EXPECT_EQ(Logits(session.get()), Logits(fresh.get()));
}

TEST_F(SessionTest, ScoresAreTheLogProbabilitiesWhereTokensStood) {
  const SessionPointer scored = MakeSession(model_.get());
  std::vector<baleen_token_score> scores(30);
  ASSERT_EQ(baleen_session_append_scored(scored.get(), prompt_.data(), 30,
                                         scores.data(), &error_),
            BALEEN_OK)
      << error_.message;
  EXPECT_EQ(scores[0].log_probability, 0);
  const SessionPointer session = Read(29);
  const std::vector<float> logits = Logits(session.get());
  EXPECT_EQ(scores[29].token, prompt_[29]);
  EXPECT_EQ(scores[29].logit, logits[static_cast<size_t>(prompt_[29])]);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  EXPECT_NEAR(scores[29].log_probability,
              static_cast<double>(scores[29].logit) - std::log(sum), 1e-5);
}

TEST_F(SessionTest, CountersAreOfAllCallsAndOfTheLastThatComputed) {
  const SessionPointer session = Read(40);
  baleen_session_counters total = {};
  baleen_session_counters last = {};
  total.struct_size = last.struct_size = sizeof total;
  const auto get = [&] {
    ASSERT_EQ(
        baleen_session_get_counters(session.get(), &total, &last, &error_),
        BALEEN_OK)
        << error_.message;
  };
  get();
  EXPECT_EQ(total.positions, 40u);
  EXPECT_EQ(std::memcmp(&total, &last, sizeof total), 0);
  const baleen_session_counters prompt = total;
  ASSERT_EQ(
      baleen_session_append(session.get(), prompt_.data() + 40, 3, &error_),
      BALEEN_OK);
  // Looking computes nothing.
  Logits(session.get());
  get();
  EXPECT_EQ(last.positions, 3u);
  EXPECT_EQ(total.positions, 43u);
  for (int part = 0; part < BALEEN_PART_COUNT; ++part) {
    EXPECT_EQ(total.operations[part],
              prompt.operations[part] + last.operations[part]);
  }
  EXPECT_GT(last.operations[BALEEN_PART_HEAD], 0u);
  // A host that is older than a member, and one that wants one of them.
  baleen_session_counters older = {};
  older.struct_size = offsetof(baleen_session_counters, pass_weight_bytes);
  ASSERT_EQ(
      baleen_session_get_counters(session.get(), &older, nullptr, &error_),
      BALEEN_OK);
  EXPECT_EQ(older.positions, 43u);
  EXPECT_EQ(older.pass_weight_bytes, 0u);
  older.struct_size = 3;
  EXPECT_EQ(
      baleen_session_get_counters(session.get(), nullptr, &older, &error_),
      BALEEN_INVALID_ARGUMENT);
}

TEST_F(SessionTest, AFullOneSaysSoAndKeepsWhatItHas) {
  baleen_session_options options = SessionOptions();
  options.capacity = 10;
  const SessionPointer session = MakeSession(model_.get(), &options);
  EXPECT_EQ(baleen_session_append(session.get(), prompt_.data(), 11, &error_),
            BALEEN_SESSION_FULL);
  EXPECT_TRUE(Tokens(session).empty());
  ASSERT_EQ(baleen_session_append(session.get(), prompt_.data(), 10, &error_),
            BALEEN_OK);
  baleen_token token = -1;
  size_t count = 0;
  EXPECT_EQ(
      baleen_session_step(session.get(), nullptr, &token, 1, &count, &error_),
      BALEEN_SESSION_FULL);
  baleen_finish finish = BALEEN_FINISH_NONE;
  EXPECT_EQ(baleen_session_generate(session.get(), nullptr, &finish, &error_),
            BALEEN_OK);
  EXPECT_EQ(finish, BALEEN_FINISH_FULL);
  EXPECT_EQ(Tokens(session).size(), 10u);
}

TEST_F(SessionTest, AForkGoesItsOwnWay) {
  const SessionPointer session = Read(40);
  baleen_session* handle = nullptr;
  ASSERT_EQ(baleen_session_fork(session.get(), &handle, &error_), BALEEN_OK)
      << error_.message;
  const SessionPointer fork(handle);
  EXPECT_EQ(Logits(fork.get()), Logits(session.get()));
  ASSERT_EQ(baleen_session_append(fork.get(), prompt_.data() + 40, 20, &error_),
            BALEEN_OK);
  EXPECT_EQ(Tokens(session).size(), 40u);
  EXPECT_EQ(Logits(fork.get()), Logits(Read(60).get()));
}

TEST_F(SessionTest, ASavedStateFillsItsBufferExactly) {
  const SessionPointer session = Read(40);
  size_t size = 0;
  EXPECT_EQ(
      baleen_session_save(session.get(), nullptr, nullptr, 0, &size, &error_),
      BALEEN_BUFFER_TOO_SMALL);
  std::vector<char> saved(size + 1, 'x');
  size_t again = 0;
  EXPECT_EQ(baleen_session_save(session.get(), nullptr, saved.data(), size - 1,
                                &again, &error_),
            BALEEN_BUFFER_TOO_SMALL);
  EXPECT_EQ(again, size);
  EXPECT_EQ(saved[0], 'x') << "written by a call that failed";
  ASSERT_EQ(baleen_session_save(session.get(), nullptr, saved.data(), size,
                                &again, &error_),
            BALEEN_OK);
  EXPECT_EQ(again, size);
  EXPECT_EQ(saved[size], 'x');
  const SessionPointer other = MakeSession(model_.get());
  ASSERT_EQ(baleen_session_load(other.get(), saved.data(), size, &error_),
            BALEEN_OK)
      << error_.message;
  EXPECT_EQ(Logits(other.get()), Logits(session.get()));
  EXPECT_EQ(Tokens(other), Tokens(session));
  saved[size / 2] = static_cast<char>(saved[size / 2] ^ 4);
  EXPECT_EQ(baleen_session_load(other.get(), saved.data(), size, &error_),
            BALEEN_CORRUPT);
  EXPECT_EQ(Tokens(other), Tokens(session)) << "the state is as it was";
}

TEST_F(SessionTest, StatsCount) {
  const SessionPointer session = Read(40);
  baleen_token token = -1;
  size_t count = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(
        baleen_session_step(session.get(), nullptr, &token, 1, &count, &error_),
        BALEEN_OK);
  }
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  ASSERT_EQ(baleen_session_get_stats(session.get(), &stats, &error_),
            BALEEN_OK);
  EXPECT_EQ(stats.seed, 3u);
  EXPECT_EQ(stats.prompt_tokens, 40u);
  EXPECT_EQ(stats.generated_tokens, 3u);
  EXPECT_GT(stats.state_bytes, 0u);
  EXPECT_GT(stats.prompt_seconds, 0);
  EXPECT_GT(stats.generate_seconds, 0);
}

}  // namespace
}  // namespace baleen_test
