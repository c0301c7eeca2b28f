// Several sessions in one pass; and that LeakSanitizer finds what is forgotten.
#include "gtest/gtest.h"
#include "pocket.h"

namespace {

using baleen::Session;
using baleen::Status;
using baleen::Step;
using baleen::Stepped;
using baleen::Token;

Session Private(uint64_t capacity = 0) {
  baleen::SessionOptions options;
  options.is_private = true;
  options.capacity = capacity;
  return PocketModel().NewSession(options);
}

TEST(StepManyTest, TogetherAsAlone) {
  constexpr size_t kTokens = 8;
  std::vector<std::vector<Token>> inputs = {Prompt(300), Prompt(20)};
  std::vector<Session> sessions;
  std::vector<std::vector<Token>> alone;
  for (const std::vector<Token>& input : inputs) {
    Session session = Private();
    session.Append(input);
    std::vector<Token> tokens;
    Token room = 0;
    while (tokens.size() < kTokens) {
      tokens.push_back(session.Step(baleen::Sampling::Greedy(), {&room, 1})[0]);
    }
    alone.push_back(tokens);
    sessions.push_back(Private());
  }
  std::vector<std::vector<Token>> together(inputs.size());
  while (together[0].size() < kTokens || together[1].size() < kTokens) {
    std::vector<Step> steps;
    for (size_t i = 0; i < inputs.size(); ++i) {
      steps.push_back({&sessions[i], inputs[i], baleen::Sampling::Greedy()});
    }
    const std::vector<Stepped> stepped = baleen::StepMany(steps);
    for (size_t i = 0; i < inputs.size(); ++i) {
      ASSERT_FALSE(stepped[i].error);
      inputs[i].erase(
          inputs[i].begin(),
          inputs[i].begin() + static_cast<ptrdiff_t>(stepped[i].input_done));
      together[i].insert(together[i].end(), stepped[i].tokens.begin(),
                         stepped[i].tokens.end());
    }
  }
  for (std::vector<Token>& tokens : together) tokens.resize(kTokens);
  EXPECT_EQ(together, alone);
}

TEST(StepManyTest, EachHasItsOwnFate) {
  Session full = Private(4);
  full.Append(Prompt(4));
  Session cancelled = Private();
  cancelled.Append(Prompt(4));
  cancelled.canceller().Cancel();
  Session fine = Private();
  Session reads = Private();
  const std::vector<Token> input = Prompt(9);
  const std::vector<Stepped> stepped =
      baleen::StepMany({{&full},
                        {&cancelled},
                        {&fine, input, {}, 1, true},
                        {&reads, input, {}, 0}});
  EXPECT_EQ(stepped[0].error.status(), Status::kSessionFull);
  EXPECT_NE(std::string(stepped[0].error.what()).find("SESSION_FULL"),
            std::string::npos);
  EXPECT_EQ(stepped[1].error.status(), Status::kCancelled);
  EXPECT_FALSE(stepped[2].error);
  EXPECT_EQ(stepped[2].input_done, 9u);
  ASSERT_EQ(stepped[2].tokens.size(), 1u);
  EXPECT_EQ(stepped[2].scores.at(0).token, stepped[2].tokens[0]);
  EXPECT_LT(stepped[2].scores[0].log_probability, 0);
  EXPECT_EQ(stepped[3].input_done, 9u);
  EXPECT_TRUE(stepped[3].tokens.empty());
  // A cancel counts for one call.
  EXPECT_FALSE(baleen::StepMany({{&cancelled}})[0].error);
  EXPECT_TRUE(baleen::StepMany({}).empty());
  // What cannot begin fails as a whole.
  EXPECT_EQ(StatusOf([&] {
              baleen::StepMany({{&fine}, {nullptr}});
            }),
            Status::kInvalidArgument);
  Session moved = std::move(fine);
  EXPECT_EQ(StatusOf([&] { baleen::StepMany({{&fine}}); }),
            Status::kInvalidArgument);
}

TEST(StepManyTest, ExceptionsComeOut) {
  Session session = Private();
  session.Append(Prompt(4));
  baleen::Sampling sampling;
  sampling.edit = [](baleen::Span<float>) { throw std::string("no grammar"); };
  EXPECT_THROW(baleen::StepMany({{&session, {}, sampling}}), std::string);
  EXPECT_FALSE(baleen::StepMany({{&session}})[0].error);
}

// Run under LeakSanitizer alone, which must find some of these; not all, since
// the end of one block may be the beginning of another.  They have no threads,
// which would know of them.
TEST(LeakTest, DISABLED_Forgets) {
  baleen::ContextOptions options;
  options.thread_count = 1;
  for (int i = 0; i < 8; ++i) {
    const auto* forgotten = new baleen::Context(options);
    EXPECT_TRUE(*forgotten);
  }
}

}  // namespace
