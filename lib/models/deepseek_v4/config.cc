#include "models/deepseek_v4/config.h"

#include <algorithm>
#include <cmath>

namespace baleen::deepseek_v4 {
namespace {

// A number, under its key in config.json and in inference/config.json.
struct IntegerKey {
  const char* key;
  const char* inference_key;
  int32_t Config::*field;
  int32_t least;
  int32_t most;
  int32_t multiple;  // Of what it must be a multiple.
  int32_t fallback;  // -1: required.
};

// The limits are far above any model there is (V4-Pro: 7168 hidden, 61 layers,
// 384 experts) and low enough that products of any three, as sizes in bytes,
// stay below 2^63 and those of two that name a row or column below 2^31.
// Multiples of 128 are those of the quantized blocks along a row (model.md
// §2.3, §3.2), of 64 those of a stored entry (model.md §3.2).
constexpr IntegerKey kIntegers[] = {
    {"vocab_size", "vocab_size", &Config::vocabulary, 1, 1 << 24, 1, -1},
    {"hidden_size", "dim", &Config::hidden, 128, 1 << 16, 128, -1},
    {"num_hidden_layers", "n_layers", &Config::layers, 1, 1024, 1, -1},
    {"num_hash_layers", "n_hash_layers", &Config::hash_layers, 0, 1024, 1, -1},
    {"num_attention_heads", "n_heads", &Config::heads, 1, 4096, 1, -1},
    {"head_dim", "head_dim", &Config::head_size, 64, 4096, 64, -1},
    {"qk_rope_head_dim", "rope_head_dim", &Config::rope_size, 2, 4096, 2, -1},
    {"q_lora_rank", "q_lora_rank", &Config::query_rank, 128, 1 << 16, 128, -1},
    {"o_groups", "o_groups", &Config::output_groups, 1, 4096, 1, -1},
    {"o_lora_rank", "o_lora_rank", &Config::output_rank, 1, 1 << 14, 1, -1},
    {"sliding_window", "window_size", &Config::window, 1, 1 << 16, 1, -1},
    {"index_n_heads", "index_n_heads", &Config::index_heads, 1, 4096, 1, -1},
    {"index_head_dim", "index_head_dim", &Config::index_head_size, 32, 1024, 1,
     -1},
    {"index_topk", "index_topk", &Config::index_top, 1, 1 << 20, 1, -1},
    {"n_routed_experts", "n_routed_experts", &Config::experts, 1, 1 << 14, 1,
     -1},
    {"num_experts_per_tok", "n_activated_experts", &Config::experts_per_token,
     1, 64, 1, -1},
    {"n_shared_experts", "n_shared_experts", &Config::shared_experts, 1, 1, 1,
     1},
    {"moe_intermediate_size", "moe_inter_dim", &Config::expert_inner, 128,
     1 << 16, 128, -1},
    {"hc_mult", "hc_mult", &Config::streams, 1, 16, 1, -1},
    {"hc_sinkhorn_iters", "hc_sinkhorn_iters", &Config::sinkhorn_iterations, 1,
     1000, 1, -1},
    {"bos_token_id", "bos_token_id", &Config::bos, 0, 1 << 24, 1, 0},
    {"eos_token_id", "eos_token_id", &Config::eos, 0, 1 << 24, 1, 1},
    {"dspark_block_size", "dspark_block_size", &Config::dspark_block, 0, 64, 1,
     0},
    {"dspark_noise_token_id", "dspark_noise_token_id",
     &Config::dspark_noise_token, 0, 1 << 24, 1, 0},
    {"dspark_markov_rank", "dspark_markov_rank", &Config::dspark_markov_rank, 0,
     1 << 14, 1, 0}};

// Positions are int32 on devices, and a session has some to spare.
constexpr int64_t kMostPositions = int64_t{1} << 30;

// Each expert takes 312 bytes of host memory for its tensors' places.
constexpr int64_t kMostExpertsInAll = int64_t{1} << 20;

constexpr size_t kMostDrafterBlocks = 16;
constexpr size_t kMostTargetLayers = 16;

// Strings and flags that choose between ways to compute: those of V4.  Absent,
// they mean the same.
struct ChoiceKey {
  const char* key;
  const char* only;
};
constexpr ChoiceKey kChoices[] = {
    {"hidden_act", "silu"},         {"scoring_func", "sqrtsoftplus"},
    {"score_func", "sqrtsoftplus"}, {"topk_method", "noaux_tc"},
    {"norm_topk_prob", "true"},     {"tie_word_embeddings", "false"},
    {"attention_bias", "false"},    {"num_key_value_heads", "1"},
    {"scale_fmt", "ue8m0"}};
constexpr ChoiceKey kQuantizationChoices[] = {{"quant_method", "fp8"},
                                              {"fmt", "e4m3"},
                                              {"activation_scheme", "dynamic"},
                                              {"scale_fmt", "ue8m0"}};

class ConfigReader {
 public:
  ConfigReader(Json root, const char* name, Config* config)
      : root_(root), name_(name), config_(config) {}

  Status Read() {
    BALEEN_RETURN_IF_ERROR(CheckArchitecture());
    for (const ChoiceKey& choice : kChoices) {
      BALEEN_RETURN_IF_ERROR(CheckChoice(root_, choice));
    }
    BALEEN_RETURN_IF_ERROR(CheckQuantization());
    for (const IntegerKey& key : kIntegers) {
      BALEEN_RETURN_IF_ERROR(ReadInteger(key));
    }
    BALEEN_RETURN_IF_ERROR(ReadExpertType());
    BALEEN_RETURN_IF_ERROR(ReadRatios());
    BALEEN_RETURN_IF_ERROR(ReadReals());
    BALEEN_RETURN_IF_ERROR(ReadRotation());
    BALEEN_RETURN_IF_ERROR(ReadTargetLayers());
    BALEEN_RETURN_IF_ERROR(CheckSizes());
    return CheckTokens();
  }

 private:
  // A member that is null is as good as absent.
  Json Find(const char* key, const char* other_key) const {
    Json value = root_.Find(key);
    if (!value || value.IsNull()) value = root_.Find(other_key);
    return value.IsNull() ? Json() : value;
  }

  Status CheckArchitecture() const {
    if (!root_.IsObject()) return Corrupt("%s is not an object", name_);
    const Json type = root_.Find("model_type");
    if (type.IsString()) {
      if (type.text() == "deepseek_v4") return Status();
      return Unsupported(
          "%s is of model_type %.*s, another architecture than deepseek_v4",
          name_, PrintLength(type.text()), type.text().data());
    }
    // inference/config.json does not say; its key names do.
    if (root_.Find("dim") && root_.Find("n_layers")) return Status();
    return Unsupported("%s does not say model_type deepseek_v4", name_);
  }

  Status CheckChoice(Json object, const ChoiceKey& choice) const {
    const Json value = object.Find(choice.key);
    if (!value || value.IsNull()) return Status();
    const std::string_view text =
        value.IsString() ? value.text() : value.source();
    if (text == choice.only) return Status();
    return Unsupported("%s in %s is %.*s; only %s is supported", choice.key,
                       name_, PrintLength(text), text.data(), choice.only);
  }

  Status CheckQuantization() const {
    // config.json's dtype is that of activations; inference/config.json's that
    // of the weights.
    if (root_.Find("dim")) {
      BALEEN_RETURN_IF_ERROR(CheckChoice(root_, {"dtype", "fp8"}));
    }
    const Json quantization = root_.Find("quantization_config");
    if (!quantization || quantization.IsNull()) return Status();
    if (!quantization.IsObject()) {
      return Corrupt("quantization_config in %s is not an object", name_);
    }
    for (const ChoiceKey& choice : kQuantizationChoices) {
      BALEEN_RETURN_IF_ERROR(CheckChoice(quantization, choice));
    }
    const Json block = quantization.Find("weight_block_size");
    if (!block || block.IsNull()) return Status();
    bool is_128 = block.IsArray() && block.size() == 2;
    for (Json size : block) {
      int64_t value = 0;
      is_128 = is_128 && size.GetInt64(&value) && value == 128;
    }
    if (is_128) return Status();
    const std::string_view text = block.source();
    return Unsupported(
        "weight_block_size in %s is %.*s; only [128, 128] is supported", name_,
        PrintLength(text), text.data());
  }

  Status ReadInteger(const IntegerKey& key) {
    const Json value = Find(key.key, key.inference_key);
    if (!value) {
      if (key.fallback < 0) return Missing(key.key, key.inference_key);
      config_->*key.field = key.fallback;
      return Status();
    }
    int64_t number = 0;
    if (!value.GetInt64(&number) || number < key.least || number > key.most) {
      const std::string_view text = value.source();
      return Corrupt("%s in %s is %.*s, not an integer from %d to %d", key.key,
                     name_, PrintLength(text), text.data(), key.least,
                     key.most);
    }
    if (number % key.multiple != 0) {
      return Unsupported("%s in %s is %d; only multiples of %d are supported",
                         key.key, name_, static_cast<int>(number),
                         key.multiple);
    }
    config_->*key.field = static_cast<int32_t>(number);
    return Status();
  }

  Status Missing(const char* key, const char* other_key) const {
    return Corrupt("%s has neither %s nor %s", name_, key, other_key);
  }

  Status ReadExpertType() {
    const Json type = root_.Find("expert_dtype");
    if (!type || type.IsNull()) return Status();
    const std::string_view text = type.IsString() ? type.text() : type.source();
    if (text == "fp4") {
      config_->expert_type = ExpertType::kFp4;
    } else if (text == "fp8") {
      config_->expert_type = ExpertType::kFp8;
    } else {
      return Unsupported(
          "expert_dtype in %s is %.*s; only fp4 and fp8 are supported", name_,
          PrintLength(text), text.data());
    }
    return Status();
  }

  // One for each layer, then one for each of the drafter's blocks.
  Status ReadRatios() {
    const Json ratios = root_.Find("compress_ratios");
    if (!ratios.IsArray()) return Corrupt("%s has no compress_ratios", name_);
    const auto layers = static_cast<size_t>(config_->layers);
    if (ratios.size() < layers || ratios.size() > layers + kMostDrafterBlocks) {
      return Corrupt("compress_ratios in %s has %u elements for %d layers",
                     name_, ratios.size(), config_->layers);
    }
    config_->ratios.reserve(ratios.size());
    for (Json element : ratios) {
      const size_t layer = config_->ratios.size();
      int64_t ratio = 0;
      if (!element.GetInt64(&ratio)) {
        return Corrupt("compress_ratios in %s has no number for layer %zu",
                       name_, layer);
      }
      const bool drafter = layer >= layers;
      if (ratio != 0 && (drafter || (ratio != 4 && ratio != 128))) {
        return Unsupported(
            "compress_ratios in %s has %lld for %s %zu; only %s supported",
            name_, static_cast<long long>(ratio),
            drafter ? "drafter block" : "layer",
            drafter ? layer - layers : layer,
            drafter ? "0 is" : "0, 4 and 128 are");
      }
      config_->ratios.push_back(static_cast<int32_t>(ratio));
    }
    return Status();
  }

  // A real number of [least, most], or `fallback` if absent; NaN: required.
  Status ReadReal(Json object, const char* key, const char* other_key,
                  double least, double most, double fallback, double* out) {
    Json value = object.Find(key);
    if (!value || value.IsNull()) value = object.Find(other_key);
    if (!value || value.IsNull()) {
      if (std::isnan(fallback)) return Missing(key, other_key);
      *out = fallback;
      return Status();
    }
    double number = 0;
    if (!value.GetDouble(&number) || !(number >= least && number <= most)) {
      const std::string_view text = value.source();
      return Corrupt("%s in %s is %.*s, not a number from %g to %g", key, name_,
                     PrintLength(text), text.data(), least, most);
    }
    *out = number;
    return Status();
  }

  Status ReadFloat(const char* key, const char* other_key, double least,
                   double most, double fallback, float* out) {
    double number = 0;
    BALEEN_RETURN_IF_ERROR(
        ReadReal(root_, key, other_key, least, most, fallback, &number));
    *out = static_cast<float>(number);
    return Status();
  }

  Status ReadReals() {
    // inference/config.json leaves both epsilons to the code, which has 1e-6.
    // Below 1e-38 a float would be 0 or lose digits.
    BALEEN_RETURN_IF_ERROR(ReadFloat("rms_norm_eps", "norm_eps", 1e-38, 1, 1e-6,
                                     &config_->norm_epsilon));
    BALEEN_RETURN_IF_ERROR(
        ReadFloat("hc_eps", "hc_eps", 0, 1, 1e-6, &config_->hc_epsilon));
    BALEEN_RETURN_IF_ERROR(ReadFloat("routed_scaling_factor", "route_scale",
                                     1e-6, 1e6, NAN, &config_->route_scale));
    return ReadFloat("swiglu_limit", "swiglu_limit", 0, 1e30, 0,
                     &config_->swiglu_limit);
  }

  // Both key styles: an object rope_scaling, or its members beside the others.
  Status ReadRotation() {
    BALEEN_RETURN_IF_ERROR(ReadReal(root_, "rope_theta", "rope_theta", 2, 1e12,
                                    NAN, &config_->rope_base));
    const bool compressed =
        std::any_of(config_->ratios.begin(), config_->ratios.end(),
                    [](int32_t ratio) { return ratio != 0; });
    BALEEN_RETURN_IF_ERROR(ReadReal(
        root_, "compress_rope_theta", "compress_rope_theta", 2, 1e12,
        compressed ? NAN : config_->rope_base, &config_->compress_rope_base));

    Json scaling = root_.Find("rope_scaling");
    if (scaling && !scaling.IsNull()) {
      if (!scaling.IsObject()) {
        return Corrupt("rope_scaling in %s is not an object", name_);
      }
      BALEEN_RETURN_IF_ERROR(CheckChoice(scaling, {"type", "yarn"}));
      BALEEN_RETURN_IF_ERROR(CheckChoice(scaling, {"rope_type", "yarn"}));
    } else {
      scaling = root_;
    }
    double original = 0;
    BALEEN_RETURN_IF_ERROR(ReadReal(scaling, "factor", "rope_factor", 1, 1e6, 1,
                                    &config_->rope_factor));
    BALEEN_RETURN_IF_ERROR(
        ReadReal(scaling, "original_max_position_embeddings",
                 "original_seq_len", 1, static_cast<double>(kMostPositions),
                 config_->rope_factor > 1 ? NAN : 0, &original));
    config_->rope_original_positions = static_cast<int64_t>(original);
    BALEEN_RETURN_IF_ERROR(ReadReal(scaling, "beta_fast", "beta_fast", 1e-6,
                                    1e6, 32, &config_->rope_beta_fast));
    BALEEN_RETURN_IF_ERROR(ReadReal(scaling, "beta_slow", "beta_slow", 1e-6,
                                    1e6, 1, &config_->rope_beta_slow));
    if (config_->rope_beta_slow > config_->rope_beta_fast) {
      return Corrupt("beta_slow in %s is larger than beta_fast", name_);
    }
    return ReadPositionLimit();
  }

  // inference/config.json has none: as far as YaRN stretches.
  Status ReadPositionLimit() {
    const double stretched =
        static_cast<double>(config_->rope_original_positions) *
        config_->rope_factor;
    double limit = 0;
    BALEEN_RETURN_IF_ERROR(
        ReadReal(root_, "max_position_embeddings", "max_position_embeddings", 1,
                 static_cast<double>(kMostPositions),
                 std::clamp(stretched, 1.0, double{kMostPositions}), &limit));
    config_->position_limit = static_cast<int64_t>(limit);
    return Status();
  }

  Status ReadTargetLayers() {
    const Json layers = root_.Find("dspark_target_layer_ids");
    if (!layers || layers.IsNull()) return Status();
    if (!layers.IsArray() || layers.size() > kMostTargetLayers) {
      return Corrupt("dspark_target_layer_ids in %s is not a short array",
                     name_);
    }
    for (Json element : layers) {
      int64_t layer = 0;
      if (!element.GetInt64(&layer) || layer < 0 || layer >= config_->layers) {
        const std::string_view text = element.source();
        return Corrupt("dspark_target_layer_ids in %s has %.*s of %d layers",
                       name_, PrintLength(text), text.data(), config_->layers);
      }
      config_->dspark_target_layers.push_back(static_cast<int32_t>(layer));
    }
    return Status();
  }

  // What two sizes must be to each other.
  Status CheckSizes() const {
    const Config& c = *config_;
    if (c.hash_layers > c.layers) {
      return Corrupt("%s has %d hash layers of %d layers", name_, c.hash_layers,
                     c.layers);
    }
    if (c.rope_size > c.head_size || c.rope_size > c.index_head_size) {
      return Corrupt("%s rotates %d elements of heads of %d and %d", name_,
                     c.rope_size, c.head_size, c.index_head_size);
    }
    if ((c.head_size - c.rope_size) % 64 != 0) {
      return Unsupported(
          "%s leaves %d elements of a head unrotated; only multiples of 64 "
          "are supported",
          name_, c.head_size - c.rope_size);
    }
    if ((c.index_head_size & (c.index_head_size - 1)) != 0) {
      return Unsupported(
          "index_head_dim in %s is %d; only powers of two are supported", name_,
          c.index_head_size);
    }
    if (c.heads % c.output_groups != 0) {
      return Corrupt("%s has %d heads in %d output groups", name_, c.heads,
                     c.output_groups);
    }
    if (c.output_groups * c.output_rank % 128 != 0) {
      return Unsupported(
          "%s has %d output groups of rank %d; only products that are "
          "multiples of 128 are supported",
          name_, c.output_groups, c.output_rank);
    }
    if (c.experts_per_token > c.experts) {
      return Corrupt("%s sends a token to %d of %d experts", name_,
                     c.experts_per_token, c.experts);
    }
    if (int64_t{c.experts} * c.layers > kMostExpertsInAll) {
      return Unsupported("%s has %d layers of %d experts, too many", name_,
                         c.layers, c.experts);
    }
    return Status();
  }

  Status CheckTokens() const {
    const Config& c = *config_;
    const auto check = [&](const char* key, int32_t token) {
      if (token < c.vocabulary) return Status();
      return Corrupt("%s in %s is %d of a vocabulary of %d", key, name_, token,
                     c.vocabulary);
    };
    BALEEN_RETURN_IF_ERROR(check("bos_token_id", c.bos));
    BALEEN_RETURN_IF_ERROR(check("eos_token_id", c.eos));
    return check("dspark_noise_token_id", c.dspark_noise_token);
  }

  Json root_;
  const char* name_;
  Config* config_;
};

}  // namespace

Result<Config> ParseConfig(Json root, const char* name, Memory* memory) {
  Config config(memory);
  BALEEN_RETURN_IF_ERROR(ConfigReader(root, name, &config).Read());
  return config;
}

}  // namespace baleen::deepseek_v4
