// The weights of a checkpoint under the names of the report, as they lie in its
// files.  Nothing is copied: `data` and `scales` point into the mapped files.
//
// Matrices are [outer, inner] (model.md §2.2); quantized ones carry their scales
// and block sizes in the tensor.
#pragma once

#include <baleen/backend.h>

#include "base/memory.h"
#include "base/status.h"
#include "format/checkpoint.h"
#include "models/deepseek_v4/config.h"

namespace baleen::deepseek_v4 {

using Tensor = baleen_tensor;

// Manifold-constrained hyper-connections of one half-layer (model.md §5).
struct HyperWeights {
  Tensor fn = {};     // f32 [(2 + M) * M, M * D]; of the head [M, M * D]
  Tensor base = {};   // f32 [(2 + M) * M]; of the head [M]
  Tensor scale = {};  // f32 [3]; of the head [1]
};

struct CompressorWeights {
  Tensor ape = {};    // f32 [ratio, c * K]
  Tensor wkv = {};    // bf16 [c * K, D]
  Tensor wgate = {};  // bf16 [c * K, D]
  Tensor norm = {};   // bf16 [K]
};

struct IndexerWeights {
  Tensor wq_b = {};          // fp8 [I * J, Q]
  Tensor weights_proj = {};  // bf16 [I, D]
  CompressorWeights compressor;
};

struct AttentionWeights {
  Tensor norm = {};              // bf16 [D]
  Tensor sink = {};              // f32 [H]
  Tensor wq_a = {};              // fp8 [Q, D]
  Tensor q_norm = {};            // bf16 [Q]
  Tensor wq_b = {};              // fp8 [H * K, Q]
  Tensor wkv = {};               // fp8 [K, D]
  Tensor kv_norm = {};           // bf16 [K]
  Tensor wo_a = {};              // fp8 [G * O, H / G * K]
  Tensor wo_b = {};              // fp8 [D, G * O]
  CompressorWeights compressor;  // Empty (data NULL) for ratio 0.
  IndexerWeights indexer;        // Empty unless ratio is 4.
};

struct ExpertWeights {
  Tensor w1 = {};  // gate [F, D]
  Tensor w3 = {};  // up [F, D]
  Tensor w2 = {};  // down [D, F]
};

struct MoeWeights {
  Tensor norm = {};   // bf16 [D]
  Tensor gate = {};   // bf16 [E, D]
  Tensor bias = {};   // f32 [E]; empty in hash-routed layers
  Tensor table = {};  // i64 or i32 [V, A]; empty in learned layers
  Vector<ExpertWeights> experts;
  ExpertWeights shared;

  explicit MoeWeights(Memory* memory) : experts(memory) {}
};

struct LayerWeights {
  int32_t ratio = 0;  // 0: window only; 4: CSA; 128: HCA.
  bool hash_routed = false;
  HyperWeights attention_hyper;
  AttentionWeights attention;
  HyperWeights moe_hyper;
  MoeWeights moe;

  explicit LayerWeights(Memory* memory) : moe(memory) {}
};

// The V3-style drafter (model.md §13).
struct MtpWeights {
  Tensor enorm = {};   // bf16 [D]
  Tensor hnorm = {};   // bf16 [D]
  Tensor e_proj = {};  // fp8 [D, D]
  Tensor h_proj = {};  // fp8 [D, D]
  LayerWeights layer;
  HyperWeights head_hyper;
  Tensor norm = {};  // bf16 [D]

  explicit MtpWeights(Memory* memory) : layer(memory) {}
};

// The DSpark drafter (model.md §14): three stages, a Markov head.
struct DsparkWeights {
  Tensor main_proj = {};  // fp8 [D, 3 * D]
  Tensor main_norm = {};  // bf16 [D]
  Vector<LayerWeights> stages;
  HyperWeights head_hyper;
  Tensor norm = {};        // bf16 [D]
  Tensor markov_w1 = {};   // bf16 [V, rank]
  Tensor markov_w2 = {};   // bf16 [V, rank]
  Tensor confidence = {};  // bf16 [1, D + rank]

  explicit DsparkWeights(Memory* memory) : stages(memory) {}
};

struct Weights {
  Tensor embed = {};  // bf16 [V, D]
  Vector<LayerWeights> layers;
  HyperWeights head_hyper;
  Tensor norm = {};  // bf16 [D]
  Tensor head = {};  // bf16 [V, D]
  Drafter drafter = Drafter::kNone;
  Vector<MtpWeights> mtp;        // One if drafter is kMtp.
  Vector<DsparkWeights> dspark;  // One if drafter is kDspark.

  // Totals of the files' tensors that the model uses.  Parameters are elements,
  // those of scales left out.
  uint64_t tensor_count = 0;
  uint64_t parameter_count = 0;
  uint64_t byte_count = 0;
  uint64_t bytes_by_part[16] = {};  // BALEEN_PART_*
  uint64_t unused_count = 0;        // Tensors of the files beside them.

  explicit Weights(Memory* memory)
      : layers(memory), mtp(memory), dspark(memory) {}
};

// Is shown tensors as they are imagined: name, type and shape, lent for the
// call.  For what writes checkpoints.
class TensorVisitor {
 public:
  virtual void Visit(const StoredTensor& tensor) = 0;

 protected:
  ~TensorVisitor() = default;
};

// Finds every tensor that the configuration calls for and checks its type and
// shape; the message of a failure names it.  `config` gains what only the
// tensors know: the experts' type and the drafter's number of blocks.
Result<Weights> FindWeights(const Checkpoint& checkpoint, Config* config,
                            Memory* memory);

// The same tensors without data, as a checkpoint of this configuration would
// have them: for memory plans and for sessions that only count.
// `expert_type` kUnknown means FP4; FP8 means a Base checkpoint, with scales in
// F32.  `visitor`, unless NULL, is shown each of them.
Result<Weights> ImagineWeights(const Config& config, Drafter drafter,
                               Memory* memory,
                               TensorVisitor* visitor = nullptr);

}  // namespace baleen::deepseek_v4
