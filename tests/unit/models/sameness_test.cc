// The same bits every time: a row's logits depend on its tokens and mode, not on
// how a prompt was cut, how many threads there were, what was forked, saved or
// computed again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "unit/models/golden.h"
#include "unit/models/test_model.h"

namespace baleen::test {
namespace {

std::vector<int32_t> PocketTokens() {
  return Golden("pocket/golden/golden.safetensors").Integers("ids");
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class SamenessTest : public testing::TestWithParam<baleen_mode> {
 protected:
  // What comes after all tokens, in one go.
  std::vector<float> Plain(Model& model, std::span<const int32_t> tokens) {
    return Timeline(model, GetParam()).Append(tokens);
  }
};

TEST_P(SamenessTest, AnyChunks) {
  TestModel model("pocket");
  const std::vector<int32_t> tokens = PocketTokens();
  // 700 is more than a step takes, so it is as whole as a prompt gets; 300 of
  // them are enough for the slow small ones.
  const auto first = std::span<const int32_t>(tokens).first(300);
  const std::vector<float> all =
      Timeline(model.model(), GetParam()).AppendAll(first);
  for (const int64_t chunk : {1, 3, 16, 37, 128}) {
    EXPECT_TRUE(SameBits(
        all, Timeline(model.model(), GetParam()).AppendAll(first, chunk)))
        << "chunks of " << chunk;
  }
  const std::vector<float> last = Plain(model.model(), tokens);
  for (const int64_t chunk : {37, 128, 700}) {
    EXPECT_TRUE(SameBits(
        last, Timeline(model.model(), GetParam()).Append(tokens, chunk)))
        << "chunks of " << chunk;
  }
}

TEST_P(SamenessTest, AnyThreads) {
  const std::vector<int32_t> tokens = PocketTokens();
  const auto first = std::span<const int32_t>(tokens).first(300);
  std::vector<std::vector<float>> results;
  for (const uint32_t threads : {1u, 2u, 3u}) {
    ModelOptions options;
    options.threads = threads;
    TestModel model("pocket", options);
    results.push_back(Timeline(model.model(), GetParam()).AppendAll(first));
  }
  EXPECT_TRUE(SameBits(results[0], results[1]));
  EXPECT_TRUE(SameBits(results[0], results[2]));
}

TEST_P(SamenessTest, InOneStepWithOthers) {
  TestModel model("pocket");
  const std::vector<int32_t> tokens = PocketTokens();
  const auto all = std::span<const int32_t>(tokens);
  const size_t vocabulary = model.vocabulary();
  std::vector<float> alone;
  std::vector<StatePointer> states;
  std::vector<StepPart> parts;
  const size_t lengths[] = {1, 70, 130, 9};
  for (const size_t length : lengths) {
    Timeline timeline(model.model(), GetParam());
    const std::vector<float> logits = timeline.Append(all.last(length));
    alone.insert(alone.end(), logits.begin(), logits.end());
    Result<StatePointer> state = model.model().CreateState();
    Expect(state.status());
    states.push_back(*std::move(state));
    StepPart part;
    part.state = states.back().get();
    part.tokens = all.last(length);
    part.output_count = 1;
    parts.push_back(part);
  }
  std::vector<float> together(alone.size());
  Expect(model.model().Step(GetParam(), parts, nullptr, together.data()));
  EXPECT_TRUE(SameBits(alone, together));
  EXPECT_EQ(alone.size(), 4 * vocabulary);
}

TEST_P(SamenessTest, AfterForks) {
  TestModel model("pocket");
  const std::vector<int32_t> tokens = PocketTokens();
  const auto all = std::span<const int32_t>(tokens);
  const std::vector<float> wanted = Plain(model.model(), all.first(400));
  // In the middle of a page and of all groups, at an end of all, and early.
  for (const size_t length : {size_t{333}, size_t{256}, size_t{2}}) {
    Timeline timeline(model.model(), GetParam());
    timeline.Append(all.first(length));
    Timeline fork = timeline.Fork();
    // The first goes elsewhere meanwhile.
    timeline.Append(all.last(150));
    EXPECT_TRUE(
        SameBits(wanted, fork.Append(all.subspan(length, 400 - length))))
        << "fork at " << length;
    // And nothing of the fork got into it.
    std::vector<int32_t> other(all.begin(),
                               all.begin() + static_cast<ptrdiff_t>(length));
    other.insert(other.end(), all.end() - 150, all.end());
    other.push_back(5);
    const int32_t last = 5;
    EXPECT_TRUE(SameBits(Plain(model.model(), other),
                         timeline.Append(std::span<const int32_t>(&last, 1))));
  }
}

TEST_P(SamenessTest, SavedAndLoaded) {
  TestModel model("pocket");
  const std::vector<int32_t> tokens = PocketTokens();
  const auto all = std::span<const int32_t>(tokens);
  const std::vector<float> wanted = Plain(model.model(), all.first(500));
  for (const size_t length :
       {size_t{1}, size_t{131}, size_t{256}, size_t{447}}) {
    Timeline timeline(model.model(), GetParam());
    timeline.Append(all.first(length));
    const std::vector<char> bytes = timeline.Save();
    Timeline loaded(model.model(), GetParam());
    loaded.Load(bytes, all.first(length));
    EXPECT_EQ(loaded.Save(), bytes);
    EXPECT_TRUE(
        SameBits(wanted, loaded.Append(all.subspan(length, 500 - length))))
        << "saved at " << length;
  }
}

TEST_P(SamenessTest, TruncatedAndReplayed) {
  TestModel model("pocket");
  const std::vector<int32_t> tokens = PocketTokens();
  const auto all = std::span<const int32_t>(tokens);
  Timeline timeline(model.model(), GetParam());
  timeline.Append(all);
  // Lengths that need nothing, a window, or all; each from where the one before
  // left the state.
  for (const size_t length :
       {size_t{699}, size_t{692}, size_t{688}, size_t{640}, size_t{600},
        size_t{513}, size_t{512}, size_t{300}, size_t{129}, size_t{128},
        size_t{5}, size_t{0}}) {
    timeline.Truncate(length);
    EXPECT_LE(timeline.replay_from(), static_cast<int64_t>(length));
    const size_t end = std::min(length + 60, tokens.size());
    const std::vector<float> logits =
        timeline.Append(all.subspan(length, end - length), 50);
    EXPECT_TRUE(SameBits(Plain(model.model(), all.first(end)), logits))
        << "truncated to " << length;
  }
}

// Far from the beginning, where the replay begins in the middle.
TEST_P(SamenessTest, TruncatedInALongText) {
  TestModel model("pocket");
  std::vector<int32_t> tokens = PocketTokens();
  while (tokens.size() < 2100) {
    tokens.insert(tokens.end(), tokens.begin() + 1, tokens.begin() + 701 - 1);
  }
  const auto all = std::span<const int32_t>(tokens);
  Timeline timeline(model.model(), GetParam());
  timeline.Append(all.first(2100));
  for (const size_t length : {size_t{1500}, size_t{1283}, size_t{1024}}) {
    Timeline fork = timeline.Fork();
    fork.Truncate(length);
    EXPECT_GT(fork.replay_from(), 0);
    const std::vector<float> logits = fork.Append(all.subspan(length, 40), 100);
    EXPECT_TRUE(SameBits(Plain(model.model(), all.first(length + 40)), logits))
        << "truncated to " << length;
  }
}

TEST_P(SamenessTest, CancelledAndDoneAgain) {
  TestModel model("pocket");
  const std::vector<int32_t> tokens = PocketTokens();
  const auto all = std::span<const int32_t>(tokens);
  const std::vector<float> wanted = Plain(model.model(), all.first(560));
  Timeline timeline(model.model(), GetParam());
  timeline.Append(all.first(500));
  const std::atomic<bool> cancel{true};
  StepPart part;
  part.state = &timeline.state();
  part.tokens = all.subspan(500, 60);
  part.position = 500;
  part.frozen = 500;
  EXPECT_EQ(model.model()
                .Step(GetParam(), std::span<const StepPart>(&part, 1), &cancel,
                      nullptr)
                .code(),
            BALEEN_CANCELLED);
  EXPECT_EQ(timeline.state().length(), 500);
  timeline.Truncate(500);
  EXPECT_TRUE(SameBits(wanted, timeline.Append(all.subspan(500, 60))));
}

std::string ModeName(const testing::TestParamInfo<baleen_mode>& param) {
  return param.param == BALEEN_MODE_FAST ? "fast" : "reference";
}

INSTANTIATE_TEST_SUITE_P(Modes, SamenessTest,
                         testing::Values(BALEEN_MODE_REFERENCE,
                                         BALEEN_MODE_FAST),
                         ModeName);

}  // namespace
}  // namespace baleen::test
