// Rotary tables against those of the reference.
#include "models/deepseek_v4/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "unit/models/golden.h"
#include "unit/models/test_model.h"

namespace baleen::test {
namespace {

using deepseek_v4::Config;
using deepseek_v4::RopeFrequencies;
using deepseek_v4::RopeKind;

std::vector<float> Frequencies(const Config& config, RopeKind kind) {
  std::vector<float> result(static_cast<size_t>(config.rope_size) / 2);
  RopeFrequencies(config, kind, result);
  return result;
}

TEST(RopeTest, FrequenciesAreTheReferences) {
  TestModel model("pocket");
  const nlohmann::json vectors = ReadJson("micro_vectors.json");
  const Config& config = model.v4().config();
  EXPECT_EQ(Frequencies(config, RopeKind::kWindow),
            vectors["inv_freq_base10000"].get<std::vector<float>>());
  EXPECT_EQ(
      Frequencies(config, RopeKind::kCompressed),
      vectors["inv_freq_yarn_160000_f16_o65536"].get<std::vector<float>>());
}

// Computed ones, for configurations that nobody published, are a unit in the
// last place or two away from the tables at most.
TEST(RopeTest, ComputedFrequenciesAreClose) {
  TestModel model("pocket");
  Config config = model.v4().config();
  const std::vector<float> window = Frequencies(config, RopeKind::kWindow);
  const std::vector<float> compressed =
      Frequencies(config, RopeKind::kCompressed);
  config.rope_base = std::nextafter(10000.0, 0.0);
  config.compress_rope_base = std::nextafter(160000.0, 0.0);
  const std::vector<float> computed = Frequencies(config, RopeKind::kWindow);
  const std::vector<float> yarn = Frequencies(config, RopeKind::kCompressed);
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_NEAR(computed[i], window[i], 2.5e-7f * window[i]) << i;
    EXPECT_NEAR(yarn[i], compressed[i], 2.5e-7f * compressed[i]) << i;
  }
  config.rope_factor = 1;  // No YaRN: powers of the base alone.
  const std::vector<float> plain = Frequencies(config, RopeKind::kCompressed);
  EXPECT_NEAR(plain[31], std::pow(160000.0, -62.0 / 64.0), 1e-11);
}

// x rotated at position 1000, and back, to the bit.
TEST(RopeTest, RotatesAsTheReference) {
  TestModel model("pocket");
  const nlohmann::json golden =
      ReadJson("micro_vectors.json")["rope_pos1000_yarn"];
  const auto x = golden["x"].get<std::vector<float>>();
  const auto y = golden["y_bf16"].get<std::vector<float>>();
  const auto back = golden["inverse_of_y_bf16"].get<std::vector<float>>();
  ASSERT_EQ(x.size(), 64u);
  const std::vector<float> frequencies =
      Frequencies(model.v4().config(), RopeKind::kCompressed);
  std::vector<float> row(64);
  deepseek_v4::RopeRow(1000, frequencies, row.data());
  const auto rotate = [&](const std::vector<float>& in, float direction) {
    std::vector<float> out(64);
    for (size_t i = 0; i < 32; ++i) {
      const float cosine = row[i];
      const float sine = direction * row[32 + i];
      const float a = in[2 * i];
      const float b = in[2 * i + 1];
      out[2 * i] = Bf16Value(Bf16Bits(a * cosine - b * sine));
      out[2 * i + 1] = Bf16Value(Bf16Bits(a * sine + b * cosine));
    }
    return out;
  };
  EXPECT_EQ(rotate(x, 1), y);
  EXPECT_EQ(rotate(y, -1), back);
}

// Tables grow without changing what was there.
TEST(RopeTest, TablesGrow) {
  TestModel model("pocket");
  deepseek_v4::RopeTables tables(model.v4().config(), &model.v4().machine());
  Expect(tables.Reserve(256));
  const Tensor* table = tables.table(RopeKind::kCompressed);
  const auto* rows = static_cast<const float*>(table->data);
  const std::vector<float> before(rows, rows + 256 * 64);
  Expect(tables.Reserve(1024));
  EXPECT_EQ(table->size[0], 1024);
  rows = static_cast<const float*>(table->data);
  EXPECT_EQ(std::vector<float>(rows, rows + 256 * 64), before);
  std::vector<float> row(64);
  deepseek_v4::RopeRow(1023,
                       Frequencies(model.v4().config(), RopeKind::kCompressed),
                       row.data());
  EXPECT_EQ(std::vector<float>(rows + 1023 * 64, rows + 1024 * 64), row);
}

}  // namespace
}  // namespace baleen::test
