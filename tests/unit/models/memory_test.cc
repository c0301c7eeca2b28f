// Memory of sessions and steps: to the byte what Need says, and all given back.
#include <gtest/gtest.h>

#include <cstring>

#include "unit/models/golden.h"
#include "unit/models/test_model.h"

namespace baleen::test {
namespace {

// Tokens that the tiny and pocket models know.
std::vector<baleen_token> Tokens(size_t count) {
  std::vector<baleen_token> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<baleen_token>(i * 7 % 500));
  }
  return tokens;
}

class MemoryTest : public testing::TestWithParam<const char*> {};

TEST_P(MemoryTest, NeedIsExact) {
  for (const baleen_mode mode : {BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE}) {
    for (const auto& [capacity, rows] :
         {std::pair<int64_t, int64_t>{30, 8}, {300, 256}, {1100, 256}}) {
      TestModel model(GetParam());
      const uint64_t before = model.memory().bytes();
      Result<MemoryNeed> need = model.model().Need(mode, capacity, rows);
      Expect(need.status());
      EXPECT_EQ(model.memory().bytes(), before);
      EXPECT_EQ(need->session_device, 0u);
      EXPECT_EQ(need->scratch_device, 0u);
      const std::vector<baleen_token> tokens =
          Tokens(static_cast<size_t>(capacity));
      uint64_t during = 0;
      {
        Timeline timeline(model.model(), mode);
        timeline.Append(tokens, rows);
        during = model.memory().bytes();
        EXPECT_EQ(during - before, need->session_host + need->scratch_host)
            << "mode " << mode << " capacity " << capacity;
      }
      EXPECT_EQ(model.memory().bytes(), during - need->session_host);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, MemoryTest,
                         testing::Values("tiny_v4", "pocket"));

TEST(StateTest, SharesWhatIsComplete) {
  TestModel model("tiny_v4");
  const std::vector<baleen_token> tokens = Tokens(700);
  Timeline timeline(model.model(), BALEEN_MODE_FAST);
  timeline.Append(tokens);
  const uint64_t alone = timeline.state().byte_count();
  EXPECT_EQ(timeline.state().shared_byte_count(), 0u);
  Timeline fork = timeline.Fork();
  EXPECT_EQ(fork.state().byte_count(), alone);
  // Two of three pages are complete.
  const uint64_t shared = fork.state().shared_byte_count();
  EXPECT_GT(shared, 0u);
  EXPECT_EQ(timeline.state().shared_byte_count(), shared);
  // What is written to becomes the writer's own.
  fork.Truncate(300);
  EXPECT_EQ(fork.state().shared_byte_count(), shared);
  fork.Append(Tokens(1));
  EXPECT_EQ(fork.state().shared_byte_count(), shared / 2);
  fork.Truncate(0);
  EXPECT_EQ(fork.state().shared_byte_count(), 0u);
}

TEST(StateTest, RefusesLengthsBeyondTheModel) {
  TestModel model("tiny_v4");
  for (const int64_t length : {int64_t{-1}, int64_t{1} << 40}) {
    Result<StatePointer> state = model.model().CreateState();
    Expect(state.status());
    EXPECT_EQ((*state)->StartLoad(length).code(), BALEEN_CORRUPT) << length;
    EXPECT_EQ((*state)->byte_count(), 0u);
  }
}

// Windows that are kept are counted, shared by forks and given back, and Need
// says what they take.
TEST(StateTest, WindowsAreCounted) {
  TestModel model("tiny_v4");
  const std::vector<baleen_token> tokens = Tokens(1100);
  const uint64_t before = model.memory().bytes();
  Result<MemoryNeed> need = model.model().Need(BALEEN_MODE_FAST, 1100, 256);
  Expect(need.status());
  uint64_t plain = 0;
  {
    Timeline timeline(model.model(), BALEEN_MODE_FAST);
    timeline.Append(tokens);
    plain = timeline.state().byte_count();
  }
  const uint64_t scratch = model.memory().bytes() - before;
  {
    Timeline timeline(model.model(), BALEEN_MODE_FAST);
    timeline.state().KeepWindowsEach(128);
    timeline.Append(tokens, 128);
    timeline.state().ReserveWindow();
    timeline.state().KeepWindowAt(1099);
    EXPECT_EQ(timeline.state().KeptWindows().size(), 9u);
    const uint64_t windows = timeline.state().byte_count() - plain;
    EXPECT_EQ(windows, 8 * timeline.state().WindowBytes(128) +
                           timeline.state().WindowBytes(255));
    EXPECT_EQ(model.memory().bytes() - before - scratch,
              need->session_host + model.model().WindowNeed(1100, 128, true));
    Timeline fork = timeline.Fork();
    EXPECT_GE(fork.state().shared_byte_count(), windows);
    fork.Truncate(300);
    EXPECT_EQ(fork.state().KeptWindows().size(), 2u);
  }
  EXPECT_EQ(model.memory().bytes() - before, scratch);
}

TEST(StepTest, RefusesWhatCannotBe) {
  TestModel model("tiny_v4");
  Timeline timeline(model.model(), BALEEN_MODE_FAST);
  timeline.Append(Tokens(10));
  const std::vector<baleen_token> tokens = Tokens(300);
  const auto step = [&](StepPart part) {
    return model.model()
        .Step(BALEEN_MODE_FAST, std::span<const StepPart>(&part, 1), nullptr,
              nullptr)
        .code();
  };
  StepPart part;
  part.state = &timeline.state();
  part.position = 10;
  EXPECT_EQ(step(part), BALEEN_INVALID_ARGUMENT);  // No tokens.
  part.tokens = std::span<const baleen_token>(tokens).first(2);
  part.position = 11;
  EXPECT_EQ(step(part), BALEEN_INVALID_ARGUMENT);  // A gap.
  part.position = 10;
  part.output_count = 3;
  EXPECT_EQ(step(part), BALEEN_INVALID_ARGUMENT);
  part.output_count = 0;
  part.tokens = tokens;
  EXPECT_EQ(step(part), BALEEN_INVALID_ARGUMENT);  // Over RowLimit.
  const baleen_token unknown = 512;
  part.tokens = std::span<const baleen_token>(&unknown, 1);
  EXPECT_EQ(step(part), BALEEN_INVALID_ARGUMENT);
  part.tokens = std::span<const baleen_token>(tokens).first(1);
  const StepPart twice[] = {part, part};
  EXPECT_EQ(
      model.model().Step(BALEEN_MODE_FAST, twice, nullptr, nullptr).code(),
      BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(step(part), BALEEN_OK);
}

// A model of a configuration alone counts, and takes the memory of its sessions.
TEST(ShapesOnlyTest, CountsAndTakesMemory) {
  ModelOptions options;
  options.shapes_only = true;
  TestModel shapes("tiny_v4", options);
  TestModel real("tiny_v4");
  EXPECT_EQ(shapes.model().info().layer_count, 4u);
  EXPECT_EQ(shapes.model().info().weight_bytes,
            real.model().info().weight_bytes);
  EXPECT_EQ(shapes.model().drafter(), nullptr);
  Result<MemoryNeed> wanted = real.model().Need(BALEEN_MODE_FAST, 5000, 256);
  Result<MemoryNeed> need = shapes.model().Need(BALEEN_MODE_FAST, 5000, 256);
  Expect(wanted.status());
  Expect(need.status());
  EXPECT_EQ(need->session_host, wanted->session_host);
  EXPECT_EQ(need->scratch_host, wanted->scratch_host);

  const uint64_t before = shapes.memory().bytes();
  Result<StatePointer> state = shapes.model().CreateState();
  Expect(state.status());
  const std::vector<baleen_token> tokens = Tokens(250);
  StepPart part;
  part.state = state->get();
  part.tokens = tokens;
  for (int i = 0; i < 20; ++i) {
    part.position = (*state)->length();
    part.frozen = part.position;
    Expect(shapes.model().Step(BALEEN_MODE_FAST,
                               std::span<const StepPart>(&part, 1), nullptr,
                               nullptr));
  }
  EXPECT_EQ((*state)->length(), 5000);
  EXPECT_EQ(shapes.memory().bytes() - before, need->session_host);
  part.position = 5000;
  part.output_count = 1;
  std::vector<float> logits(shapes.vocabulary());
  EXPECT_EQ(shapes.model()
                .Step(BALEEN_MODE_FAST, std::span<const StepPart>(&part, 1),
                      nullptr, logits.data())
                .code(),
            BALEEN_UNSUPPORTED);
}

TEST(ModelTest, TellsWhatItIs) {
  TestModel pocket("pocket");
  const baleen_model_info& info = pocket.model().info();
  EXPECT_EQ(info.vocabulary_size, 2048u);
  EXPECT_EQ(info.window_layer_count, 1u);
  EXPECT_EQ(info.csa_layer_count, 2u);
  EXPECT_EQ(info.hca_layer_count, 1u);
  EXPECT_EQ(info.draft_layer_count, 1u);
  EXPECT_STREQ(info.architecture, "deepseek_v4");
  EXPECT_STREQ(info.drafter, "mtp");
  EXPECT_STREQ(info.name, "pocket");
  EXPECT_EQ(info.parameter_count, 10115778u);  // MODEL_CARD.md
  TestModel dspark("tiny_v4_dspark");
  EXPECT_STREQ(dspark.model().info().drafter, "dspark");
  EXPECT_EQ(dspark.model().info().draft_layer_count, 3u);
  EXPECT_NE(pocket.model().fingerprint(), dspark.model().fingerprint());
  TestModel again("pocket");
  EXPECT_EQ(pocket.model().fingerprint(), again.model().fingerprint());
}

TEST(ModelTest, TracesOperators) {
  TestModel model("tiny_v4");
  Trace trace;
  model.model().SetTrace(&trace);
  Timeline timeline(model.model(), BALEEN_MODE_FAST);
  timeline.Append(Tokens(20));
  model.model().SetTrace(nullptr);
  EXPECT_EQ(trace.operators[BALEEN_OP_EMBED].calls, 1u);
  EXPECT_EQ(trace.operators[BALEEN_OP_ROUTER].calls, 4u);
  EXPECT_EQ(trace.operators[BALEEN_OP_MHC_BOUNDARY].calls, 8u);
  EXPECT_GT(trace.TotalNanoseconds(), 0u);
  const uint64_t calls = trace.operators[BALEEN_OP_HEAD].calls;
  timeline.Append(Tokens(1));
  EXPECT_EQ(trace.operators[BALEEN_OP_HEAD].calls, calls);
}

}  // namespace
}  // namespace baleen::test
