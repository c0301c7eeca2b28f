// The numbers of a DeepSeek-V4 checkpoint, from its configuration (model.md §1.2).
//
// Both key styles are read: that of config.json (Hugging Face) and that of
// inference/config.json.  Every number that sizes memory or a loop is checked
// against bounds here, so nothing behind it need fear a hostile file.
#pragma once

#include <cstdint>

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"

namespace baleen::deepseek_v4 {

// What the routed experts' weights are stored as.
enum class ExpertType {
  kUnknown,  // Not said: the checkpoint's tensors decide.
  kFp4,      // e2m1, an e8m0 scale for each 32 of a row.
  kFp8       // e4m3 in blocks of 128 x 128.
};

enum class Drafter { kNone, kMtp, kDspark };

struct Config {
  // Sizes.  Letters are those of backend.h.
  int32_t vocabulary = 0;  // V
  int32_t hidden = 0;      // D
  int32_t layers = 0;
  int32_t hash_layers = 0;    // The first ones, routed by token.
  int32_t heads = 0;          // H
  int32_t head_size = 0;      // K
  int32_t rope_size = 0;      // The last of a head's.
  int32_t query_rank = 0;     // Q
  int32_t output_groups = 0;  // G
  int32_t output_rank = 0;    // O
  int32_t window = 0;
  int32_t index_heads = 0;        // I
  int32_t index_head_size = 0;    // J
  int32_t index_top = 0;          // N
  int32_t experts = 0;            // E
  int32_t experts_per_token = 0;  // A
  int32_t shared_experts = 0;     // 1
  int32_t expert_inner = 0;       // F
  int32_t streams = 0;            // M
  int32_t sinkhorn_iterations = 0;

  // Of each layer, drafter blocks behind the main ones: 0, 4 or 128.
  Vector<int32_t> ratios;

  float norm_epsilon = 0;
  float hc_epsilon = 0;
  float route_scale = 0;
  float swiglu_limit = 0;  // 0: none.

  // Rotation (model.md §3.6): `rope_base` for layers of ratio 0, the rest for
  // the others.
  double rope_base = 0;
  double compress_rope_base = 0;
  double rope_factor = 1;  // YaRN; 1: none.
  int64_t rope_original_positions = 0;
  double rope_beta_fast = 32;
  double rope_beta_slow = 1;

  int64_t position_limit = 0;
  int32_t bos = 0;
  int32_t eos = 1;
  ExpertType expert_type = ExpertType::kUnknown;

  // DSpark (model.md §14); 0 or empty without.
  int32_t dspark_block = 0;
  int32_t dspark_noise_token = 0;
  int32_t dspark_markov_rank = 0;
  Vector<int32_t> dspark_target_layers;

  explicit Config(Memory* memory)
      : ratios(memory), dspark_target_layers(memory) {}
};

// `name` is what messages call the file.  BALEEN_UNSUPPORTED for another
// architecture (V4.1 among them), BALEEN_CORRUPT for what cannot be.
Result<Config> ParseConfig(Json root, const char* name, Memory* memory);

}  // namespace baleen::deepseek_v4
