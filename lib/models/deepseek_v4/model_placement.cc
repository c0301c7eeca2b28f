// How a model divides itself between its device and the host's memory.
#include <algorithm>

#include "models/deepseek_v4/model.h"
#include "models/deepseek_v4/placement.h"

namespace baleen::deepseek_v4 {
namespace {

// Room for the state of so many positions is left on the device.
constexpr int64_t kStatePositions = 32768;

// How often tokens of equal chance visit each expert of a hash-routed layer
// beyond the others', in [-1, 1): less than a visit, so that use decides soon.
void ForeseeTable(const Tensor& table, int32_t layer, ExpertCache* cache) {
  const int64_t count = ElementCount(table);
  const bool wide = table.type == BALEEN_TYPE_I64;
  const float each = static_cast<float>(cache->experts()) /
                     (static_cast<float>(count) * 256.0f);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t expert = wide ? static_cast<const int64_t*>(table.data)[i]
                                : static_cast<const int32_t*>(table.data)[i];
    if (expert < 0 || expert >= cache->experts()) continue;
    cache->Foresee({layer, static_cast<int32_t>(expert)}, each);
  }
  for (int32_t e = 0; e < cache->experts(); ++e) {
    cache->Foresee({layer, e}, -1.0f / 256.0f);
  }
}

}  // namespace

Result<uint64_t> V4Model::WorkingBytes(const PassBuild& build) const {
  const int64_t positions = PositionBucket(kStatePositions);
  const PassShape shape =
      ShapeFor(BALEEN_MODE_FAST, RowLimit(positions), positions);
  PassParts parts = Parts();
  parts.shapes_only = true;
  const LayerRange all = {0, config_.layers, true, false};
  BALEEN_ASSIGN_OR_RETURN(const Owned<Pass> pass,
                          BuildLayers(parts, shape, all, build));
  BALEEN_ASSIGN_OR_RETURN(const Owned<Pass> head,
                          BuildHead(parts, BALEEN_MODE_FAST, build));
  uint64_t bytes = pass->bytes(kDevice) + head->bytes(kDevice) +
                   rope_.Bytes(kDevice, positions) +
                   SessionBytes(kDevice, std::min(kStatePositions, positions));
  if (weights_.drafter != Drafter::kNone) {
    BALEEN_ASSIGN_OR_RETURN(
        const Owned<Pass> draft,
        BuildDraft(parts, BALEEN_MODE_FAST, kStatePositions, build));
    bytes += draft->bytes(kDevice);
  }
  return bytes;
}

Status V4Model::PlaceWeights(PreparedOptions* options, bool* refused) {
  experts_.reset();
  if (device_memory_ == 0 || !machine_->split() || machine_->unified()) {
    return Status();
  }
  const bool places = machine_->table(kDevice).expert_place != nullptr &&
                      SideOf(BALEEN_OP_MOE_GATE_UP) == kDevice;
  PreparedOptions sizes;
  sizes.shapes_only = true;
  sizes.placed = places;
  sizes.computes = !fetch_experts_ && options->packed == nullptr;
  BALEEN_ASSIGN_OR_RETURN(
      prepared_,
      PreparedWeights::Create(machine_.get(), assignment_, weights_, sizes));
  const DeviceBytes& bytes = prepared_->device_bytes();
  ExpertRules rules;
  rules.layers = prepared_->placed_layers();
  rules.experts = config_.experts;
  rules.staged = 1;
  rules.expert_bytes = bytes.largest_expert;
  rules.computes = sizes.computes;
  experts_ = MakeOwned<ExpertStore>(memory_, machine_.get(), rules);
  PassBuild build;
  build.assignment = &assignment_;
  build.refused = refused;
  build.measure = true;
  PlacementNeed need;
  need.budget = device_memory_;
  need.weights = bytes.all;
  need.experts = rules.layers == 0 ? 0 : bytes.experts;
  need.embed = bytes.embed;
  need.head = bytes.head;
  need.expert_bytes = rules.layers == 0 ? 0 : ExpertStore::PlaceBytesOf(rules);
  BALEEN_ASSIGN_OR_RETURN(need.working, WorkingBytes(build));
  ExpertRules tables = rules;
  tables.staged = 0;
  need.working += ExpertStore::BytesOf(tables);
  BALEEN_ASSIGN_OR_RETURN(const Placement placement, PlaceModel(need));
  experts_.reset();
  if (placement.all) return Status();
  if (!placement.embed_on_device) {
    // An MTP drafter reads the same table.
    assignment_.Demote(BALEEN_OP_EMBED);
    assignment_.Demote(BALEEN_OP_LINEAR);
  }
  if (!placement.head_on_device) assignment_.Demote(BALEEN_OP_HEAD);
  if (rules.layers == 0) return Status();
  const int64_t experts = int64_t{rules.layers} * rules.experts;
  rules.places = static_cast<int32_t>(std::min(placement.places, experts));
  rules.staged =
      static_cast<int32_t>(std::min(placement.staged, int64_t{rules.experts}));
  experts_ = MakeOwned<ExpertStore>(memory_, machine_.get(), rules);
  options->placed = true;
  options->computes = rules.computes;
  return Status();
}

Status V4Model::OpenExperts() {
  Vector<ExpertStore::Layer> layers(memory_);
  layers.resize(static_cast<size_t>(experts_->rules().layers));
  const auto add = [&](const PreparedLayer& layer, const MoeWeights& moe) {
    if (layer.placed < 0) return;
    layers[static_cast<size_t>(layer.placed)] = {layer.experts.handle,
                                                 layer.host_experts};
    if (moe.table.data != nullptr) {
      ForeseeTable(moe.table, layer.placed, &experts_->cache());
    }
  };
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    add(prepared_->layers[i], weights_.layers[i].moe);
  }
  for (const MtpWeights& mtp : weights_.mtp) {
    add(prepared_->mtp.layer, mtp.layer.moe);
  }
  for (const DsparkWeights& dspark : weights_.dspark) {
    for (size_t i = 0; i < dspark.stages.size(); ++i) {
      add(prepared_->dspark.stages[i], dspark.stages[i].moe);
    }
  }
  return experts_->Open(layers);
}

}  // namespace baleen::deepseek_v4
