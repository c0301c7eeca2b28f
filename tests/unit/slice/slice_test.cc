// Slices are what they are said to be: checkpoints that load, the same bytes
// each time, of weights that keep the size of what they multiply.
#include "benchmarks/slice/slice.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

#include <baleen/baleen.h>

#include "base/file.h"
#include "base/json.h"
#include "benchmarks/slice/shards.h"
#include "benchmarks/slice/slice_config.h"
#include "benchmarks/slice/values.h"
#include "models/deepseek_v4/weights.h"
#include "numeric/bf16.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

namespace baleen::slice {
namespace {

namespace fs = std::filesystem;

// The slice `micro`, made once.
class SliceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = (fs::temp_directory_path() / "baleen-slice-XXXXXX").string();
    ASSERT_NE(mkdtemp(root_.data()), nullptr);
    ASSERT_TRUE(MakeSlice(Options("first")));
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }

  static SliceOptions Options(const std::string& name) {
    SliceOptions options;
    options.kind = "micro";
    options.folder = root_ + "/" + name;
    return options;
  }

  static std::string Read(const std::string& path) {
    std::ifstream file(root_ + "/" + path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static inline std::string root_;
};

TEST_F(SliceTest, IsNotMadeTwice) { EXPECT_FALSE(MakeSlice(Options("first"))); }

TEST_F(SliceTest, IsMadeAgainForAnotherSeed) {
  SliceOptions options = Options("seeds");
  EXPECT_TRUE(MakeSlice(options));
  options.seed = 2;
  EXPECT_TRUE(MakeSlice(options));
  EXPECT_FALSE(MakeSlice(options));
}

TEST_F(SliceTest, DependsOnTheSeedAlone) {
  const std::string shard = "/model-00001-of-00001.safetensors";
  SliceOptions options = Options("same");
  options.threads = 1;
  ASSERT_TRUE(MakeSlice(options));
  EXPECT_EQ(Read("same" + shard), Read("first" + shard));
  options = Options("other");
  options.seed = 2;
  ASSERT_TRUE(MakeSlice(options));
  EXPECT_NE(Read("other" + shard), Read("first" + shard));
}

TEST_F(SliceTest, HasEveryKind) {
  for (const std::string& kind : SliceKinds()) {
    uint64_t bytes = 0;
    for (const Shard& shard : PlanShards(SliceConfig(kind))) {
      bytes += shard.size;
    }
    // They must leave room beside them in 16 GB.
    EXPECT_GT(bytes, 0u) << kind;
    EXPECT_LT(bytes, 8'000'000'000u) << kind;
  }
  EXPECT_THROW(SliceConfig("none"), std::runtime_error);
}

// The slice, opened as the library opens it.
class OpenedSliceTest : public SliceTest {
 protected:
  void SetUp() override {
    const std::string folder = root_ + "/first";
    const auto text = files_.ReadText(folder + "/config.json", 1 << 20);
    ASSERT_TRUE(text.ok());
    const auto json = JsonDocument::Parse(*text, "config.json", &memory_);
    ASSERT_TRUE(json.ok());
    auto config =
        deepseek_v4::ParseConfig(json->root(), "config.json", &memory_);
    ASSERT_TRUE(config.ok());
    config_.emplace(*std::move(config));
    auto checkpoint = Checkpoint::Open(files_, folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    checkpoint_.emplace(*std::move(checkpoint));
    auto weights = deepseek_v4::FindWeights(*checkpoint_, &*config_, &memory_);
    ASSERT_TRUE(weights.ok()) << weights.status().message();
    weights_.emplace(*std::move(weights));
  }

  HostMemory memory_{nullptr};
  FileSystem files_{nullptr, &memory_};
  std::optional<deepseek_v4::Config> config_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<deepseek_v4::Weights> weights_;
};

TEST_F(OpenedSliceTest, HasNothingElse) {
  EXPECT_EQ(weights_->unused_count, 0u);
  EXPECT_EQ(checkpoint_->copied_bytes(), 0u);  // All lie aligned.
}

// Element (row, column) of a matrix, scaled.
float ElementAt(const baleen_tensor& matrix, int64_t row, int64_t column) {
  const int64_t at = row * matrix.stride[0] + column;
  if (matrix.type == BALEEN_TYPE_BF16) {
    return Bf16ToFloat(static_cast<const uint16_t*>(matrix.data)[at]);
  }
  const int64_t blocks =
      (matrix.size[1] + matrix.block_columns - 1) / matrix.block_columns;
  const float scale = E8m0ToFloat(static_cast<const uint8_t*>(
      matrix.scales)[row / matrix.block_rows * blocks +
                     column / matrix.block_columns]);
  const auto* codes = static_cast<const uint8_t*>(matrix.data);
  return scale * (matrix.type == BALEEN_TYPE_F4_E2M1
                      ? Fp4ToFloat(Fp4CodeAt(codes, at))
                      : Fp8ToFloat(codes[at]));
}

// What a matrix makes of the root mean square of a vector.
double Gain(const baleen_tensor& matrix) {
  double squares = 0;
  for (int64_t row = 0; row < matrix.size[0]; ++row) {
    for (int64_t column = 0; column < matrix.size[1]; ++column) {
      const double value = ElementAt(matrix, row, column);
      squares += value * value;
    }
  }
  return std::sqrt(squares / static_cast<double>(matrix.size[0]));
}

TEST_F(OpenedSliceTest, MatricesKeepTheSizeOfWhatTheyMultiply) {
  // Rounding to few codes moves the gain by a few percent.  A quarter of the
  // FP8 blocks have twice the scale of the others, sqrt(1.75) over the mean;
  // the smallest matrices have two blocks, so it may be all or none.  A NaN
  // would fail every comparison.
  for (const auto& layer : weights_->layers) {
    std::vector<baleen_tensor> matrices = {
        layer.attention.wq_a, layer.attention.wq_b, layer.attention.wkv,
        layer.attention.wo_a, layer.attention.wo_b, layer.moe.gate,
        layer.moe.shared.w1,  layer.moe.shared.w2,  layer.moe.shared.w3};
    for (const auto& expert : layer.moe.experts) {
      matrices.insert(matrices.end(), {expert.w1, expert.w2, expert.w3});
    }
    for (const baleen_tensor& matrix : matrices) {
      const bool fp8 = matrix.type == BALEEN_TYPE_F8_E4M3;
      EXPECT_GT(Gain(matrix), fp8 ? 0.95 / std::sqrt(1.75) : 0.9);
      EXPECT_LT(Gain(matrix), fp8 ? 2.1 / std::sqrt(1.75) : 1.1);
    }
  }
}

// The root mean square of the logits after some tokens.
double LogitSize(baleen_model* model, baleen_mode mode) {
  baleen_session_options options = {};
  options.struct_size = sizeof options;
  options.mode = mode;
  baleen_session* session = nullptr;
  EXPECT_EQ(baleen_session_create(model, &options, &session, nullptr),
            BALEEN_OK);
  std::vector<baleen_token> tokens(300);
  Random random(1);
  for (baleen_token& token : tokens) {
    token = static_cast<baleen_token>(random.Next() % 512);
  }
  EXPECT_EQ(
      baleen_session_append(session, tokens.data(), tokens.size(), nullptr),
      BALEEN_OK);
  const float* logits = nullptr;
  size_t count = 0;
  EXPECT_EQ(baleen_session_logits(session, &logits, &count, nullptr),
            BALEEN_OK);
  double squares = 0;
  for (size_t i = 0; i < count; ++i) squares += logits[i] * logits[i];
  baleen_session_release(session);
  return std::sqrt(squares / static_cast<double>(count));
}

TEST_F(SliceTest, GivesLogitsOfTheSizeOfItsWeights) {
  baleen_context* context = nullptr;
  ASSERT_EQ(baleen_context_create(nullptr, &context, nullptr), BALEEN_OK);
  baleen_model* model = nullptr;
  ASSERT_EQ(baleen_model_load(context, Options("first").folder.c_str(), nullptr,
                              &model, nullptr),
            BALEEN_OK);
  // The head multiplies what a norm has made of size 1.
  EXPECT_NEAR(LogitSize(model, BALEEN_MODE_FAST), 1, 0.2);
  EXPECT_NEAR(LogitSize(model, BALEEN_MODE_REFERENCE), 1, 0.2);
  baleen_model_release(model);
  baleen_context_release(context);
}

TEST_F(OpenedSliceTest, TokensVisitDistinctExperts) {
  const baleen_tensor& table = weights_->layers[0].moe.table;
  const auto* experts = static_cast<const int64_t*>(table.data);
  for (int64_t token = 0; token < table.size[0]; ++token) {
    const int64_t* row = experts + token * table.size[1];
    const std::set<int64_t> distinct(row, row + table.size[1]);
    ASSERT_EQ(static_cast<int64_t>(distinct.size()), table.size[1]);
    ASSERT_GE(*distinct.begin(), 0);
    ASSERT_LT(*distinct.rbegin(), config_->experts);
  }
}

}  // namespace
}  // namespace baleen::slice
