// Configurations: the published ones give the report's numbers in both styles of
// keys, and what cannot be is refused by name.
#include "models/deepseek_v4/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <new>
#include <nlohmann/json.hpp>
#include <string>

#include "unit/failing_memory.h"

namespace baleen::deepseek_v4 {
namespace {

constexpr char kName[] = "m/config.json";

std::string ReadTestFile(const std::string& name) {
  std::ifstream in(BALEEN_TEST_DATA "/" + name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<Config> ParseText(const std::string& text, Memory* memory) {
  BALEEN_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse(text, kName, memory));
  return ParseConfig(document.root(), kName, memory);
}

class ConfigTest : public ::testing::Test {
 protected:
  Result<Config> Parse(const std::string& text) {
    return ParseText(text, &memory_);
  }

  // Flash's config.json with one member changed; null removes it.
  Result<Config> ParseWith(const char* pointer, const char* value) {
    auto json = nlohmann::json::parse(
        ReadTestFile("configs/DeepSeek-V4-Flash.config.json"));
    const nlohmann::json::json_pointer place(pointer);
    if (std::string(value).empty()) {
      json.at(place.parent_pointer()).erase(place.back());
    } else {
      json[place] = nlohmann::json::parse(value);
    }
    return Parse(json.dump());
  }

  HostMemory memory_{nullptr};
};

TEST_F(ConfigTest, ReadsBothKeyStylesOfEveryRelease) {
  const struct {
    const char* file;
    int32_t hidden, layers, heads, query_rank, groups, experts, inner, top;
    float route_scale;
    ExpertType expert_type;
    size_t ratios;
    int32_t dspark_block;
  } kFiles[] = {
      {"DeepSeek-V4-Flash.config.json", 4096, 43, 64, 1024, 8, 256, 2048, 512,
       1.5F, ExpertType::kUnknown, 44, 0},
      {"DeepSeek-V4-Flash.inference_config.json", 4096, 43, 64, 1024, 8, 256,
       2048, 512, 1.5F, ExpertType::kFp4, 44, 0},
      {"DeepSeek-V4-Pro.config.json", 7168, 61, 128, 1536, 16, 384, 3072, 1024,
       2.5F, ExpertType::kFp4, 62, 0},
      {"DeepSeek-V4-Pro.inference_config.json", 7168, 61, 128, 1536, 16, 384,
       3072, 1024, 2.5F, ExpertType::kFp4, 62, 0},
      {"DeepSeek-V4-Flash-0731-REAP160.config.json", 4096, 43, 64, 1024, 8, 160,
       2048, 512, 1.5F, ExpertType::kFp4, 46, 5},
      {"DeepSeek-V4-Flash-0731-REAP160.inference_config.json", 4096, 43, 64,
       1024, 8, 160, 2048, 512, 1.5F, ExpertType::kFp4, 46, 5},
  };
  for (const auto& expected : kFiles) {
    SCOPED_TRACE(expected.file);
    const Result<Config> config =
        Parse(ReadTestFile(std::string("configs/") + expected.file));
    ASSERT_TRUE(config.ok()) << config.status().message();
    const Config& c = *config;
    EXPECT_EQ(c.hidden, expected.hidden);
    EXPECT_EQ(c.layers, expected.layers);
    EXPECT_EQ(c.heads, expected.heads);
    EXPECT_EQ(c.query_rank, expected.query_rank);
    EXPECT_EQ(c.output_groups, expected.groups);
    EXPECT_EQ(c.experts, expected.experts);
    EXPECT_EQ(c.expert_inner, expected.inner);
    EXPECT_EQ(c.index_top, expected.top);
    EXPECT_EQ(c.route_scale, expected.route_scale);
    EXPECT_EQ(c.expert_type, expected.expert_type);
    EXPECT_EQ(c.ratios.size(), expected.ratios);
    EXPECT_EQ(c.dspark_block, expected.dspark_block);
    // The same in all.
    EXPECT_EQ(c.vocabulary, 129280);
    EXPECT_EQ(c.hash_layers, 3);
    EXPECT_EQ(c.head_size, 512);
    EXPECT_EQ(c.rope_size, 64);
    EXPECT_EQ(c.output_rank, 1024);
    EXPECT_EQ(c.window, 128);
    EXPECT_EQ(c.index_heads, 64);
    EXPECT_EQ(c.index_head_size, 128);
    EXPECT_EQ(c.experts_per_token, 6);
    EXPECT_EQ(c.shared_experts, 1);
    EXPECT_EQ(c.streams, 4);
    EXPECT_EQ(c.sinkhorn_iterations, 20);
    EXPECT_EQ(c.norm_epsilon, 1e-6F);
    EXPECT_EQ(c.hc_epsilon, 1e-6F);
    EXPECT_EQ(c.swiglu_limit, 10.0F);
    EXPECT_EQ(c.rope_base, 10000.0);
    EXPECT_EQ(c.compress_rope_base, 160000.0);
    EXPECT_EQ(c.rope_factor, 16.0);
    EXPECT_EQ(c.rope_original_positions, 65536);
    EXPECT_EQ(c.rope_beta_fast, 32.0);
    EXPECT_EQ(c.rope_beta_slow, 1.0);
    EXPECT_EQ(c.position_limit, 1048576);
    EXPECT_EQ(c.bos, 0);
    EXPECT_EQ(c.eos, 1);
    EXPECT_EQ(c.ratios[2], 4);
    EXPECT_EQ(c.ratios[3], 128);
    EXPECT_EQ(c.ratios.back(), 0);
  }
}

TEST_F(ConfigTest, ReadsDspark) {
  const Result<Config> config =
      Parse(ReadTestFile("configs/DeepSeek-V4-Flash-0731-REAP160.config.json"));
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->dspark_noise_token, 128799);
  EXPECT_EQ(config->dspark_markov_rank, 256);
  ASSERT_EQ(config->dspark_target_layers.size(), 3u);
  EXPECT_EQ(config->dspark_target_layers[0], 40);
  EXPECT_EQ(config->dspark_target_layers[2], 42);
}

TEST_F(ConfigTest, ReadsTheBundledModels) {
  for (const char* name : {"pocket", "tiny_v4", "tiny_v4_dspark"}) {
    const Result<Config> config =
        Parse(ReadTestFile(std::string(name) + "/config.json"));
    EXPECT_TRUE(config.ok()) << name << ": " << config.status().message();
  }
}

TEST_F(ConfigTest, RefusesOtherArchitecturesClearly) {
  const Result<Config> config =
      Parse(ReadTestFile("configs/DeepSeek-V4.1-Flash.config.json"));
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), BALEEN_UNSUPPORTED);
  EXPECT_STREQ(config.status().message(),
               "m/config.json is of model_type deepseek_v41, another "
               "architecture than deepseek_v4");
  EXPECT_EQ(ParseWith("/model_type", "\"llama\"").status().code(),
            BALEEN_UNSUPPORTED);
  EXPECT_EQ(ParseWith("/model_type", "").status().code(), BALEEN_UNSUPPORTED);
}

TEST_F(ConfigTest, TakesWhatIsAbsentOrNullForTheUsual) {
  for (const char* key :
       {"/quantization_config", "/rms_norm_eps", "/hc_eps", "/bos_token_id",
        "/eos_token_id", "/n_shared_experts", "/max_position_embeddings",
        "/quantization_config/scale_fmt", "/hidden_act",
        "/num_nextn_predict_layers"}) {
    for (const char* value : {"", "null"}) {
      const Result<Config> config = ParseWith(key, value);
      ASSERT_TRUE(config.ok()) << key << config.status().message();
      EXPECT_EQ(config->norm_epsilon, 1e-6F);
      EXPECT_EQ(config->eos, 1);
      EXPECT_EQ(config->position_limit, 1048576);
    }
  }
  const Result<Config> config = ParseWith("/rope_scaling", "null");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->rope_factor, 1.0);
  EXPECT_EQ(ParseWith("/swiglu_limit", "")->swiglu_limit, 0.0F);
}

TEST_F(ConfigTest, RefusesWhatItCannotCompute) {
  const struct {
    const char* key;
    const char* value;
  } kCases[] = {{"/hidden_act", "\"gelu\""},
                {"/scoring_func", "\"sigmoid\""},
                {"/topk_method", "\"greedy\""},
                {"/norm_topk_prob", "false"},
                {"/tie_word_embeddings", "true"},
                {"/attention_bias", "true"},
                {"/num_key_value_heads", "8"},
                {"/expert_dtype", "\"bf16\""},
                {"/expert_dtype", "4"},
                {"/quantization_config/quant_method", "\"awq\""},
                {"/quantization_config/fmt", "\"e5m2\""},
                {"/quantization_config/scale_fmt", "\"float\""},
                {"/quantization_config/activation_scheme", "\"static\""},
                {"/quantization_config/weight_block_size", "[32,32]"},
                {"/quantization_config/weight_block_size", "[128]"},
                {"/rope_scaling/type", "\"linear\""},
                {"/compress_ratios/3", "2"},
                {"/compress_ratios/43", "4"},
                {"/hidden_size", "4160"},
                {"/q_lora_rank", "1000"},
                {"/moe_intermediate_size", "2000"},
                {"/head_dim", "500"},
                {"/qk_rope_head_dim", "63"},
                {"/qk_rope_head_dim", "32"},
                {"/index_head_dim", "96"},
                {"/o_lora_rank", "1"}};
  for (const auto& test : kCases) {
    const Status status = ParseWith(test.key, test.value).status();
    EXPECT_EQ(status.code(), BALEEN_UNSUPPORTED)
        << test.key << " " << test.value << ": " << status.message();
    EXPECT_NE(std::string(status.message()).find(kName), std::string::npos)
        << status.message();
  }
}

TEST_F(ConfigTest, RefusesWhatCannotBe) {
  const struct {
    const char* key;
    const char* value;
  } kCases[] = {{"/vocab_size", "0"},
                {"/vocab_size", "-1"},
                {"/vocab_size", "1e3"},
                {"/vocab_size", "99999999999999999999"},
                {"/vocab_size", "\"129280\""},
                {"/hidden_size", ""},
                {"/hidden_size", "2147483648"},
                {"/num_hidden_layers", "0"},
                {"/num_hidden_layers", "42000"},
                {"/num_hidden_layers", "45"},
                {"/num_hidden_layers", "20"},
                {"/num_hash_layers", "44"},
                {"/num_attention_heads", "63"},
                {"/head_dim", "0"},
                {"/qk_rope_head_dim", "1024"},
                {"/qk_rope_head_dim", "192"},
                {"/o_groups", "0"},
                {"/sliding_window", "0"},
                {"/index_topk", "0"},
                {"/index_head_dim", "16"},
                {"/n_routed_experts", "5"},
                {"/n_routed_experts", "1000000"},
                {"/n_shared_experts", "2"},
                {"/num_experts_per_tok", "0"},
                {"/hc_mult", "0"},
                {"/hc_sinkhorn_iters", "0"},
                {"/bos_token_id", "129280"},
                {"/eos_token_id", "-1"},
                {"/compress_ratios", ""},
                {"/compress_ratios", "7"},
                {"/compress_ratios/3", "\"4\""},
                {"/rms_norm_eps", "-1"},
                {"/rms_norm_eps", "0"},
                {"/routed_scaling_factor", ""},
                {"/routed_scaling_factor", "0"},
                {"/swiglu_limit", "-1"},
                {"/rope_theta", "0"},
                {"/rope_theta", ""},
                {"/compress_rope_theta", ""},
                {"/rope_scaling", "16"},
                {"/rope_scaling/factor", "0.5"},
                {"/rope_scaling/beta_slow", "64"},
                {"/rope_scaling/original_max_position_embeddings", ""},
                {"/max_position_embeddings", "0"},
                {"/max_position_embeddings", "1e12"},
                {"/quantization_config", "\"fp8\""},
                {"/dspark_target_layer_ids", "[43]"},
                {"/dspark_target_layer_ids", "40"},
                {"/dspark_noise_token_id", "129280"},
                {"/dspark_block_size", "1000000"}};
  for (const auto& test : kCases) {
    const Status status = ParseWith(test.key, test.value).status();
    EXPECT_EQ(status.code(), BALEEN_CORRUPT)
        << test.key << " " << test.value << ": " << status.message();
    EXPECT_NE(std::string(status.message()).find(kName), std::string::npos)
        << status.message();
  }
  EXPECT_EQ(Parse("[]").status().code(), BALEEN_CORRUPT);
}

TEST_F(ConfigTest, EveryTruncationAndBitFlipIsDefined) {
  const std::string good = ReadTestFile("pocket/config.json");
  const auto parse = [&](const std::string& text) {
    const Result<Config> config = Parse(text);
    if (!config.ok()) {
      EXPECT_NE(std::string(config.status().message()).find(kName),
                std::string::npos)
          << config.status().message();
    }
    return config.ok();
  };
  const size_t end = good.find_last_of('}');
  for (size_t size = 0; size <= end; ++size) {
    EXPECT_FALSE(parse(good.substr(0, size))) << size;
  }
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string changed = good;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    if (!parse(changed)) ++refused;
  }
  // About a third of the flips hit keys that nobody reads, or turn a number
  // into another that may be.
  EXPECT_GT(refused, 4 * good.size());
}

TEST_F(ConfigTest, EveryFailingAllocationLeavesNothing) {
  const std::string text =
      ReadTestFile("configs/DeepSeek-V4-Flash-0731-REAP160.config.json");
  bool failed = true;
  int64_t k = 1;
  for (; failed; ++k) {
    FailingMemory memory(k);
    failed = false;
    try {
      EXPECT_TRUE(ParseText(text, &memory).ok());
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    EXPECT_EQ(memory.outstanding(), 0);
  }
  EXPECT_GT(k, 2);
}

}  // namespace
}  // namespace baleen::deepseek_v4
