// baleen_session_step_many: the same bits as each session alone, a share for
// everyone, and each its own fate.
#include <algorithm>

#include "pocket.h"

namespace baleen_test {
namespace {

// A session and its part in every call, until it has chosen enough.
struct Timeline {
  Session session;
  Tokens input;
  size_t wanted = 0;
  baleen_sampling sampling = Greedy();
  size_t read = 0;
  Tokens chosen;
  std::vector<baleen_token_score> scores;
  size_t calls = 0;

  bool done() const { return read == input.size() && chosen.size() >= wanted; }
};

// Steps all of them until each is done.
void StepAll(std::vector<Timeline*> timelines) {
  for (int calls = 0; calls < 1000; ++calls) {
    std::erase_if(timelines, [](const Timeline* one) { return one->done(); });
    if (timelines.empty()) return;
    std::vector<baleen_step> steps(timelines.size());
    std::vector<baleen_token> tokens(timelines.size(), -1);
    std::vector<baleen_token_score> scores(timelines.size());
    for (size_t i = 0; i < steps.size(); ++i) {
      Timeline& one = *timelines[i];
      steps[i].session = one.session.get();
      steps[i].input = one.input.data() + one.read;
      steps[i].input_count = one.input.size() - one.read;
      steps[i].sampling = &one.sampling;
      steps[i].tokens = &tokens[i];
      steps[i].scores = &scores[i];
      steps[i].capacity = one.chosen.size() < one.wanted ? 1 : 0;
    }
    EXPECT_OK(
        baleen_session_step_many(steps.data(), steps.size(), &last_error));
    for (size_t i = 0; i < steps.size(); ++i) {
      Timeline& one = *timelines[i];
      EXPECT_EQ(steps[i].status, BALEEN_OK);
      EXPECT_LE(steps[i].input_done, steps[i].input_count);
      EXPECT_TRUE(steps[i].count == 0 ||
                  steps[i].input_done == steps[i].input_count)
          << "chosen before all was read";
      one.read += steps[i].input_done;
      ++one.calls;
      for (size_t j = 0; j < steps[i].count; ++j) {
        one.chosen.push_back(tokens[i]);
        one.scores.push_back(scores[i]);
      }
    }
  }
  FAIL() << "some session never came to its end";
}

class StepManyTest : public testing::TestWithParam<baleen_mode> {
 protected:
  Timeline Make(size_t first, size_t count, size_t wanted, uint64_t seed) {
    static const Tokens text = LongPrompt(2000);
    Timeline one;
    one.session = MakeSession(GetParam(), seed);
    one.input = Part(text, first, count);
    one.wanted = wanted;
    if (seed % 2 == 0) {
      one.sampling.flags = 0;
      one.sampling.temperature = 0.8f;
    }
    return one;
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, StepManyTest,
                         testing::Values(BALEEN_MODE_FAST,
                                         BALEEN_MODE_REFERENCE),
                         [](const auto& mode) {
                           return mode.param == BALEEN_MODE_FAST ? "Fast"
                                                                 : "Reference";
                         });

TEST_P(StepManyTest, EachGetsTheBitsThatItGetsAlone) {
  const size_t sizes[] = {1, 7, 130, 300, 64, 257};
  std::vector<Timeline> together;
  std::vector<Timeline*> all;
  for (size_t i = 0; i < std::size(sizes); ++i) {
    together.push_back(Make(i * 11, sizes[i], 6 + i, i + 1));
  }
  for (Timeline& one : together) all.push_back(&one);
  StepAll(all);
  for (size_t i = 0; i < std::size(sizes); ++i) {
    Timeline alone = Make(i * 11, sizes[i], 6 + i, i + 1);
    Append(alone.session, alone.input);
    EXPECT_EQ(Generate(alone.session, alone.wanted, alone.sampling),
              together[i].chosen);
    EXPECT_EQ(TokensOf(alone.session), TokensOf(together[i].session));
    EXPECT_EQ(Logits(alone.session), Logits(together[i].session));
  }
}

TEST_P(StepManyTest, ScoresAreThoseOfTheTokensWhereTheyStood) {
  Timeline one = Make(0, 20, 4, 2);
  StepAll({&one});
  const Session scored = MakeSession(GetParam());
  Append(scored, one.input);
  std::vector<baleen_token_score> scores(one.chosen.size());
  EXPECT_OK(baleen_session_append_scored(scored.get(), one.chosen.data(),
                                         one.chosen.size(), scores.data(),
                                         &last_error));
  ASSERT_EQ(one.scores.size(), scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(one.scores[i].token, scores[i].token);
    EXPECT_EQ(one.scores[i].logit, scores[i].logit);
    EXPECT_EQ(one.scores[i].log_probability, scores[i].log_probability);
  }
}

TEST(StepMany, ALongPromptDoesNotKeepOthersWaiting) {
  const Tokens text = LongPrompt(1500);
  Timeline reader;
  reader.session = MakeSession();
  reader.input = text;
  reader.wanted = 1;
  std::vector<Timeline> writers(3);
  std::vector<Timeline*> all = {&reader};
  for (Timeline& writer : writers) {
    writer.session = MakeSession();
    Append(writer.session, Part(text, 0, 30));
    writer.wanted = 12;
    all.push_back(&writer);
  }
  StepAll(all);
  // A token in every call, while the prompt is read in bounded pieces.
  for (const Timeline& writer : writers) EXPECT_EQ(writer.calls, 12u);
  EXPECT_GE(reader.calls, 12u);
}

TEST(StepMany, MoreSessionsThanAPassHolds) {
  const Tokens text = LongPrompt(40);
  std::vector<Timeline> many(150);
  std::vector<Timeline*> all;
  for (size_t i = 0; i < many.size(); ++i) {
    many[i].session = MakeSession();
    many[i].input = Part(text, 0, 1 + i % 5);
    many[i].wanted = 1;
    all.push_back(&many[i]);
  }
  StepAll(all);
  for (size_t i = 5; i < many.size(); ++i) {
    EXPECT_EQ(many[i].chosen, many[i % 5].chosen);
  }
}

TEST(StepMany, EachHasItsOwnFate) {
  baleen_session_options small = SessionOptions(BALEEN_MODE_FAST);
  small.capacity = 5;
  const Session full = MakeSession(SharedPocket(), small);
  const Session empty = MakeSession();
  const Session fine = MakeSession();
  const Session wrong = MakeSession();
  const Tokens text = LongPrompt(20);
  Append(full, Part(text, 0, 5));
  baleen_token token[5] = {-1, -1, -1, -1, -1};
  const baleen_token unknown = 1 << 20;
  const baleen_sampling greedy = Greedy();
  baleen_step steps[5] = {};
  steps[0].session = full.get();
  steps[1].session = empty.get();
  steps[2].session = fine.get();
  steps[2].input = text.data();
  steps[2].input_count = text.size();
  steps[3].session = wrong.get();
  steps[3].input = &unknown;
  steps[3].input_count = 1;
  steps[4].session = fine.get();  // A second time.
  for (size_t i = 0; i < 5; ++i) {
    steps[i].tokens = &token[i];
    steps[i].capacity = 1;
    steps[i].sampling = &greedy;
    steps[i].count = 77;
  }
  EXPECT_OK(baleen_session_step_many(steps, 5, &last_error));
  EXPECT_EQ(steps[0].status, BALEEN_SESSION_FULL);
  EXPECT_EQ(steps[1].status, BALEEN_NOT_FOUND);
  EXPECT_EQ(steps[2].status, BALEEN_OK);
  EXPECT_EQ(steps[3].status, BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(steps[4].status, BALEEN_BUSY);
  for (const size_t i : {0u, 1u, 3u, 4u}) {
    EXPECT_EQ(steps[i].count, 0u);
    EXPECT_EQ(token[i], -1);
  }
  EXPECT_EQ(steps[2].count, 1u);
  EXPECT_EQ(steps[2].input_done, text.size());
  EXPECT_EQ(TokensOf(fine).size(), text.size() + 1);
  EXPECT_TRUE(TokensOf(wrong).empty());
}

TEST(StepMany, FailsAsAWholeOnlyIfItCannotBegin) {
  const Session fast = MakeSession(BALEEN_MODE_FAST);
  const Session reference = MakeSession(BALEEN_MODE_REFERENCE);
  baleen_step steps[2] = {};
  steps[0].session = fast.get();
  EXPECT_EQ(baleen_session_step_many(steps, 2, &last_error),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_STREQ(last_error.message, "steps[1].session is NULL");
  steps[1].session = reference.get();
  EXPECT_EQ(baleen_session_step_many(steps, 2, &last_error),
            BALEEN_INVALID_ARGUMENT);
  const Context context = MakeContext();
  const Model other = LoadPocket(context.get());
  const Session foreign =
      MakeSession(other.get(), SessionOptions(BALEEN_MODE_FAST));
  steps[1].session = foreign.get();
  EXPECT_EQ(baleen_session_step_many(steps, 2, &last_error),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_OK(baleen_session_step_many(nullptr, 0, &last_error));
}

}  // namespace
}  // namespace baleen_test
