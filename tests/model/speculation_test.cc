// Guesses never change what is chosen: with them, the tokens and random numbers
// of a session without, whatever else happens to it.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "chances.h"
#include "pocket.h"

namespace baleen_test {
namespace {

constexpr size_t kRoom = 9;

// Models of tests/data, each loaded once.
baleen_model* SharedModel(const std::string& name) {
  if (name == "pocket") return SharedPocket();
  static const Context context = MakeContext();
  static std::map<std::string, Model> models;
  Model& model = models[name];
  if (!model) {
    baleen_model* loaded = nullptr;
    EXPECT_OK(baleen_model_load(context.get(),
                                (BALEEN_TEST_DATA "/" + name).c_str(), nullptr,
                                &loaded, &last_error));
    model.reset(loaded);
  }
  return model.get();
}

Session Guessing(baleen_draft draft, baleen_mode mode = BALEEN_MODE_FAST,
                 uint64_t seed = 1, const std::string& model = "pocket") {
  baleen_session_options options = SessionOptions(mode, seed);
  options.draft = draft;
  return MakeSession(SharedModel(model), options);
}

// Tokens that all models have, which repeat themselves in part.
Tokens AnyPrompt(size_t count) {
  Tokens tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<baleen_token>((i % 37 * 11 + i / 60) % 500));
  }
  return tokens;
}

baleen_session_stats Stats(const Session& session) {
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  EXPECT_OK(baleen_session_get_stats(session.get(), &stats, &last_error));
  return stats;
}

baleen_sampling Warm() {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = 0.8f;
  sampling.top_p = 0.95f;
  return sampling;
}

using Kind = std::tuple<baleen_draft, baleen_mode>;

class SpeculationTest : public testing::TestWithParam<Kind> {
 protected:
  baleen_draft draft() const { return std::get<0>(GetParam()); }
  baleen_mode mode() const { return std::get<1>(GetParam()); }
};

std::string NameOf(const testing::TestParamInfo<Kind>& kind) {
  const char* const names[] = {"Default", "Off", "Model", "Lookup"};
  const bool fast = std::get<1>(kind.param) == BALEEN_MODE_FAST;
  return std::string(names[std::get<0>(kind.param)]) +
         (fast ? "Fast" : "Reference");
}

INSTANTIATE_TEST_SUITE_P(
    All, SpeculationTest,
    testing::Combine(testing::Values(BALEEN_DRAFT_DEFAULT, BALEEN_DRAFT_MODEL,
                                     BALEEN_DRAFT_LOOKUP),
                     testing::Values(BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE)),
    NameOf);

// The pocket model was trained with its MTP block; the tiny ones know nothing,
// so nearly every guess of their drafters is wrong and must leave no trace.
TEST_P(SpeculationTest, SameTokensAsWithout) {
  for (const char* model : {"pocket", "tiny_v4", "tiny_v4_dspark"}) {
    for (const baleen_sampling& sampling : {Greedy(), Warm()}) {
      const Session plain = Guessing(BALEEN_DRAFT_OFF, mode(), 5, model);
      const Session guessing = Guessing(draft(), mode(), 5, model);
      Append(plain, AnyPrompt(100));
      Append(guessing, AnyPrompt(100));
      EXPECT_EQ(GenerateAhead(guessing, 70, sampling),
                Generate(plain, 70, sampling))
          << model;
      EXPECT_EQ(TokensOf(guessing), TokensOf(plain)) << model;
      EXPECT_EQ(Logits(guessing), Logits(plain)) << model;
      const baleen_session_stats stats = Stats(guessing);
      EXPECT_EQ(stats.generated_tokens, 70u);
      EXPECT_LE(stats.accepted_tokens, stats.drafted_tokens);
      EXPECT_TRUE(stats.drafted_tokens > 0 || draft() == BALEEN_DRAFT_LOOKUP);
      EXPECT_EQ(Stats(plain).drafted_tokens, 0u);
    }
  }
}

std::vector<char> Save(const Session& session, baleen_window window) {
  baleen_save_options options = {};
  options.struct_size = sizeof options;
  options.window = window;
  size_t size = 0;
  baleen_session_save(session.get(), &options, nullptr, 0, &size, nullptr);
  std::vector<char> bytes(size);
  EXPECT_OK(baleen_session_save(session.get(), &options, bytes.data(), size,
                                &size, &last_error));
  return bytes;
}

// The state is, bit for bit, that of a session that was given the tokens: its
// entries, and the window as well where no MTP block keeps rows of its own in
// it.
TEST_P(SpeculationTest, AStateWithoutATrace) {
  for (const char* model : {"pocket", "tiny_v4", "tiny_v4_dspark"}) {
    const bool has_block = draft() != BALEEN_DRAFT_LOOKUP &&
                           std::string(model) != "tiny_v4_dspark";
    const baleen_window window =
        has_block ? BALEEN_WINDOW_NONE : BALEEN_WINDOW_PERIODIC;
    const Session guessing = Guessing(draft(), mode(), 5, model);
    Append(guessing, AnyPrompt(200));
    GenerateAhead(guessing, 75, Warm());
    const Session fresh = Guessing(BALEEN_DRAFT_OFF, mode(), 5, model);
    Append(fresh, TokensOf(guessing));
    EXPECT_EQ(Logits(guessing), Logits(fresh)) << model;
    EXPECT_TRUE(Save(guessing, window) == Save(fresh, window)) << model;
  }
}

// Sessions whose beginning another one has, while that one guesses: what was
// guessed in vain is no part of what they share.
TEST_P(SpeculationTest, SharedBeginnings) {
  const Session guessing = Guessing(draft(), mode());
  Append(guessing, AnyPrompt(150));
  GenerateAhead(guessing, 40);
  const Tokens tokens = TokensOf(guessing);
  const Session sharing = Guessing(draft(), mode());
  Append(sharing, tokens);
  EXPECT_GT(Stats(sharing).reused_tokens, 100u);
  const Session plain = Guessing(BALEEN_DRAFT_OFF, mode());
  Append(plain, AnyPrompt(150));
  const Tokens wanted = Generate(plain, 80);
  const Tokens more = GenerateAhead(sharing, 40);
  EXPECT_TRUE(std::equal(more.begin(), more.end(), wanted.begin() + 40));
}

TEST(Speculation, GuessesAreMadeAndComeTrue) {
  for (const baleen_draft draft : {BALEEN_DRAFT_MODEL, BALEEN_DRAFT_LOOKUP}) {
    const Session session = Guessing(draft);
    Append(session, LongPrompt(100));
    GenerateAhead(session, 300);
    const baleen_session_stats stats = Stats(session);
    EXPECT_GT(stats.drafted_tokens, 0u) << draft;
    EXPECT_GT(stats.accepted_tokens, 0u) << draft;
  }
}

TEST(Speculation, RoomForOneTokenMeansNoGuesses) {
  const Session session = Guessing(BALEEN_DRAFT_MODEL);
  Append(session, LongPrompt(60));
  Generate(session, 40);
  EXPECT_EQ(Stats(session).drafted_tokens, 0u);
}

TEST(Speculation, TheLimitIsKept) {
  baleen_session_options options = SessionOptions(BALEEN_MODE_FAST);
  options.draft = BALEEN_DRAFT_MODEL;
  options.draft_limit = 1;
  const Session session = MakeSession(SharedPocket(), options);
  Append(session, LongPrompt(60));
  const baleen_sampling greedy = Greedy();
  for (int i = 0; i < 60; ++i) {
    std::array<baleen_token, kRoom> some;
    size_t got = 0;
    EXPECT_OK(baleen_session_step(session.get(), &greedy, some.data(), kRoom,
                                  &got, &last_error));
    EXPECT_LE(got, 2u);
  }
}

// Penalties and biases look back at the tokens, guesses among them.
TEST_P(SpeculationTest, SameTokensWithPenaltiesAndBiases) {
  const baleen_token_bias biases[] = {{300, 2.0f}, {17, -INFINITY}};
  baleen_sampling sampling = Warm();
  sampling.repeat_penalty = 1.3f;
  sampling.repeat_window = 20;
  sampling.biases = biases;
  sampling.bias_count = 2;
  const Session plain = Guessing(BALEEN_DRAFT_OFF, mode());
  const Session guessing = Guessing(draft(), mode());
  Append(plain, LongPrompt(80));
  Append(guessing, LongPrompt(80));
  EXPECT_EQ(GenerateAhead(guessing, 60, sampling),
            Generate(plain, 60, sampling));
}

TEST(Speculation, AHostThatEditsLogitsHearsOfEachTokenFirst) {
  baleen_sampling sampling = Greedy();
  sampling.edit = [](void*, float* logits, size_t) { logits[5] = -INFINITY; };
  const Session session = Guessing(BALEEN_DRAFT_MODEL);
  Append(session, LongPrompt(60));
  for (int i = 0; i < 20; ++i) {
    std::array<baleen_token, kRoom> some;
    size_t got = 0;
    EXPECT_OK(baleen_session_step(session.get(), &sampling, some.data(), kRoom,
                                  &got, &last_error));
    EXPECT_EQ(got, 1u);
  }
  EXPECT_EQ(Stats(session).drafted_tokens, 0u);
}

// A full session ends at the same token.
TEST_P(SpeculationTest, NoGuessGoesBeyondTheCapacity) {
  baleen_session_options options = SessionOptions(mode());
  options.capacity = 131;
  options.draft = draft();
  const Session session = MakeSession(SharedPocket(), options);
  Append(session, LongPrompt(70));
  const baleen_sampling greedy = Greedy();
  std::array<baleen_token, kRoom> some;
  baleen_status status = BALEEN_OK;
  while (status == BALEEN_OK) {
    size_t got = 0;
    status = baleen_session_step(session.get(), &greedy, some.data(), kRoom,
                                 &got, &last_error);
  }
  EXPECT_EQ(status, BALEEN_SESSION_FULL);
  EXPECT_EQ(TokensOf(session).size(), 131u);
  const Session plain = Guessing(BALEEN_DRAFT_OFF, mode());
  Append(plain, LongPrompt(70));
  Generate(plain, 61);
  EXPECT_EQ(TokensOf(session), TokensOf(plain));
}

struct Heard {
  std::string text;
  size_t pieces = 0;
  size_t stop_after = SIZE_MAX;
};

int32_t Hear(void* user, const baleen_piece* piece) {
  auto* heard = static_cast<Heard*>(user);
  heard->text.append(piece->text, piece->text_size);
  return ++heard->pieces >= heard->stop_after ? 1 : 0;
}

// Generation ends after the same token, whatever ends it, and what was guessed
// behind it is gone.
TEST_P(SpeculationTest, GenerationEndsAtTheSameToken) {
  const baleen_sampling greedy = Greedy();
  const char* const stops[] = {" the "};
  for (const int reason : {0, 1, 2}) {
    Tokens tokens[2];
    std::vector<float> logits[2];
    std::string text[2];
    for (const int guesses : {0, 1}) {
      const Session session =
          Guessing(guesses == 1 ? draft() : BALEEN_DRAFT_OFF, mode());
      Append(session, LongPrompt(120));
      Heard heard;
      baleen_generation generation = {};
      generation.struct_size = sizeof generation;
      generation.sampling = &greedy;
      generation.on_piece = Hear;
      generation.user_data = &heard;
      generation.max_tokens = 90;
      // Enough of it first that guesses are made and come true.
      baleen_finish finish = BALEEN_FINISH_NONE;
      EXPECT_OK(baleen_session_generate(session.get(), &generation, &finish,
                                        &last_error));
      EXPECT_EQ(finish, BALEEN_FINISH_LIMIT);
      if (reason == 1) {
        generation.stops = stops;
        generation.stop_count = 1;
      }
      if (reason == 2) heard.stop_after = heard.pieces + 6;
      EXPECT_OK(baleen_session_generate(session.get(), &generation, &finish,
                                        &last_error));
      tokens[guesses] = TokensOf(session);
      logits[guesses] = Logits(session);
      text[guesses] = heard.text;
      EXPECT_EQ(Stats(session).generated_tokens, tokens[guesses].size() - 120);
    }
    EXPECT_EQ(tokens[0], tokens[1]) << "reason " << reason;
    EXPECT_EQ(logits[0], logits[1]) << "reason " << reason;
    EXPECT_EQ(text[0], text[1]) << "reason " << reason;
  }
}

// What 400 seeds draw at one place of a text that repeats itself, with a guess
// each time: the same one, since it depends on no random number.
struct Drawn {
  std::vector<size_t> first;
  std::vector<size_t> second;  // Behind a guess that was accepted.
  size_t guess = 0;
  std::vector<double> chances;         // At that place,
  std::vector<double> second_chances;  // and behind the guess.
};

constexpr size_t kSeeds = 400;

Drawn DrawWithGuesses(baleen_draft draft) {
  constexpr size_t kRead = 46;  // Tokens of the repetition that are read.
  constexpr size_t kForced = 3;
  const Tokens text = LongPrompt(100);
  Tokens prompt = text;
  prompt.insert(prompt.end(), text.begin() + 1, text.begin() + kRead);
  // Which all others begin with, sooner than by reading.
  const Session first = Guessing(BALEEN_DRAFT_OFF);
  Append(first, prompt);
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = 1;
  sampling.top_p = 1;
  Drawn drawn;
  for (size_t seed = 1; seed <= kSeeds; ++seed) {
    const Session session = Guessing(draft, BALEEN_MODE_FAST, seed);
    Append(session, prompt);
    // Plain steps to tokens that are known, for what a step costs.
    baleen_token token = -1;
    size_t got = 0;
    for (size_t i = 0; i < kForced; ++i) {
      const baleen_token_bias bias = {text[kRead + i], 1e4f};
      baleen_sampling forced = sampling;
      forced.biases = &bias;
      forced.bias_count = 1;
      EXPECT_OK(baleen_session_step(session.get(), &forced, &token, 1, &got,
                                    &last_error));
      EXPECT_EQ(token, text[kRead + i]);
    }
    std::array<baleen_token, 2> some = {-1, -1};
    EXPECT_OK(baleen_session_step(session.get(), &sampling, some.data(), 2,
                                  &got, &last_error));
    const baleen_session_stats stats = Stats(session);
    EXPECT_EQ(stats.drafted_tokens, 1u);
    EXPECT_EQ(got, 1 + stats.accepted_tokens);
    drawn.first.push_back(static_cast<size_t>(some[0]));
    if (got < 2) continue;
    if (drawn.second.empty()) drawn.guess = drawn.first.back();
    EXPECT_EQ(drawn.first.back(), drawn.guess);
    drawn.second.push_back(static_cast<size_t>(some[1]));
  }
  const Session reference = MakeSession();
  prompt.insert(prompt.end(), text.begin() + kRead,
                text.begin() + kRead + kForced);
  Append(reference, prompt);
  drawn.chances = Chances(Logits(reference));
  Append(reference, {static_cast<baleen_token>(drawn.guess)});
  drawn.second_chances = Chances(Logits(reference));
  return drawn;
}

class AcceptanceTest : public testing::TestWithParam<baleen_draft> {};

INSTANTIATE_TEST_SUITE_P(Drafts, AcceptanceTest,
                         testing::Values(BALEEN_DRAFT_LOOKUP,
                                         BALEEN_DRAFT_MODEL));

// A guess that is certain is accepted with the chance sum min(p, q) = p(guess):
// as often as the model chooses it, within four standard deviations.  What is
// chosen follows the model's chances, guess or no guess, and so does what is
// chosen behind a guess that came true.
TEST_P(AcceptanceTest, IsTheChanceOfTheGuess) {
  const Drawn drawn = DrawWithGuesses(GetParam());
  const size_t accepted = drawn.second.size();
  ASSERT_GT(accepted, 100u);
  EXPECT_EQ(static_cast<size_t>(std::count(drawn.first.begin(),
                                           drawn.first.end(), drawn.guess)),
            accepted);
  const double p = drawn.chances[drawn.guess];
  EXPECT_NEAR(static_cast<double>(accepted) / kSeeds, p,
              FourDeviations(p, kSeeds));
  EXPECT_LT(ChiSquare5(drawn.chances, drawn.first), kChiSquare5);
  EXPECT_LT(ChiSquare5(drawn.second_chances, drawn.second), kChiSquare5);
}

}  // namespace
}  // namespace baleen_test
