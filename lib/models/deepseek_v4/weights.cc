// The walk over all tensors of a model (model.md §2.2, §14), the same for
// weights that are found and those that are imagined.
#include "models/deepseek_v4/weights.h"

#include "models/deepseek_v4/inventory.h"

namespace baleen::deepseek_v4 {
namespace {

constexpr StoredType kBf16 = StoredType::kBf16;
constexpr StoredType kF32 = StoredType::kF32;

// More would be no DeepSeek-V4; released checkpoints have three.
constexpr int32_t kMostStages = 16;

class WeightReader {
 public:
  WeightReader(const Checkpoint* checkpoint, const Config& config,
               Memory* memory, Weights* weights, TensorVisitor* visitor)
      : config_(config),
        memory_(memory),
        weights_(weights),
        inventory_(checkpoint, config.expert_type, weights, visitor) {}

  Status Main() {
    BALEEN_RETURN_IF_ERROR(Ends());
    const auto layers = static_cast<size_t>(config_.layers);
    weights_->layers.reserve(layers);
    for (int32_t i = 0; i < config_.layers; ++i) {
      const NameScope scope(&inventory_, "layers.", i);
      LayerWeights& layer = weights_->layers.emplace_back(memory_);
      layer.ratio = config_.ratios[static_cast<size_t>(i)];
      layer.hash_routed = i < config_.hash_layers;
      BALEEN_RETURN_IF_ERROR(Layer(&layer));
    }
    return Status();
  }

  // The V3-style block (model.md §13).
  Status Mtp() {
    const int64_t d = config_.hidden;
    whole_part_ = BALEEN_PART_DRAFTER;
    weights_->drafter = Drafter::kMtp;
    MtpWeights& mtp = weights_->mtp.emplace_back(memory_);
    const NameScope scope(&inventory_, "mtp.", 0);
    BALEEN_RETURN_IF_ERROR(Layer(&mtp.layer));
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("enorm.weight", kBf16, d, &mtp.enorm));
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("hnorm.weight", kBf16, d, &mtp.hnorm));
    BALEEN_RETURN_IF_ERROR(inventory_.Fp8("e_proj", d, d, &mtp.e_proj));
    BALEEN_RETURN_IF_ERROR(inventory_.Fp8("h_proj", d, d, &mtp.h_proj));
    return Head(&mtp.head_hyper, &mtp.norm);
  }

  // The DSpark drafter (model.md §14): the first stage has what comes in, the
  // last what goes out.
  Status Dspark(int32_t stages) {
    whole_part_ = BALEEN_PART_DRAFTER;
    weights_->drafter = Drafter::kDspark;
    DsparkWeights& dspark = weights_->dspark.emplace_back(memory_);
    dspark.stages.reserve(static_cast<size_t>(stages));
    for (int32_t i = 0; i < stages; ++i) {
      const NameScope scope(&inventory_, "mtp.", i);
      BALEEN_RETURN_IF_ERROR(Layer(&dspark.stages.emplace_back(memory_)));
      if (i == 0) BALEEN_RETURN_IF_ERROR(DsparkInput(&dspark));
      if (i == stages - 1) BALEEN_RETURN_IF_ERROR(DsparkOutput(&dspark));
    }
    return Status();
  }

 private:
  // Sets what part follows; in a drafter, all is the drafter's.
  void Part(int32_t part) {
    inventory_.set_part(whole_part_ >= 0 ? whole_part_ : part);
  }

  Status Ends() {
    const int64_t v = config_.vocabulary;
    const int64_t d = config_.hidden;
    Part(BALEEN_PART_EMBEDDING);
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("embed.weight", kBf16, v, d, &weights_->embed));
    Part(BALEEN_PART_HEAD);
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("head.weight", kBf16, v, d, &weights_->head));
    return Head(&weights_->head_hyper, &weights_->norm);
  }

  // What joins the streams before logits.
  Status Head(HyperWeights* hyper, Tensor* norm) {
    const int64_t m = config_.streams;
    const int64_t d = config_.hidden;
    Part(BALEEN_PART_HEAD);
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("hc_head_fn", kF32, m, m * d, &hyper->fn));
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("hc_head_base", kF32, m, &hyper->base));
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("hc_head_scale", kF32, 1, &hyper->scale));
    return inventory_.Plain("norm.weight", kBf16, d, norm);
  }

  Status Layer(LayerWeights* layer) {
    BALEEN_RETURN_IF_ERROR(Hyper("hc_attn_", &layer->attention_hyper));
    BALEEN_RETURN_IF_ERROR(inventory_.Plain(
        "attn_norm.weight", kBf16, config_.hidden, &layer->attention.norm));
    {
      const NameScope scope(&inventory_, "attn.");
      BALEEN_RETURN_IF_ERROR(Attention(layer->ratio, &layer->attention));
    }
    BALEEN_RETURN_IF_ERROR(Hyper("hc_ffn_", &layer->moe_hyper));
    BALEEN_RETURN_IF_ERROR(inventory_.Plain("ffn_norm.weight", kBf16,
                                            config_.hidden, &layer->moe.norm));
    const NameScope scope(&inventory_, "ffn.");
    return Moe(layer->hash_routed, &layer->moe);
  }

  // Leaves its part in force for the norm that the operator holds as well.
  Status Hyper(std::string_view prefix, HyperWeights* hyper) {
    const int64_t m = config_.streams;
    const int64_t rows = (2 + m) * m;
    Part(BALEEN_PART_HYPER);
    const NameScope scope(&inventory_, prefix);
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("fn", kF32, rows, m * config_.hidden, &hyper->fn));
    BALEEN_RETURN_IF_ERROR(inventory_.Plain("base", kF32, rows, &hyper->base));
    return inventory_.Plain("scale", kF32, 3, &hyper->scale);
  }

  Status Attention(int32_t ratio, AttentionWeights* attention) {
    const int64_t d = config_.hidden;
    const int64_t h = config_.heads;
    const int64_t k = config_.head_size;
    const int64_t q = config_.query_rank;
    const int64_t g = config_.output_groups;
    const int64_t go = g * config_.output_rank;
    Part(BALEEN_PART_ATTENTION);
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("attn_sink", kF32, h, &attention->sink));
    Part(BALEEN_PART_PROJECTION);
    BALEEN_RETURN_IF_ERROR(inventory_.Fp8("wq_a", q, d, &attention->wq_a));
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("q_norm.weight", kBf16, q, &attention->q_norm));
    BALEEN_RETURN_IF_ERROR(inventory_.Fp8("wq_b", h * k, q, &attention->wq_b));
    BALEEN_RETURN_IF_ERROR(inventory_.Fp8("wkv", k, d, &attention->wkv));
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("kv_norm.weight", kBf16, k, &attention->kv_norm));
    BALEEN_RETURN_IF_ERROR(
        inventory_.Fp8OrBf16("wo_a", go, h / g * k, &attention->wo_a));
    BALEEN_RETURN_IF_ERROR(inventory_.Fp8("wo_b", d, go, &attention->wo_b));
    if (ratio == 0) return Status();
    Part(BALEEN_PART_COMPRESSOR);
    BALEEN_RETURN_IF_ERROR(Compressor(ratio, k, &attention->compressor));
    return ratio == 4 ? Indexer(&attention->indexer) : Status();
  }

  // Windows of ratio 4 overlap: two columns for each element (model.md §7).
  Status Compressor(int32_t ratio, int64_t size, CompressorWeights* out) {
    const int64_t columns = ratio == 4 ? 2 * size : size;
    const NameScope scope(&inventory_, "compressor.");
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("ape", kF32, ratio, columns, &out->ape));
    BALEEN_RETURN_IF_ERROR(inventory_.Plain("wkv.weight", kBf16, columns,
                                            config_.hidden, &out->wkv));
    BALEEN_RETURN_IF_ERROR(inventory_.Plain("wgate.weight", kBf16, columns,
                                            config_.hidden, &out->wgate));
    return inventory_.Plain("norm.weight", kBf16, size, &out->norm);
  }

  Status Indexer(IndexerWeights* indexer) {
    const int64_t i = config_.index_heads;
    const int64_t j = config_.index_head_size;
    Part(BALEEN_PART_INDEXER);
    const NameScope scope(&inventory_, "indexer.");
    BALEEN_RETURN_IF_ERROR(
        inventory_.Fp8("wq_b", i * j, config_.query_rank, &indexer->wq_b));
    BALEEN_RETURN_IF_ERROR(inventory_.Plain("weights_proj.weight", kBf16, i,
                                            config_.hidden,
                                            &indexer->weights_proj));
    return Compressor(4, j, &indexer->compressor);
  }

  Status Moe(bool hash_routed, MoeWeights* moe) {
    const int64_t e = config_.experts;
    Part(BALEEN_PART_ROUTER);
    BALEEN_RETURN_IF_ERROR(
        inventory_.Plain("gate.weight", kBf16, e, config_.hidden, &moe->gate));
    if (hash_routed) {
      BALEEN_RETURN_IF_ERROR(
          inventory_.Table("gate.tid2eid", config_.vocabulary,
                           config_.experts_per_token, &moe->table));
    } else {
      BALEEN_RETURN_IF_ERROR(
          inventory_.Plain("gate.bias", kF32, e, &moe->bias));
    }
    Part(BALEEN_PART_EXPERTS);
    moe->experts.resize(static_cast<size_t>(e));
    for (int32_t i = 0; i < config_.experts; ++i) {
      const NameScope scope(&inventory_, "experts.", i);
      ExpertWeights& expert = moe->experts[static_cast<size_t>(i)];
      BALEEN_RETURN_IF_ERROR(Expert(&Inventory::Expert, &expert));
    }
    Part(BALEEN_PART_SHARED_EXPERT);
    const NameScope scope(&inventory_, "shared_experts.");
    return Expert(&Inventory::Fp8, &moe->shared);
  }

  // A routed or the shared one, each matrix got by `get`.
  Status Expert(Status (Inventory::*get)(std::string_view, int64_t, int64_t,
                                         Tensor*),
                ExpertWeights* expert) {
    const int64_t d = config_.hidden;
    const int64_t f = config_.expert_inner;
    BALEEN_RETURN_IF_ERROR((inventory_.*get)("w1", f, d, &expert->w1));
    BALEEN_RETURN_IF_ERROR((inventory_.*get)("w3", f, d, &expert->w3));
    return (inventory_.*get)("w2", d, f, &expert->w2);
  }

  Status DsparkInput(DsparkWeights* dspark) {
    const int64_t d = config_.hidden;
    const auto targets =
        static_cast<int64_t>(config_.dspark_target_layers.size());
    BALEEN_RETURN_IF_ERROR(
        inventory_.Fp8("main_proj", d, targets * d, &dspark->main_proj));
    return inventory_.Plain("main_norm.weight", kBf16, d, &dspark->main_norm);
  }

  Status DsparkOutput(DsparkWeights* dspark) {
    const int64_t v = config_.vocabulary;
    const int64_t r = config_.dspark_markov_rank;
    BALEEN_RETURN_IF_ERROR(inventory_.Plain("markov_head.markov_w1.weight",
                                            kBf16, v, r, &dspark->markov_w1));
    BALEEN_RETURN_IF_ERROR(inventory_.Plain("markov_head.markov_w2.weight",
                                            kBf16, v, r, &dspark->markov_w2));
    BALEEN_RETURN_IF_ERROR(inventory_.Plain("confidence_head.proj.weight",
                                            kBf16, 1, config_.hidden + r,
                                            &dspark->confidence));
    return Head(&dspark->head_hyper, &dspark->norm);
  }

  const Config& config_;
  Memory* memory_;
  Weights* weights_;
  Inventory inventory_;
  int32_t whole_part_ = -1;
};

// What the tensors of a checkpoint say that its configuration may leave open.
class Finder {
 public:
  Finder(const Checkpoint& checkpoint, Weights* weights)
      : checkpoint_(checkpoint),
        inventory_(&checkpoint, ExpertType::kUnknown, weights, nullptr) {}

  // From the first expert (model.md §16.1).  Anything odd about it is said
  // when it is read.
  ExpertType FindExpertType() const {
    constexpr std::string_view kName = "layers.0.ffn.experts.0.w1.weight";
    TensorName name;
    name.Append(kName);
    const StoredTensor* expert = checkpoint_.Find(name.plain());
    if (expert == nullptr) expert = checkpoint_.Find(name.prefixed());
    const bool fp8 = expert != nullptr && expert->type == StoredType::kF8E4m3;
    return fp8 ? ExpertType::kFp8 : ExpertType::kFp4;
  }

  Drafter FindDrafter() {
    if (inventory_.Has("mtp.0.e_proj.weight")) return Drafter::kMtp;
    if (inventory_.Has("mtp.0.main_proj.weight")) return Drafter::kDspark;
    return Drafter::kNone;
  }

  // How many mtp.* blocks there are: num_nextn_predict_layers stays 1 in the
  // configurations of checkpoints that have three.  One at least, so that what
  // the first lacks is missed when it is read.
  int32_t CountBlocks() {
    int32_t count = 1;
    while (count < kMostStages) {
      const NameScope scope(&inventory_, "mtp.", count);
      if (!inventory_.Has("attn_norm.weight")) break;
      ++count;
    }
    return count;
  }

 private:
  const Checkpoint& checkpoint_;
  Inventory inventory_;
};

Status CheckDspark(const Config& config) {
  if (config.dspark_block >= 1 && config.dspark_markov_rank >= 1 &&
      !config.dspark_target_layers.empty()) {
    return Status();
  }
  return Corrupt(
      "the checkpoint has a DSpark drafter, but its configuration lacks "
      "dspark_block_size, dspark_markov_rank or dspark_target_layer_ids");
}

Status ReadDrafter(Drafter drafter, int32_t blocks, const Config& config,
                   WeightReader* reader) {
  switch (drafter) {
    case Drafter::kNone:
      return Status();
    case Drafter::kMtp:
      return reader->Mtp();
    case Drafter::kDspark:
      BALEEN_RETURN_IF_ERROR(CheckDspark(config));
      return reader->Dspark(blocks);
  }
  return Status();
}

}  // namespace

Result<Weights> FindWeights(const Checkpoint& checkpoint, Config* config,
                            Memory* memory) {
  Weights weights(memory);
  Finder finder(checkpoint, &weights);
  if (config->expert_type == ExpertType::kUnknown) {
    config->expert_type = finder.FindExpertType();
  }
  const Drafter drafter = finder.FindDrafter();
  const int32_t blocks = drafter == Drafter::kNone ? 0 : finder.CountBlocks();
  config->ratios.resize(static_cast<size_t>(config->layers + blocks), 0);

  WeightReader reader(&checkpoint, *config, memory, &weights, nullptr);
  BALEEN_RETURN_IF_ERROR(reader.Main());
  BALEEN_RETURN_IF_ERROR(ReadDrafter(drafter, blocks, *config, &reader));
  weights.unused_count = checkpoint.tensors().size() - weights.tensor_count;
  return weights;
}

Result<Weights> ImagineWeights(const Config& config, Drafter drafter,
                               Memory* memory, TensorVisitor* visitor) {
  // A configuration with one more ratio than layers may be of either drafter;
  // released ones of DSpark have three more.
  const auto said = static_cast<int32_t>(config.ratios.size()) - config.layers;
  Weights weights(memory);
  WeightReader reader(nullptr, config, memory, &weights, visitor);
  BALEEN_RETURN_IF_ERROR(reader.Main());
  BALEEN_RETURN_IF_ERROR(
      ReadDrafter(drafter, said > 1 ? said : 3, config, &reader));
  return weights;
}

}  // namespace baleen::deepseek_v4
