#include "benchmarks/slice/slice_config.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "benchmarks/slice/slice.h"

namespace baleen::slice {
namespace {

using nlohmann::ordered_json;

// A slice: whose configuration, and what replaces its members.
struct Recipe {
  const char* kind;
  const char* base;
  const char* changes;
};

constexpr Recipe kRecipes[] = {
    {"flash", "configs/DeepSeek-V4-Flash.config.json", R"({
       "num_hidden_layers": 6, "compress_ratios": [0, 0, 4, 128, 4, 128],
       "num_hash_layers": 3, "n_routed_experts": 64, "vocab_size": 16384})"},
    {"attention", "configs/DeepSeek-V4-Flash.config.json", R"({
       "num_hidden_layers": 2, "compress_ratios": [4, 128],
       "num_hash_layers": 0, "n_routed_experts": 8, "num_experts_per_tok": 2,
       "moe_intermediate_size": 128, "vocab_size": 16384})"},
    {"pro", "configs/DeepSeek-V4-Pro.config.json", R"({
       "num_hidden_layers": 4, "compress_ratios": [128, 128, 4, 128],
       "num_hash_layers": 2, "n_routed_experts": 32, "vocab_size": 16384})"},
    {"micro", "configs/DeepSeek-V4-Flash.config.json", R"({
       "num_hidden_layers": 4, "compress_ratios": [0, 4, 128, 4],
       "num_hash_layers": 1, "n_routed_experts": 8, "num_experts_per_tok": 2,
       "moe_intermediate_size": 128, "vocab_size": 512, "hidden_size": 256,
       "num_attention_heads": 4, "q_lora_rank": 128, "o_groups": 2,
       "o_lora_rank": 128, "index_n_heads": 4, "index_topk": 16})"}};

const Recipe& FindRecipe(const std::string& kind) {
  for (const Recipe& recipe : kRecipes) {
    if (kind == recipe.kind) return recipe;
  }
  throw std::runtime_error("there is no slice " + kind);
}

std::string ReadData(const std::string& name) {
  const std::string path = BALEEN_TEST_DATA "/" + name;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::vector<std::string> SliceKinds() {
  std::vector<std::string> kinds;
  for (const Recipe& recipe : kRecipes) kinds.emplace_back(recipe.kind);
  return kinds;
}

std::string SliceConfig(const std::string& kind) {
  const Recipe& recipe = FindRecipe(kind);
  ordered_json config = ordered_json::parse(ReadData(recipe.base));
  config.update(ordered_json::parse(recipe.changes));
  // No drafter: what is measured is the model.
  config["num_nextn_predict_layers"] = 0;
  return config.dump(2) + "\n";
}

std::string SliceGenerationConfig() {
  return ReadData("configs/generation_config.json");
}

}  // namespace baleen::slice
