#include "ops/expert_store.h"

#include <algorithm>

namespace baleen {
namespace {

uint64_t TableBytes(const ExpertRules& rules) {
  return AlignUp(static_cast<uint64_t>(rules.experts) * sizeof(int32_t),
                 DeviceBlock::kAlignment);
}

}  // namespace

ExpertStore::ExpertStore(const Machine* machine, const ExpertRules& rules)
    : machine_(machine),
      rules_(rules),
      cache_(rules.layers, rules.experts, rules.places, machine->memory()),
      layers_(static_cast<size_t>(rules.layers), machine->memory()),
      residents_(static_cast<size_t>(rules.layers), machine->memory()),
      missing_(machine->memory()),
      list_(machine->memory()),
      memory_(machine->memory()) {
  for (Homes& homes : residents_) {
    for (Tensor& home : homes.on) {
      home = MakeTensor(BALEEN_TYPE_I32, {rules.experts});
    }
  }
  missing_.reserve(static_cast<size_t>(rules.experts));
  list_.reserve(static_cast<size_t>(rules.experts));
  memory_.reserve(static_cast<size_t>(rules.experts));
}

ExpertStore::~ExpertStore() {
  if (queue_ != nullptr) machine_->table(kDevice).queue_destroy(queue_);
}

uint64_t ExpertStore::PlaceBytesOf(const ExpertRules& rules) {
  return AlignUp(rules.expert_bytes, DeviceBlock::kAlignment);
}

uint64_t ExpertStore::BytesOf(const ExpertRules& rules) {
  return PlaceBytesOf(rules) *
             static_cast<uint64_t>(rules.places + 2 * rules.staged) +
         TableBytes(rules) * static_cast<uint64_t>(rules.layers);
}

Status ExpertStore::Open(std::span<const Layer> layers) {
  const Device& device = machine_->device(kDevice);
  layers_.assign(layers.begin(), layers.end());
  BALEEN_RETURN_IF_ERROR(machine_->StatusOf(
      kDevice, device.table->queue_create(device.handle, &queue_),
      "a queue could not be made"));
  const uint64_t table = TableBytes(rules_);
  BALEEN_ASSIGN_OR_RETURN(
      block_,
      DeviceBlock::Allocate(*machine_, kDevice,
                            BytesOf(rules_) - table * residents_.size()));
  BALEEN_ASSIGN_OR_RETURN(
      tables_,
      DeviceBlock::Allocate(*machine_, kDevice, table * residents_.size()));
  for (size_t i = 0; i < residents_.size(); ++i) {
    residents_[i].on[kDevice].data =
        static_cast<char*>(tables_.data()) + i * table;
  }
  return FillPlaces();
}

void* ExpertStore::PlaceAt(int64_t index) const {
  return static_cast<char*>(block_.data()) +
         static_cast<uint64_t>(index) * PlaceBytesOf(rules_);
}

Status ExpertStore::PlaceExperts(int32_t layer,
                                 std::span<const int32_t> experts,
                                 std::span<void* const> memory) {
  return machine_->StatusOf(
      kDevice,
      machine_->table(kDevice).expert_place(
          // Nobody else changes where its experts lie.
          queue_,
          const_cast<baleen_weight*>(
              layers_[static_cast<size_t>(layer)].weight),
          experts.data(), memory.data(), static_cast<uint32_t>(experts.size())),
      "experts could not be brought to the device");
}

Status ExpertStore::FillPlaces() {
  cache_.Fill();
  for (int32_t layer = 0; layer < rules_.layers; ++layer) {
    list_.clear();
    memory_.clear();
    for (int32_t e = 0; e < rules_.experts; ++e) {
      const int32_t place = cache_.PlaceOf({layer, e});
      if (place < 0) continue;
      list_.push_back(e);
      memory_.push_back(PlaceAt(2 * rules_.staged + place));
    }
    BALEEN_RETURN_IF_ERROR(PlaceExperts(layer, list_, memory_));
    BALEEN_RETURN_IF_ERROR(UploadResident(layer));
  }
  return machine_->StatusOf(kDevice,
                            machine_->table(kDevice).queue_wait(queue_),
                            "experts could not be brought to the device");
}

Status ExpertStore::UploadResident(int32_t layer) {
  list_.clear();
  for (int32_t e = 0; e < rules_.experts; ++e) {
    list_.push_back(cache_.PlaceOf({layer, e}));
  }
  const Tensor& table = residents_[static_cast<size_t>(layer)].on[kDevice];
  return machine_->Copy(kDevice, table.data, kCpu, list_.data(),
                        DataBytes(table));
}

// The machine's queue is at rest between steps, so tables change at once.  An
// expert is nowhere until its bytes are on their way.
Status ExpertStore::Adapt(int64_t rows) {
  cache_.Age(rows);
  for (int i = 0; i < kMostExchanges; ++i) {
    const auto exchange = cache_.FindExchange();
    if (!exchange) return Status();
    cache_.Leave(exchange->out);
    BALEEN_RETURN_IF_ERROR(UploadResident(exchange->out.layer));
    void* const memory = PlaceAt(2 * rules_.staged + exchange->place);
    BALEEN_RETURN_IF_ERROR(PlaceExperts(exchange->in.layer,
                                        std::span(&exchange->in.expert, 1),
                                        std::span(&memory, 1)));
    BALEEN_RETURN_IF_ERROR(QueueAfterStaged());
    cache_.Take(exchange->in, exchange->place);
    BALEEN_RETURN_IF_ERROR(UploadResident(exchange->in.layer));
  }
  return Status();
}

void ExpertStore::Visit(int32_t layer, std::span<const int32_t> experts) {
  cache_.Visit(layer, experts);
  missing_.clear();
  for (const int32_t e : experts) {
    if (e < 0 || e >= rules_.experts || cache_.PlaceOf({layer, e}) >= 0 ||
        std::find(missing_.begin(), missing_.end(), e) != missing_.end()) {
      continue;
    }
    missing_.push_back(e);
  }
  std::sort(missing_.begin(), missing_.end());
}

Tensor ExpertStore::OnlyMissing() {
  list_.assign(static_cast<size_t>(rules_.experts), -1);
  for (const int32_t e : missing_) list_[static_cast<size_t>(e)] = 0;
  Tensor table = MakeTensor(BALEEN_TYPE_I32, {rules_.experts});
  table.data = list_.data();
  return table;
}

Status ExpertStore::UploadRounds(const Tensor& rounds) {
  const auto experts = static_cast<size_t>(rules_.experts);
  const auto staged = static_cast<size_t>(rules_.staged);
  const size_t count = (missing_.size() + staged - 1) / staged;
  list_.assign(count * experts, -1);
  for (size_t i = 0; i < missing_.size(); ++i) {
    list_[i / staged * experts + static_cast<size_t>(missing_[i])] = 0;
  }
  return machine_->Copy(kDevice, rounds.data, kCpu, list_.data(),
                        count * experts * sizeof(int32_t));
}

Status ExpertStore::Stage(int32_t layer, int32_t half,
                          std::span<const int32_t> experts) {
  memory_.clear();
  for (size_t i = 0; i < experts.size(); ++i) {
    memory_.push_back(PlaceAt(half * rules_.staged + static_cast<int64_t>(i)));
  }
  return PlaceExperts(layer, experts, memory_);
}

Status ExpertStore::Join(baleen_queue* queue, baleen_queue* other) const {
  const baleen_device_table& table = machine_->table(kDevice);
  return machine_->StatusOf(kDevice,
                            table.queue_after != nullptr
                                ? table.queue_after(queue, other)
                                : table.queue_wait(other),
                            "queues could not be joined");
}

Status ExpertStore::StageAfterQueue() {
  return Join(queue_, machine_->queue(kDevice));
}

Status ExpertStore::QueueAfterStaged() {
  return Join(machine_->queue(kDevice), queue_);
}

}  // namespace baleen
