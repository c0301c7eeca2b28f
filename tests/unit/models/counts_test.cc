// What steps are counted to cost: by hand for the pocket model, by the report's
// figures for the published ones (model.md §15), and the same however a prompt
// is cut and whoever shares the pass.
#include <gtest/gtest.h>

#include <numeric>

#include "benchmarks/context/published.h"
#include "unit/models/golden.h"
#include "unit/models/test_model.h"

namespace baleen::test {
namespace {

using Counters = baleen_session_counters;

std::vector<baleen_token> Tokens(size_t count, size_t factor = 7) {
  std::vector<baleen_token> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<baleen_token>(i * factor % 500));
  }
  return tokens;
}

// A state that is stepped with its costs.
struct Counted {
  explicit Counted(Model& counted) : model(&counted) {
    Result<StatePointer> made = counted.CreateState();
    Expect(made.status());
    state = *std::move(made);
  }

  StepPart Part(std::span<const baleen_token> tokens, int64_t outputs,
                Counters* counters) const {
    StepPart part;
    part.state = state.get();
    part.tokens = tokens;
    part.position = state->length();
    part.frozen = part.position;
    part.output_count = outputs;
    part.counters = counters;
    return part;
  }

  Counters Step(std::span<const baleen_token> tokens, int64_t outputs) const {
    Counters counters = {};
    const StepPart part = Part(tokens, outputs, &counters);
    std::vector<float> logits(static_cast<size_t>(outputs) *
                              model->info().vocabulary_size);
    Expect(model->Step(BALEEN_MODE_FAST, std::span<const StepPart>(&part, 1),
                       nullptr, logits.data()));
    return counters;
  }

  // `chunk` rows a step; returns what the last step costs.
  Counters Fill(size_t count, size_t chunk, Counters* all = nullptr) const {
    const std::vector<baleen_token> tokens = Tokens(count);
    Counters last = {};
    for (size_t done = 0; done < count; done += chunk) {
      last = Step(std::span<const baleen_token>(tokens).subspan(
                      done, std::min(chunk, count - done)),
                  0);
      if (all != nullptr) AddCounters(last, all);
    }
    return last;
  }

  Model* model;
  StatePointer state;
};

uint64_t Sum(const uint64_t (&values)[16]) {
  return std::accumulate(std::begin(values), std::end(values), uint64_t{0});
}

uint64_t SumOfFormats(const Counters& c) {
  return c.operations_fp4 + c.operations_fp8 + c.operations_bf16 +
         c.operations_f32;
}

void ExpectSame(const Counters& a, const Counters& b) {
  EXPECT_EQ(a.positions, b.positions);
  EXPECT_EQ(a.state_bytes_read, b.state_bytes_read);
  EXPECT_EQ(a.state_bytes_written, b.state_bytes_written);
  for (int part = 0; part < BALEEN_PART_COUNT; ++part) {
    EXPECT_EQ(a.weight_bytes[part], b.weight_bytes[part]) << part;
    EXPECT_EQ(a.operations[part], b.operations[part]) << part;
  }
  EXPECT_EQ(SumOfFormats(a), SumOfFormats(b));
}

// D 256, M 4, H 2, K 512, Q 128, G 2, O 128, I 4, J 128, E 8, A 2, F 128,
// V 2048; ratios 0, 4, 128, 4.  Position 1000, so 1001 are seen: 250 keys and
// 7 entries of ratio 128; nothing is completed.
TEST(CountsTest, OneTokenOfThePocketModelByHand) {
  TestModel model("pocket");
  const Counted timeline(model.model());
  timeline.Fill(1000, 256);
  const std::vector<baleen_token> token = {5};
  const Counters c = timeline.Step(token, 1);
  EXPECT_EQ(c.positions, 1u);

  const auto operations = [&](int part) { return c.operations[part]; };
  EXPECT_EQ(operations(BALEEN_PART_EMBEDDING), 0u);
  // Of eight half-layers: fn [24, 1024], sum of streams, end with its mixing.
  EXPECT_EQ(operations(BALEEN_PART_HYPER),
            8u * 2 * (24 * 1024 + 4 * 256 + 4 * 5 * 256));
  EXPECT_EQ(
      operations(BALEEN_PART_PROJECTION),
      4u * 2 * (128 * 256 + 512 * 256 + 1024 * 128 + 256 * 512 + 256 * 256));
  EXPECT_EQ(operations(BALEEN_PART_COMPRESSOR),
            2u * (2 * 2 * 1024 * 256 + 2 * 512 * 256));
  EXPECT_EQ(operations(BALEEN_PART_INDEXER),
            2u * 2 * (512 * 128 + 4 * 256 + 2 * 256 * 256 + 250 * 4 * 128));
  const uint64_t keys = 4 * 128 + 2 * 64 + 7;
  EXPECT_EQ(operations(BALEEN_PART_ATTENTION), 4u * 2 * 512 * keys);
  EXPECT_EQ(operations(BALEEN_PART_ROUTER), 4u * 2 * 8 * 256);
  EXPECT_EQ(operations(BALEEN_PART_EXPERTS), 4u * 2 * 2 * 3 * 128 * 256);
  EXPECT_EQ(operations(BALEEN_PART_SHARED_EXPERT), 4u * 2 * 3 * 128 * 256);
  EXPECT_EQ(operations(BALEEN_PART_HEAD),
            2u * (2048 * 256 + 4 * 1024 + 4 * 256));
  EXPECT_EQ(operations(BALEEN_PART_DRAFTER), 0u);
  EXPECT_EQ(c.operations_fp4, 2u * 2 * 250 * 4 * 128);
  EXPECT_EQ(SumOfFormats(c), Sum(c.operations));

  // Entries of 584 bytes, keys of 68; four window entries are written, and a
  // row of each tail: values and gates, of two halves in layers of ratio 4.
  EXPECT_EQ(c.state_bytes_read, keys * 584 + 2 * 250 * 68);
  EXPECT_EQ(c.state_bytes_written,
            4u * 584 + 2 * 2 * 2 * (512 + 128) * 4 + 2 * 512 * 4);
  EXPECT_EQ(c.weight_bytes[BALEEN_PART_EMBEDDING], 2u * 256);
  // FP4 with a byte of scale for 32: two of eight experts in each layer.
  const uint64_t expert = 3 * 128 * 256 / 2 + 3 * 128 * 256 / 32;
  EXPECT_EQ(c.weight_bytes[BALEEN_PART_EXPERTS], 4u * 2 * expert);
  EXPECT_EQ(c.pass_weight_bytes, Sum(c.weight_bytes));
}

// Position 1003 completes a key and an entry in two layers, from eight rows, of
// which seven are in the tails; 1023 one of 128 rows as well.
TEST(CountsTest, CompletedEntriesAreMadeOfTails) {
  TestModel model("pocket");
  const Counted timeline(model.model());
  timeline.Fill(1003, 256);
  const std::vector<baleen_token> token = {5};
  const Counters c = timeline.Step(token, 0);
  const uint64_t keys = 4 * 128 + 2 * 64 + 7;
  EXPECT_EQ(c.state_bytes_read,
            keys * 584 + 2 * 251 * 68 + 2 * 7 * 2 * (512 + 128) * 4);
  const uint64_t rows = 4u * 584 + 2 * 2 * 2 * (512 + 128) * 4 + 2 * 512 * 4;
  EXPECT_EQ(c.state_bytes_written, rows + 2 * (584 + 68));
  EXPECT_EQ(c.operations[BALEEN_PART_COMPRESSOR],
            2u * (2 * 2 * 1024 * 256 + 2 * 512 * 256) + 2 * 2 * 8 * 512);
  // No output, no head.
  EXPECT_EQ(c.operations[BALEEN_PART_HEAD], 0u);
  EXPECT_EQ(c.weight_bytes[BALEEN_PART_HEAD], 0u);
  for (int i = 1004; i < 1023; ++i) timeline.Step(token, 0);
  EXPECT_EQ(timeline.Step(token, 0).state_bytes_written,
            rows + 2 * (584 + 68) + 584);
}

// A step that visits every expert reads all that the checkpoint has, as the
// inventory of its tensors counts it; but of tables only rows.
TEST(CountsTest, WeightsAreThoseOfTheCheckpoint) {
  for (const char* folder : {"pocket", "tiny_v4"}) {
    TestModel model(folder);
    const Counted timeline(model.model());
    const Counters c = timeline.Step(Tokens(200), 1);
    Result<MemoryNeed> need = model.model().Need(BALEEN_MODE_FAST, 256, 256);
    Expect(need.status());
    for (const int part :
         {BALEEN_PART_HYPER, BALEEN_PART_PROJECTION, BALEEN_PART_COMPRESSOR,
          BALEEN_PART_INDEXER, BALEEN_PART_ATTENTION, BALEEN_PART_SHARED_EXPERT,
          BALEEN_PART_HEAD}) {
      EXPECT_EQ(c.weight_bytes[part], need->weights_by_part[part])
          << folder << " part " << part;
    }
    // The tables of the tiny model name few experts.
    const uint64_t experts = need->weights_by_part[BALEEN_PART_EXPERTS];
    if (std::string(folder) == "pocket") {
      EXPECT_EQ(c.weight_bytes[BALEEN_PART_EXPERTS], experts);
    } else {
      EXPECT_LT(c.weight_bytes[BALEEN_PART_EXPERTS], experts);
      EXPECT_EQ(c.weight_bytes[BALEEN_PART_EXPERTS] % (experts / 32), 0u);
    }
    EXPECT_LT(c.weight_bytes[BALEEN_PART_ROUTER],
              need->weights_by_part[BALEEN_PART_ROUTER]);
    EXPECT_EQ(c.weight_bytes[BALEEN_PART_EMBEDDING],
              200u * 2 * model.model().info().hidden_size);
  }
}

// Operations and entries do not depend on the cut; weights are read each step,
// tails are the step's own.
TEST(CountsTest, AnyCutOfAPromptComputesTheSame) {
  TestModel model("tiny_v4");
  Counters whole = {};
  Counted(model.model()).Fill(400, 256, &whole);
  for (const size_t chunk : {1u, 3u, 64u}) {
    Counters cut = {};
    Counted(model.model()).Fill(400, chunk, &cut);
    EXPECT_EQ(cut.positions, 400u);
    for (int part = 0; part < BALEEN_PART_COUNT; ++part) {
      EXPECT_EQ(cut.operations[part], whole.operations[part]) << part;
    }
    EXPECT_GE(cut.weight_bytes[BALEEN_PART_PROJECTION],
              whole.weight_bytes[BALEEN_PART_PROJECTION] * (400 / chunk) / 2);
  }
}

// Each of several sessions counts as if it were alone; their shares of the
// weights add up to what the pass read, which is less.
TEST(CountsTest, SessionsOfAPassCountInFull) {
  TestModel model("pocket");
  const std::vector<baleen_token> first = Tokens(40);
  const std::vector<baleen_token> second = Tokens(3, 11);
  const std::vector<baleen_token> third = {5};
  const std::span<const baleen_token> inputs[] = {first, second, third};
  Counters alone[3] = {};
  Counters together[3] = {};
  std::vector<StepPart> parts;
  std::vector<Counted> timelines;
  for (size_t i = 0; i < 3; ++i) {
    const Counted single(model.model());
    single.Fill(100 * i, 256);
    alone[i] = single.Step(inputs[i], 1);
    timelines.emplace_back(model.model()).Fill(100 * i, 256);
    parts.push_back(timelines[i].Part(inputs[i], 1, &together[i]));
  }
  std::vector<float> logits(3 * model.vocabulary());
  Expect(model.model().Step(BALEEN_MODE_FAST, parts, nullptr, logits.data()));
  uint64_t shares = 0;
  uint64_t in_full = 0;
  for (size_t i = 0; i < 3; ++i) {
    ExpectSame(alone[i], together[i]);
    EXPECT_EQ(alone[i].pass_weight_bytes, Sum(alone[i].weight_bytes));
    EXPECT_LT(together[i].pass_weight_bytes, alone[i].pass_weight_bytes);
    shares += together[i].pass_weight_bytes;
    in_full += alone[i].pass_weight_bytes;
  }
  // All experts are visited: everything once, but for rows of tables.
  EXPECT_LT(shares, in_full);
  EXPECT_GE(shares, Sum(alone[0].weight_bytes));
}

// A failed step has cost nothing that anybody asked for.
TEST(CountsTest, AFailedStepIsNotCounted) {
  TestModel model("tiny_v4");
  const Counted timeline(model.model());
  const std::vector<baleen_token> tokens = Tokens(20);
  Counters counters = {};
  const StepPart part = timeline.Part(tokens, 0, &counters);
  const std::atomic<bool> cancel{true};
  EXPECT_EQ(model.model()
                .Step(BALEEN_MODE_FAST, std::span<const StepPart>(&part, 1),
                      &cancel, nullptr)
                .code(),
            BALEEN_CANCELLED);
  EXPECT_EQ(counters.positions, 0u);
  EXPECT_EQ(Sum(counters.operations), 0u);
}

// Rows that fill a window again write no entries.
TEST(CountsTest, ReplayedRowsOnlyRead) {
  TestModel model("tiny_v4");
  const Counted timeline(model.model());
  timeline.Fill(300, 256);
  Counters counters = {};
  int64_t replay_from = 0;
  timeline.state->Truncate(100, &replay_from);
  ASSERT_LT(replay_from, 100);
  const std::vector<baleen_token> tokens = Tokens(300);
  StepPart part = timeline.Part(std::span<const baleen_token>(tokens).subspan(
                                    static_cast<size_t>(replay_from),
                                    static_cast<size_t>(100 - replay_from)),
                                0, &counters);
  part.position = replay_from;
  Expect(model.model().Step(
      BALEEN_MODE_FAST, std::span<const StepPart>(&part, 1), nullptr, nullptr));
  const auto rows = static_cast<uint64_t>(100 - replay_from);
  EXPECT_EQ(counters.positions, rows);
  // Window entries, and the last rows of tails: 16 in layers of ratio 4, 136.
  EXPECT_EQ(counters.state_bytes_written,
            rows * 4 * 584 +
                std::min<uint64_t>(rows, 16) * 2 * 2 * 2 * (512 + 128) * 4 +
                std::min<uint64_t>(rows, 136) * 2 * 512 * 4);
}

TEST(CountsTest, DraftersCountAsSuch) {
  TestModel model("pocket");
  const Counted timeline(model.model());
  timeline.Fill(20, 256);
  DraftModel* drafter = model.model().drafter();
  std::vector<uint16_t> streams(20 * 4 * 256);
  Expect(drafter->ReadStreams(0, 20, streams.data()));
  const std::vector<baleen_token> tokens = Tokens(20);
  Counters c = {};
  MtpRows rows;
  rows.state = timeline.state.get();
  rows.position = 19;
  rows.next_tokens = std::span<const baleen_token>(tokens).last(1);
  rows.streams = streams.data() + 19 * 4 * 256;
  rows.output_count = 1;
  rows.counters = &c;
  std::vector<float> logits(2048);
  Expect(drafter->DraftMtp(BALEEN_MODE_FAST, rows, nullptr, logits.data(),
                           nullptr));
  EXPECT_EQ(c.positions, 0u);
  // e_proj, and h_proj for each stream; a layer of ratio 0, and the head.
  const uint64_t layer =
      2 * 2 * (24 * 1024 + 4 * 256 + 4 * 5 * 256) +
      2 * (128 * 256 + 512 * 256 + 1024 * 128 + 256 * 512 + 256 * 256) +
      4 * 2 * 512 * 20 + 2 * 8 * 256 + 2 * 3 * 3 * 128 * 256;
  EXPECT_EQ(c.operations[BALEEN_PART_DRAFTER],
            2u * 5 * 256 * 256 + layer + 2 * (2048 * 256 + 4 * 1024 + 4 * 256));
  EXPECT_EQ(Sum(c.operations), c.operations[BALEEN_PART_DRAFTER]);
  EXPECT_EQ(Sum(c.weight_bytes), c.weight_bytes[BALEEN_PART_DRAFTER]);
}

TEST(CountsTest, DsparkContextsAndBlocksCountAsTheDrafters) {
  TestModel model("tiny_v4_dspark");
  const Counted timeline(model.model());
  const Counters main = timeline.Fill(50, 256);
  EXPECT_GT(main.operations[BALEEN_PART_DRAFTER], 0u);
  DraftModel* drafter = model.model().drafter();
  const auto block = static_cast<size_t>(drafter->block_size());
  std::vector<baleen_sample_row> rows(block);
  for (baleen_sample_row& row : rows) {
    row.flags = BALEEN_SAMPLING_GREEDY;
    row.draft = -1;
  }
  std::vector<baleen_token> tokens(block);
  std::vector<float> confidence(block);
  Counters c = {};
  BlockDraft draft;
  draft.tokens = tokens;
  draft.confidence = confidence;
  draft.counters = &c;
  Expect(drafter->DraftBlock(BALEEN_MODE_FAST, timeline.state.get(), 3, rows,
                             nullptr, draft));
  EXPECT_EQ(c.positions, 0u);
  EXPECT_GT(c.operations[BALEEN_PART_DRAFTER], 0u);
  EXPECT_EQ(Sum(c.operations), c.operations[BALEEN_PART_DRAFTER]);
  // Each row of a block sees the 50 positions before it, in three stages;
  // nothing is written.
  EXPECT_EQ(c.state_bytes_read, 3u * block * 50 * 584);
  EXPECT_EQ(c.state_bytes_written, 0u);
}

// As far as it is known without weights: of many rows, every expert is visited
// in this model.
TEST(CountsTest, ShapesCountLikeWeights) {
  ModelOptions options;
  options.shapes_only = true;
  TestModel shapes("pocket", options);
  TestModel real("pocket");
  const Counted counted(shapes.model());
  const Counted computed(real.model());
  ExpectSame(counted.Fill(200, 256), computed.Fill(200, 256));
  const std::vector<baleen_token> token = {5};
  ExpectSame(counted.Fill(1, 1), computed.Fill(1, 1));
}

// The report's figures, from a token at the end of 2^20 positions, by the
// convention of model.md §15.3; and memory, planned but not taken.
struct Published {
  const char* config;
  double state_bytes;  // A token of a full session.
  double of_v32_bytes;
  double of_v32_operations;
  double linear, attention, indexer, sum;  // GFLOP
};

class PublishedTest : public testing::TestWithParam<Published> {};

TEST_P(PublishedTest, FiguresOfTheReport) {
  constexpr int64_t kPositions = int64_t{1} << 20;
  const Published& published = GetParam();
  ModelOptions options;
  options.shapes_only = true;
  options.config = published.config;
  TestModel model("configs", options);
  Result<MemoryNeed> need =
      model.model().Need(BALEEN_MODE_FAST, kPositions, 256);
  Expect(need.status());
  const double bytes = static_cast<double>(need->session_host) / kPositions;
  // 1 % is for windows and tails, 20 MB that the figures leave out in part.
  EXPECT_NEAR(bytes, published.state_bytes, 0.01 * published.state_bytes);
  EXPECT_NEAR(bytes / published::kV32BytesPerToken, published.of_v32_bytes,
              0.01 * published.of_v32_bytes);

  const Counters c = model.v4().CostsOf(kPositions - 1, 1, 1);
  const auto giga = [](double value) { return value * 1e-9; };
  const auto of = [&](int part) {
    return giga(static_cast<double>(c.operations[part]));
  };
  const double indexer = giga(static_cast<double>(c.operations_fp4));
  const double sum = giga(static_cast<double>(Sum(c.operations)));
  EXPECT_NEAR(indexer, published.indexer, 0.05);
  EXPECT_NEAR(of(BALEEN_PART_ATTENTION), published.attention, 0.05);
  EXPECT_NEAR(sum - indexer - of(BALEEN_PART_ATTENTION) - of(BALEEN_PART_HYPER),
              published.linear, 0.05);
  EXPECT_NEAR(sum, published.sum, 0.05);
  published::Operations ours;
  ours.fp4 = static_cast<double>(c.operations_fp4);
  ours.fp8 = static_cast<double>(c.operations_fp8);
  ours.bf16 = static_cast<double>(c.operations_bf16 + c.operations_f32);
  const double theirs = published::V32Operations(kPositions).InFp8();
  EXPECT_NEAR(ours.InFp8() / theirs, published.of_v32_operations,
              0.01 * published.of_v32_operations);
}

INSTANTIATE_TEST_SUITE_P(
    Models, PublishedTest,
    testing::Values(Published{"DeepSeek-V4-Flash.config.json", 3517, 0.0732,
                              0.101, 26.5, 23.6, 90.2, 140.4},
                    Published{"DeepSeek-V4-Pro.config.json", 5036, 0.1048,
                              0.267, 97.5, 76.7, 128.8, 303.3}));

TEST(PublishedTest, V32AsPublished) {
  const published::Operations v32 = published::V32Operations(double{1 << 20});
  EXPECT_DOUBLE_EQ(published::kV32BytesPerToken, 48068);
  EXPECT_NEAR((v32.fp8 + v32.bf16) * 1e-9, 1157.7, 0.1);
}

}  // namespace
}  // namespace baleen::test
