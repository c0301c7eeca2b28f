// Where operators run: the model's device, and the CPU for what it lacks.
//
// A Machine has one queue on each and knows how bytes get from one to the
// other.  The CPU computes in the memory of the library itself, so that memory
// is counted to the byte and its absence throws like any other; a device's
// memory comes from its own table.
//
// Not thread-safe: whoever runs steps guards it.
#pragma once

#include <cstdint>
#include <utility>

#include <baleen/backend.h>

#include "base/memory.h"
#include "base/status.h"
#include "ops/device.h"
#include "tensor/tensor.h"

namespace baleen {

// An index of what exists twice.  Where the model's device is the CPU, there is
// only kDevice.
enum Side : uint8_t { kDevice = 0, kCpu = 1 };
inline constexpr int kSideCount = 2;

class Machine {
 public:
  // Devices must outlive the machine.
  static Result<Owned<Machine>> Create(const Device* device, const Device* cpu,
                                       Memory* memory);
  // Use Create; public for MakeOwned.
  Machine(const Device* device, const Device* cpu, Memory* memory);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Whether there are two sides.
  bool split() const { return devices_[kCpu] != nullptr; }
  int side_count() const { return split() ? kSideCount : 1; }
  // The CPU's side.
  Side cpu_side() const { return split() ? kCpu : kDevice; }
  // Whether memory of the side is the library's own.
  bool IsHost(Side side) const { return side == cpu_side(); }
  // Whether the CPU can use addresses of the device.
  bool unified() const { return split() && devices_[kDevice]->unified_memory; }

  const Device& device(Side side) const { return *devices_[side]; }
  const baleen_device_table& table(Side side) const {
    return *devices_[side]->table;
  }
  baleen_queue* queue(Side side) const { return queues_[side]; }
  Memory* memory() const { return memory_; }

  // The Status of a call that returned `code`, with the device's own words.
  Status StatusOf(Side side, baleen_status code, const char* what) const;

  Status Wait(Side side) const;
  // Copies on or between sides, in the order of the queues; what lies on the
  // CPU is there when this returns.
  Status Copy(Side to_side, void* to, Side from_side, const void* from,
              uint64_t size) const;

 private:
  const Device* devices_[kSideCount] = {};
  baleen_queue* queues_[kSideCount] = {};
  Memory* memory_;
};

// Memory of a side, aligned to 256 bytes.
class DeviceBlock {
 public:
  static constexpr uint64_t kAlignment = 256;

  DeviceBlock() = default;
  DeviceBlock(DeviceBlock&& other) noexcept { *this = std::move(other); }
  DeviceBlock& operator=(DeviceBlock&& other) noexcept;
  ~DeviceBlock();

  // Of size 0: none.
  static Result<DeviceBlock> Allocate(const Machine& machine, Side side,
                                      uint64_t size);
  // Filled with zeros.
  static Result<DeviceBlock> AllocateZero(const Machine& machine, Side side,
                                          uint64_t size);

  void* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  Block host_;
  const Device* device_ = nullptr;  // Unless it is `host_`.
  void* data_ = nullptr;
  uint64_t size_ = 0;
};

// A tensor that operators of either side may take.  Argument structs of a
// program under construction name it by `&on[0]`; the one that runs gets
// `&on[side]`.
struct Homes {
  Tensor on[kSideCount] = {};

  Tensor* handle() { return on; }
  const Tensor* handle() const { return on; }
};

}  // namespace baleen
