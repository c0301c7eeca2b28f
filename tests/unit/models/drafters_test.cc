// The MTP block and the DSpark drafter against golden data.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/models/golden.h"
#include "unit/models/test_model.h"

namespace baleen::test {
namespace {

constexpr size_t kPrefill = 261;

// Of the setting cpu.isa: the definition of the operators, and the best.
class MtpTest : public testing::TestWithParam<const char*> {};
class DsparkTest : public testing::TestWithParam<const char*> {};

std::string IsaName(const testing::TestParamInfo<const char*>& info) {
  return info.param[0] == '\0' ? "best" : info.param;
}

// Streams after the last of `layers` layers, of all tokens.
std::vector<uint16_t> LastStreams(const Golden& golden, int32_t layers) {
  const std::string name = "layer" + std::to_string(layers - 1) + "_out";
  std::vector<uint16_t> all = golden.Bf16("prefill_" + name);
  const std::vector<uint16_t> rest = golden.Bf16("decode_" + name);
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

// Bound: with the golden streams given there is one block between them and the
// logits, in which an independent implementation was 7e-4 away.
TEST_P(MtpTest, FollowsTheGoldenLogits) {
  constexpr double kLogitsL2 = 1e-2;
  ModelOptions options;
  options.isa = GetParam();
  TestModel model("tiny_v4", options);
  const Golden golden("tiny_v4/golden.safetensors");
  const std::vector<int32_t> ids = golden.Integers("ids");
  const std::vector<uint16_t> streams =
      LastStreams(golden, model.v4().config().layers);
  const size_t row_size = streams.size() / ids.size();
  // No layers are run: the block needs a state that has the positions.
  Result<StatePointer> state = model.model().CreateState();
  Expect(state.status());
  const int32_t layers = model.v4().config().layers;
  for (size_t first = 0; first < kPrefill + 1; first += 131) {
    StepPart part;
    part.state = state->get();
    part.tokens = std::span<const int32_t>(ids).subspan(first, 131);
    part.position = static_cast<int64_t>(first);
    part.frozen = part.position;
    std::vector<uint16_t> rows(
        streams.begin() + static_cast<ptrdiff_t>(first * row_size),
        streams.begin() + static_cast<ptrdiff_t>((first + 131) * row_size));
    Expect(model.v4()
               .RunRange(BALEEN_MODE_REFERENCE, part, layers, layers,
                         rows.data(), nullptr)
               .status());
  }

  DraftModel* drafter = model.model().drafter();
  ASSERT_NE(drafter, nullptr);
  const auto draft = [&](int64_t first, int64_t count) {
    MtpRows rows;
    rows.state = state->get();
    rows.position = first;
    rows.next_tokens = std::span<const int32_t>(ids).subspan(
        static_cast<size_t>(first) + 1, static_cast<size_t>(count));
    rows.streams = streams.data() + static_cast<size_t>(first) * row_size;
    rows.output_count = 1;
    std::vector<float> logits(model.vocabulary());
    Expect(drafter->DraftMtp(BALEEN_MODE_REFERENCE, rows, nullptr,
                             logits.data(), nullptr));
    return logits;
  };
  draft(0, 200);
  EXPECT_LE(RelativeL2(std::span<const float>(draft(200, 60)),
                       std::span<const float>(
                           golden.Floats("mtp_prefill_last_logits"))),
            kLogitsL2);
  EXPECT_LE(
      RelativeL2(std::span<const float>(draft(260, 1)),
                 std::span<const float>(golden.Floats("mtp_decode_logits"))),
      kLogitsL2);
}

TEST(MtpTest, AStepGivesTheStreamsOfItsRows) {
  TestModel model("tiny_v4");
  const Golden golden("tiny_v4/golden.safetensors");
  const std::vector<int32_t> ids = golden.Integers("ids");
  const auto first = std::span<const int32_t>(ids).first(20);
  Timeline together(model.model(), BALEEN_MODE_FAST);
  std::vector<uint16_t> all;
  together.KeepStreams(&all);
  together.Append(first);
  Timeline alone(model.model(), BALEEN_MODE_FAST);
  std::vector<uint16_t> last;
  alone.KeepStreams(&last);
  alone.Append(first, 1);
  EXPECT_EQ(all.size(), 20 * last.size());
  EXPECT_TRUE(std::equal(last.rbegin(), last.rend(), all.rbegin()));
}

TEST(MtpTest, RefusesWhatCannotBe) {
  TestModel model("tiny_v4");
  DraftModel* drafter = model.model().drafter();
  Timeline timeline(model.model(), BALEEN_MODE_FAST);
  const std::vector<baleen_token> tokens = {1, 2, 3};
  MtpRows rows;
  rows.state = &timeline.state();
  rows.next_tokens = tokens;
  EXPECT_EQ(drafter->DraftMtp(BALEEN_MODE_FAST, rows, nullptr, nullptr, nullptr)
                .code(),
            BALEEN_INVALID_ARGUMENT);  // Positions that the state lacks.
  std::vector<float> confidence(5);
  std::vector<baleen_token> drafts(5);
  const std::vector<baleen_sample_row> sample(5);
  const BlockDraft draft = {drafts, confidence, {}};
  EXPECT_EQ(drafter
                ->DraftBlock(BALEEN_MODE_FAST, &timeline.state(), 1, sample,
                             nullptr, draft)
                .code(),
            BALEEN_UNSUPPORTED);
}

// Means of the streams after each target layer, side by side, of all tokens.
std::vector<uint16_t> TargetMeans(const Golden& golden,
                                  const deepseek_v4::Config& config) {
  const auto streams = static_cast<size_t>(config.streams);
  const auto hidden = static_cast<size_t>(config.hidden);
  const size_t targets = config.dspark_target_layers.size();
  const size_t tokens = golden.Integers("ids").size();
  std::vector<uint16_t> means(tokens * targets * hidden);
  for (size_t target = 0; target < targets; ++target) {
    const std::vector<uint16_t> all =
        LastStreams(golden, config.dspark_target_layers[target] + 1);
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t i = 0; i < hidden; ++i) {
        float sum = 0;
        for (size_t j = 0; j < streams; ++j) {
          sum += Bf16Value(all[(t * streams + j) * hidden + i]);
        }
        means[(t * targets + target) * hidden + i] =
            Bf16Bits(sum / static_cast<float>(streams));
      }
    }
  }
  return means;
}

// How far the best of `logits` is above `token`.
float Margin(std::span<const float> logits, int32_t token) {
  return logits[ArgMax(logits)] - logits[static_cast<size_t>(token)];
}

// Contexts come from golden streams: those of a random model that runs freely are
// soon others.  An independent implementation then had 36 of 39 blocks identical
// and logits 5e-3 away at the median, as we have: rotary frequencies of the golden
// run are a unit in the last place from those of the published table in places.  A block may differ from the golden one
// only from a draft on that is a tie: where the golden drafter prefers its token
// by less than twice the distance between its logits and ours.
TEST_P(DsparkTest, DraftsTheGoldenTokens) {
  constexpr size_t kIdentical = 34;
  constexpr size_t kSteps = 39;
  constexpr double kMedianL2 = 1e-2;
  constexpr double kConfidenceL2 = 5e-2;  // As a token of a layer.
  ModelOptions options;
  options.isa = GetParam();
  TestModel model("tiny_v4_dspark", options);
  const deepseek_v4::Config& config = model.v4().config();
  const Golden golden("tiny_v4_dspark/golden.safetensors");
  const std::vector<int32_t> ids = golden.Integers("ids");
  const std::vector<int32_t> wanted = golden.Integers("dspark_output_ids");
  const std::vector<float> wanted_logits = golden.Floats("dspark_logits");
  const std::vector<float> wanted_confidence =
      golden.Floats("dspark_confidence_logits");
  const std::vector<uint16_t> means = TargetMeans(golden, config);
  const size_t row_size = means.size() / ids.size();
  const size_t vocabulary = model.vocabulary();
  DraftModel* drafter = model.model().drafter();
  ASSERT_NE(drafter, nullptr);
  const auto block = static_cast<size_t>(drafter->block_size());
  ASSERT_EQ(block, 5u);

  Result<StatePointer> state = model.model().CreateState();
  Expect(state.status());
  const auto fill = [&](size_t first, size_t count) {
    StepPart part;
    part.state = state->get();
    part.tokens = std::span<const int32_t>(ids).subspan(first, count);
    part.position = static_cast<int64_t>(first);
    part.frozen = part.position;
    Expect(model.v4().RunContexts(BALEEN_MODE_REFERENCE, part,
                                  means.data() + first * row_size));
  };
  fill(0, 200);
  fill(200, kPrefill - 200);
  std::vector<baleen_sample_row> rows(block);
  for (baleen_sample_row& row : rows) {
    row.flags = BALEEN_SAMPLING_GREEDY;
    row.draft = -1;
  }
  size_t identical = 0;
  std::vector<double> distances;
  std::vector<float> sure;
  std::vector<float> wanted_sure;
  for (size_t step = 0; step < kSteps; ++step) {
    fill(kPrefill + step, 1);
    const int32_t* golden_tokens = &wanted[step * (block + 1)];
    std::vector<baleen_token> tokens(block);
    std::vector<float> confidence(block);
    std::vector<float> logits(block * vocabulary);
    Expect(drafter->DraftBlock(BALEEN_MODE_REFERENCE, state->get(),
                               golden_tokens[0], rows, nullptr,
                               {tokens, confidence, logits}));
    const std::span<const float> golden_logits =
        std::span<const float>(wanted_logits)
            .subspan(step * block * vocabulary, block * vocabulary);
    size_t i = 0;
    while (i < block && tokens[i] == golden_tokens[i + 1]) ++i;
    if (i == block) {
      ++identical;
      distances.push_back(
          RelativeL2(std::span<const float>(logits), golden_logits));
      sure.insert(sure.end(), confidence.begin(), confidence.end());
      wanted_sure.insert(
          wanted_sure.end(),
          wanted_confidence.begin() + static_cast<ptrdiff_t>(step * block),
          wanted_confidence.begin() +
              static_cast<ptrdiff_t>((step + 1) * block));
      continue;
    }
    const std::span<const float> ours =
        std::span<const float>(logits).subspan(i * vocabulary, vocabulary);
    const std::span<const float> theirs =
        golden_logits.subspan(i * vocabulary, vocabulary);
    float largest = 0;
    for (size_t j = 0; j < vocabulary; ++j) {
      largest = std::max(largest, std::abs(ours[j] - theirs[j]));
    }
    EXPECT_LE(Margin(theirs, tokens[i]), 2 * largest)
        << "step " << step << " draft " << i;
  }
  EXPECT_GE(identical, kIdentical);
  std::sort(distances.begin(), distances.end());
  EXPECT_LE(distances[distances.size() / 2], kMedianL2);
  EXPECT_LE(RelativeL2(std::span<const float>(sure),
                       std::span<const float>(wanted_sure)),
            kConfidenceL2);
}

INSTANTIATE_TEST_SUITE_P(Isa, MtpTest, testing::Values("reference", ""),
                         IsaName);
INSTANTIATE_TEST_SUITE_P(Isa, DsparkTest, testing::Values("reference", ""),
                         IsaName);

}  // namespace
}  // namespace baleen::test
