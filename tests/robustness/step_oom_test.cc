// The k-th allocation fails, for every k, while sessions guess ahead and are
// stepped together: whoever it hits says so and goes on when asked again, the
// others do not notice, and the tokens are the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "robustness/allocator.h"
#include "robustness/pocket.h"

namespace baleen_test {
namespace {

using Tokens = std::vector<baleen_token>;

constexpr size_t kSessions = 3;
constexpr size_t kChosen = 14;

struct Outcome {
  Tokens tokens[kSessions];
  std::vector<float> logits[kSessions];
  bool operator==(const Outcome&) const = default;
};

// Sessions of a new model, so that passes are built as well.
class Program {
 public:
  explicit Program(TestAllocator* allocator) : allocator_(allocator) {
    options_ = ContextOptions();
    options_.allocator = allocator->hooks();
    options_.thread_count = 1;
    context_ = MakeContext(&options_);
    model_ = LoadPocket(context_.get());
    prompt_ = Prompt(model_.get(), 40);
    // Something to look up.
    prompt_.insert(prompt_.end(), prompt_.begin() + 10, prompt_.begin() + 30);
    for (SessionPointer& session : sessions_) {
      baleen_session_options options = SessionOptions();
      options.seed = 7;
      session = MakeSession(model_.get(), &options);
    }
  }

  // Whether there were as many allocations as that.
  bool failed() const { return failed_; }

  Outcome Run(int64_t k) {
    allocator_->FailAt(k);
    StepTogether();
    for (size_t i = 0; i < kSessions; ++i) GuessAhead(sessions_[i].get(), i);
    failed_ = allocator_->failed();
    allocator_->FailAt(0);
    Outcome outcome;
    for (size_t i = 0; i < kSessions; ++i) {
      outcome.tokens[i] = TokensOf(i);
      outcome.logits[i] = Logits(sessions_[i].get());
    }
    return outcome;
  }

 private:
  Tokens TokensOf(size_t i) const {
    size_t count = 0;
    const baleen_token* tokens =
        baleen_session_tokens(sessions_[i].get(), &count);
    return {tokens, tokens + count};
  }
  size_t PromptOf(size_t i) const { return prompt_.size() - 7 * i; }

  // It has failed once, and this is what became of it.
  void ExpectTheFailure(baleen_status status) {
    EXPECT_EQ(status, BALEEN_OUT_OF_MEMORY);
    EXPECT_TRUE(allocator_->failed());
    ++failures_;
    EXPECT_EQ(failures_, 1);
  }

  // Each reads its prompt and chooses two tokens.
  void StepTogether() {
    for (int calls = 0; calls < 20; ++calls) {
      std::vector<baleen_step> steps;
      baleen_token tokens[kSessions] = {};
      for (size_t i = 0; i < kSessions; ++i) {
        const size_t size = TokensOf(i).size();
        if (size == PromptOf(i) + 2) continue;
        baleen_step step = {};
        step.session = sessions_[i].get();
        if (size < PromptOf(i)) {
          step.input = prompt_.data() + size;
          step.input_count = PromptOf(i) - size;
        }
        step.tokens = &tokens[i];
        step.capacity = 1;
        steps.push_back(step);
      }
      if (steps.empty()) return;
      const baleen_status status =
          baleen_session_step_many(steps.data(), steps.size(), nullptr);
      if (status != BALEEN_OK) {
        ExpectTheFailure(status);
        continue;
      }
      for (const baleen_step& step : steps) {
        if (step.status != BALEEN_OK) ExpectTheFailure(step.status);
      }
    }
    ADD_FAILURE() << "some session never came to its end";
  }

  void GuessAhead(baleen_session* session, size_t i) {
    const size_t end = PromptOf(i) + 2 + kChosen;
    for (size_t size = TokensOf(i).size(); size < end;) {
      constexpr size_t kRoom = 9;
      baleen_token tokens[kRoom] = {};
      size_t count = 0;
      const baleen_status status =
          baleen_session_step(session, nullptr, tokens,
                              std::min(kRoom, end - size), &count, nullptr);
      if (status != BALEEN_OK) ExpectTheFailure(status);
      size = TokensOf(i).size();
    }
  }

  TestAllocator* allocator_;
  baleen_context_options options_;
  ContextPointer context_;
  ModelPointer model_;
  Tokens prompt_;
  SessionPointer sessions_[kSessions];
  int failures_ = 0;
  bool failed_ = false;
};

TEST(StepOutOfMemoryTest, EveryAllocationMayFail) {
  TestAllocator allocator;
  const Outcome whole = Program(&allocator).Run(0);
  // Passes are built by hundreds of allocations that are all alike; what a step
  // itself allocates comes before and behind them.
  constexpr int64_t kStride = 7;
  bool failed = true;
  int64_t tried = 0;
  for (int64_t k = 1; failed && !testing::Test::HasFailure();
       k += k < 60 ? 1 : kStride) {
    {
      Program program(&allocator);
      EXPECT_TRUE(program.Run(k) == whole) << "k " << k;
      failed = program.failed();
    }
    ++tried;
    EXPECT_EQ(allocator.bytes(), 0) << "a leak, k " << k;
    EXPECT_EQ(allocator.mistakes(), 0) << allocator.last_mistake();
  }
  EXPECT_GT(tried, 60);
}

}  // namespace
}  // namespace baleen_test
