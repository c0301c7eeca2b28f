#include "ops/machine.h"

#include <algorithm>
#include <cstring>

namespace baleen {

Machine::Machine(const Device* device, const Device* cpu, Memory* memory)
    : memory_(memory) {
  devices_[kDevice] = device;
  if (device != cpu) devices_[kCpu] = cpu;
}

Machine::~Machine() {
  for (int i = 0; i < side_count(); ++i) {
    const Side side = static_cast<Side>(i);
    if (queues_[side] != nullptr) table(side).queue_destroy(queues_[side]);
  }
}

Result<Owned<Machine>> Machine::Create(const Device* device, const Device* cpu,
                                       Memory* memory) {
  Owned<Machine> machine = MakeOwned<Machine>(memory, device, cpu, memory);
  for (int i = 0; i < machine->side_count(); ++i) {
    const Side side = static_cast<Side>(i);
    const Device& one = machine->device(side);
    const baleen_status status =
        one.table->queue_create(one.handle, &machine->queues_[side]);
    if (status != BALEEN_OK) {
      return machine->StatusOf(side, status, "a queue could not be made");
    }
  }
  return machine;
}

Status Machine::StatusOf(Side side, baleen_status code,
                         const char* what) const {
  if (code == BALEEN_OK) return Status();
  const Device& one = device(side);
  const char* words = one.last_failure == nullptr ? "" : one.last_failure(one);
  return Status::Error(code, "%s: device %s: %s", what, one.backend, words);
}

Status Machine::Wait(Side side) const {
  return StatusOf(side, table(side).queue_wait(queue(side)),
                  "the work of a step failed");
}

Status Machine::Copy(Side to_side, void* to, Side from_side, const void* from,
                     uint64_t size) const {
  if (size == 0 || to == from) return Status();
  if (IsHost(to_side) && IsHost(from_side)) {
    std::memcpy(to, from, static_cast<size_t>(size));
    return Status();
  }
  const baleen_device_table& device_table = table(kDevice);
  baleen_queue* const device_queue = queue(kDevice);
  if (to_side == from_side) {
    return StatusOf(kDevice, device_table.copy(device_queue, to, from, size),
                    "a copy on the device failed");
  }
  // The CPU's own work is done when its operators return or are waited for.
  BALEEN_RETURN_IF_ERROR(Wait(kCpu));
  if (from_side == kCpu) {
    return StatusOf(kDevice, device_table.upload(device_queue, to, from, size),
                    "a copy to the device failed");
  }
  BALEEN_RETURN_IF_ERROR(
      StatusOf(kDevice, device_table.download(device_queue, to, from, size),
               "a copy from the device failed"));
  return Wait(kDevice);
}

DeviceBlock& DeviceBlock::operator=(DeviceBlock&& other) noexcept {
  std::swap(host_, other.host_);
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

DeviceBlock::~DeviceBlock() {
  if (device_ != nullptr) device_->table->deallocate(device_->handle, data_);
}

Result<DeviceBlock> DeviceBlock::Allocate(const Machine& machine, Side side,
                                          uint64_t size) {
  DeviceBlock block;
  if (size == 0) return block;
  if (machine.IsHost(side)) {
    block.host_ = Block(machine.memory(), static_cast<size_t>(size),
                        static_cast<size_t>(kAlignment));
    block.data_ = block.host_.data();
  } else {
    const Device& device = machine.device(side);
    const baleen_status status =
        device.table->allocate(device.handle, size, &block.data_);
    if (status != BALEEN_OK) {
      return machine.StatusOf(side, status, "there is no device memory");
    }
    block.device_ = &device;
  }
  block.size_ = size;
  return block;
}

Result<DeviceBlock> DeviceBlock::AllocateZero(const Machine& machine, Side side,
                                              uint64_t size) {
  BALEEN_ASSIGN_OR_RETURN(DeviceBlock block, Allocate(machine, side, size));
  if (machine.IsHost(side)) {
    if (size != 0) std::memset(block.data(), 0, static_cast<size_t>(size));
    return block;
  }
  // Devices have no function for it, and it is rare.
  constexpr uint64_t kPiece = 1 << 20;
  const Block zeros(machine.memory(),
                    static_cast<size_t>(std::min(size, kPiece)));
  if (size != 0) std::memset(zeros.data(), 0, zeros.size());
  for (uint64_t done = 0; done < size; done += kPiece) {
    BALEEN_RETURN_IF_ERROR(machine.StatusOf(
        side,
        machine.table(side).upload(machine.queue(side),
                                   static_cast<char*>(block.data()) + done,
                                   zeros.data(), std::min(kPiece, size - done)),
        "memory could not be cleared"));
  }
  BALEEN_RETURN_IF_ERROR(machine.Wait(side));
  return block;
}

}  // namespace baleen
