#include "ops/batch.h"

namespace baleen {

Batch::Batch(const Machine* machine, const BatchLimits& limits)
    : machine_(machine), limits_(limits) {
  const auto set = [&](int which, std::initializer_list<int64_t> sizes) {
    for (Tensor& tensor : homes_[which].on) {
      tensor = MakeTensor(BALEEN_TYPE_I32, sizes);
    }
  };
  set(kCounts, {BALEEN_COUNT_SIZE});
  set(kTokens, {limits.rows});
  set(kPositions, {limits.rows});
  set(kSessions, {limits.rows});
  set(kStarts, {limits.sessions + 1});
  set(kSlots, {limits.sessions});
  set(kOutputs, {limits.outputs});
  set(FrozenIndex(kFrozen4), {limits.sessions});
  set(FrozenIndex(kFrozen128), {limits.sessions});
  set(kPages, {limits.sessions, limits.positions / kPagePositions});
  constexpr uint64_t kAlign = 64;
  for (int i = 0; i < kArrayCount; ++i) {
    offsets_[i] = total_bytes_;
    total_bytes_ += AlignUp(DataBytes(homes_[i].on[0]), kAlign);
  }
  for (int i = 0; i < kSideCount; ++i) {
    baleen_batch& batch = batches_[i];
    batch.struct_size = sizeof batch;
    batch.position_limit = static_cast<uint32_t>(limits.positions);
    batch.counts = &homes_[kCounts].on[i];
    batch.tokens = &homes_[kTokens].on[i];
    batch.positions = &homes_[kPositions].on[i];
    batch.sessions = &homes_[kSessions].on[i];
    batch.starts = &homes_[kStarts].on[i];
    batch.slots = &homes_[kSlots].on[i];
    batch.pages = &homes_[kPages].on[i];
    batch.outputs = &homes_[kOutputs].on[i];
  }
}

Result<Owned<Batch>> Batch::Create(const Machine* machine,
                                   const BatchLimits& limits, bool measure) {
  Owned<Batch> batch = MakeOwned<Batch>(machine->memory(), machine, limits);
  if (measure) return batch;
  batch->host_ =
      Block(machine->memory(), static_cast<size_t>(batch->total_bytes_));
  batch->Place(machine->cpu_side(), batch->host_.data());
  if (machine->split()) {
    BALEEN_ASSIGN_OR_RETURN(
        batch->device_,
        DeviceBlock::Allocate(*machine, kDevice, batch->total_bytes_));
    batch->Place(kDevice, batch->device_.data());
  }
  return batch;
}

void Batch::Place(Side side, void* block) {
  for (int i = 0; i < kArrayCount; ++i) {
    homes_[i].on[side].data = static_cast<char*>(block) + offsets_[i];
  }
}

std::span<int32_t> Batch::Array(int which) {
  const Tensor& tensor = homes_[which].on[machine_->cpu_side()];
  return {static_cast<int32_t*>(tensor.data),
          static_cast<size_t>(ElementCount(tensor))};
}

std::span<int32_t> Batch::pages(int64_t session) {
  const auto count = static_cast<size_t>(limits_.positions / kPagePositions);
  return Array(kPages).subspan(static_cast<size_t>(session) * count, count);
}

Status Batch::Upload(const BatchCounts& counts) {
  const std::span<int32_t> values = Array(kCounts);
  for (int32_t& value : values) value = 0;
  values[BALEEN_COUNT_ROWS] = static_cast<int32_t>(counts.rows);
  values[BALEEN_COUNT_SESSIONS] = static_cast<int32_t>(counts.sessions);
  values[BALEEN_COUNT_OUTPUTS] = static_cast<int32_t>(counts.outputs);
  if (!machine_->split()) return Status();
  const auto page_row = static_cast<uint64_t>(limits_.positions) /
                        kPagePositions * sizeof(int32_t);
  const uint64_t used =
      offsets_[kPages] + static_cast<uint64_t>(counts.sessions) * page_row;
  return machine_->Copy(kDevice, device_.data(), kCpu, host_.data(), used);
}

uint64_t Batch::bytes(Side side) const {
  const bool taken = side == machine_->cpu_side() || machine_->split();
  return taken ? total_bytes_ : 0;
}

}  // namespace baleen
