// The numeric primitives under the operators, against vectors that DeepSeek's
// own code gave.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "cpu/reference/compress.h"
#include "cpu/reference/hadamard.h"
#include "cpu/reference/philox.h"
#include "cpu/reference/quantize.h"
#include "cpu/reference/rope.h"
#include "cpu/reference/router.h"
#include "cpu/reference/sinkhorn.h"
#include "ops/state_fixture.h"

namespace baleen::cpu {
namespace {

using ops_test::TestTensor;

const nlohmann::json& Vectors() {
  static const nlohmann::json vectors = [] {
    std::ifstream file(BALEEN_TEST_DATA "/micro_vectors.json");
    return nlohmann::json::parse(file);
  }();
  return vectors;
}

std::vector<float> Floats(const nlohmann::json& list) {
  return list.get<std::vector<float>>();
}

// Powers, exponentials and sums of a few floats in an order that torch leaves
// open: the last bit or two.
void ExpectWithinUlps(const std::vector<float>& expected, const float* got,
                      int ulps) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const float step = std::nextafter(std::fabs(expected[i]), INFINITY) -
                       std::fabs(expected[i]);
    EXPECT_NEAR(expected[i], got[i], step * static_cast<float>(ulps)) << i;
  }
}

TEST(MicroVectors, Fp8Activations) {
  for (const auto& [name, group] :
       {std::pair{"act_fp8_1x128", 128}, {"act_fp8_1x64", 64}}) {
    const auto& vector = Vectors()[name];
    const std::vector<float> x = Floats(vector["x"]);
    const std::vector<float> scales = Floats(vector["scale"]);
    const std::vector<float> q = Floats(vector["q"]);
    const std::vector<float> rounded = Floats(vector["dequant_bf16"]);
    std::vector<uint8_t> codes(x.size());
    for (size_t first = 0; first < x.size();
         first += static_cast<size_t>(group)) {
      const float scale =
          E8m0ToFloat(QuantizeFp8(&x[first], group, &codes[first]));
      EXPECT_EQ(scale, scales[first / static_cast<size_t>(group)]);
      for (size_t i = first; i < first + static_cast<size_t>(group); ++i) {
        EXPECT_EQ(Fp8ToFloat(codes[i]), q[i]);
        EXPECT_EQ(RoundToBf16(Fp8ToFloat(codes[i]) * scale), rounded[i]);
      }
    }
  }
}

TEST(MicroVectors, Fp4Activations) {
  const auto& vector = Vectors()["act_fp4_1x32"];
  const std::vector<float> x = Floats(vector["x"]);
  const std::vector<float> scales = Floats(vector["scale"]);
  const std::vector<float> q = Floats(vector["q"]);
  const std::vector<float> rounded = Floats(vector["dequant_bf16"]);
  std::vector<uint8_t> codes(x.size());
  for (size_t first = 0; first < x.size(); first += 32) {
    const float scale = E8m0ToFloat(QuantizeFp4(&x[first], 32, &codes[first]));
    EXPECT_EQ(scale, scales[first / 32]);
    for (size_t i = first; i < first + 32; ++i) {
      EXPECT_EQ(Fp4ToFloat(codes[i]), q[i]);
      EXPECT_EQ(RoundToBf16(Fp4ToFloat(codes[i]) * scale), rounded[i]);
    }
  }
}

TEST(MicroVectors, ScalesAndRoundingAtTheEdges) {
  for (const auto& [largest, scale] : Vectors()["scale_edge"].items()) {
    EXPECT_EQ(E8m0ToFloat(Fp8ScaleCode(std::stof(largest))), scale) << largest;
  }
  for (const auto& [largest, scale] : Vectors()["scale_edge_fp4"].items()) {
    EXPECT_EQ(E8m0ToFloat(Fp4ScaleCode(std::stof(largest))), scale) << largest;
  }
  const std::vector<float> x4 = Floats(Vectors()["e2m1_round"]["x"]);
  const std::vector<float> y4 = Floats(Vectors()["e2m1_round"]["y"]);
  for (size_t i = 0; i < x4.size(); ++i) {
    EXPECT_EQ(Fp4ToFloat(Fp4FromFloat(x4[i])), y4[i]) << x4[i];
    EXPECT_EQ(Fp4ToFloat(Fp4FromFloat(-x4[i])), -y4[i]) << x4[i];
  }
  const std::vector<float> x8 = Floats(Vectors()["e4m3_round"]["x"]);
  const std::vector<float> y8 = Floats(Vectors()["e4m3_round"]["y"]);
  for (size_t i = 0; i < x8.size(); ++i) {
    EXPECT_EQ(Fp8ToFloat(Fp8FromFloat(x8[i])), y8[i]) << x8[i];
    EXPECT_EQ(Fp8ToFloat(Fp8FromFloat(-x8[i])), -y8[i]) << x8[i];
  }
}

TEST(MicroVectors, SinkhornSplit) {
  const auto& vector = Vectors()["hc_split_sinkhorn"];
  const std::vector<float> mixes = Floats(vector["mixes"]);
  const std::vector<float> base = Floats(vector["base"]);
  const std::vector<float> scale = Floats(vector["scale"]);
  float pre[4];
  float post[4];
  float mix[16];
  SplitMixes(4, 20, 1e-6f, mixes.data(), base.data(), scale.data(), pre, post,
             mix);
  ExpectWithinUlps(Floats(vector["pre"]), pre, 1);
  ExpectWithinUlps(Floats(vector["post"]), post, 1);
  // Twenty rounds of divisions keep the first round's last bits.
  ExpectWithinUlps(Floats(vector["comb_rowmajor"]), mix, 8);
}

TEST(MicroVectors, Hadamard) {
  const auto& vector = Vectors()["hadamard128"];
  std::vector<float> x = Floats(vector["x"]);
  const std::vector<float> y = Floats(vector["y_bf16"]);
  Hadamard(x.data(), 128);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(RoundToBf16(x[i]), y[i]) << i;
}

TEST(MicroVectors, RotaryAtPosition1000AndBack) {
  const auto& vector = Vectors()["rope_pos1000_yarn"];
  const std::vector<float> frequencies =
      Floats(Vectors()["inv_freq_yarn_160000_f16_o65536"]);
  float cosines[32];
  float sines[32];
  for (size_t i = 0; i < 32; ++i) {
    const float angle = 1000.0f * frequencies[i];
    cosines[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
    sines[i] = static_cast<float>(std::sin(static_cast<double>(angle)));
  }
  std::vector<float> x = Floats(vector["x"]);
  const std::vector<float> turned = Floats(vector["y_bf16"]);
  const std::vector<float> back = Floats(vector["inverse_of_y_bf16"]);
  Rotate({cosines, sines}, x.data(), 64);
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(RoundToBf16(x[i]), turned[i]) << i;
  x = turned;
  RotateBack({cosines, sines}, x.data(), 64);
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(RoundToBf16(x[i]), back[i]) << i;
}

TEST(MicroVectors, Gate) {
  const auto& vector = Vectors()["gate_top3_scale2.5"];
  const std::vector<float> logits = Floats(vector["logits"]);
  const std::vector<float> bias = Floats(vector["bias"]);
  const std::vector<int32_t> chosen = vector["idx"];
  std::vector<float> scores;
  for (const float logit : logits) scores.push_back(GateScore(logit));
  ExpectWithinUlps(Floats(vector["scores"]), scores.data(), 1);

  TestTensor gate(BALEEN_TYPE_BF16, {8, 1});
  TestTensor biases(BALEEN_TYPE_F32, {8});
  TestTensor experts(BALEEN_TYPE_I32, {1, 3});
  TestTensor weights(BALEEN_TYPE_F32, {1, 3});
  for (int64_t i = 0; i < 8; ++i) {
    biases.Set(bias[static_cast<size_t>(i)], i);
  }
  baleen_router_args args = {};
  args.gate = gate.get();
  args.bias = biases.get();
  args.experts = experts.get();
  args.weights = weights.get();
  args.route_scale = 2.5f;
  ChooseExperts(args, 0, scores.data());
  WeighExperts(args, 0, scores.data());
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(experts.At<int32_t>(0, i), chosen[static_cast<size_t>(i)]);
  }
  ExpectWithinUlps(Floats(vector["weights"]), &weights.At<float>(0, 0), 2);
}

TEST(MicroVectors, PooledCsa) {
  constexpr int64_t kSize = 8;
  constexpr int64_t kRatio = 4;
  const auto& vector = Vectors()["csa_pool_ratio4_d8"];
  const std::vector<float> kv = Floats(vector["kv"]);
  const std::vector<float> gate = Floats(vector["gate"]);
  const std::vector<float> ape = Floats(vector["ape"]);
  const std::vector<float> pooled = Floats(vector["pooled"]);
  for (int64_t group = 0; group < 2; ++group) {
    std::vector<GroupRow> rows;
    for (int64_t p = std::max<int64_t>((group - 1) * kRatio, 0);
         p < (group + 1) * kRatio; ++p) {
      const int64_t half = p >= group * kRatio ? kSize : 0;
      const int64_t at = p * 2 * kSize + half;
      rows.push_back(
          {&kv[static_cast<size_t>(at)], &gate[static_cast<size_t>(at)],
           &ape[static_cast<size_t>(p % kRatio * 2 * kSize + half)]});
    }
    float got[kSize];
    PoolGroup(rows.data(), static_cast<int64_t>(rows.size()), kSize, got);
    for (int64_t i = 0; i < kSize; ++i) {
      // Eight terms of at most 2, summed in an order that torch leaves open.
      EXPECT_NEAR(pooled[static_cast<size_t>(group * kSize + i)], got[i],
                  2e-7f);
    }
  }
}

// The vectors of the generator's authors (Random123's kat_vectors).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c,
                                     0x9b00dbd8}));
  EXPECT_EQ(Philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6,
                                     0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                   {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420,
                                     0x24126ea1}));
}

}  // namespace
}  // namespace baleen::cpu
