// The CPU backend: one device, always there.
#include <cstring>
#include <new>

#include "cpu/device.h"
#include "cpu/entry.h"

namespace baleen::cpu {
namespace {

uint32_t DeviceCount(const baleen_host*) { return 1; }

baleen_status DeviceInfo(const baleen_host* host, uint32_t index,
                         baleen_device_info* info) {
  if (index != 0) {
    return Device(host, Isa::kReference)
        .Fail(BALEEN_INVALID_ARGUMENT, "the CPU backend has one device");
  }
  baleen_device_info answer;
  std::memset(&answer, 0, sizeof(answer));
  answer.struct_size = info->struct_size;
  answer.flags = BALEEN_DEVICE_UNIFIED_MEMORY;
  std::strncpy(answer.backend, "cpu", sizeof(answer.backend) - 1);
  std::strncpy(answer.name, IsaName(BestIsa()), sizeof(answer.name) - 1);
  std::memcpy(
      info, &answer,
      info->struct_size < sizeof(answer) ? info->struct_size : sizeof(answer));
  return BALEEN_OK;
}

baleen_status DeviceOpen(const baleen_host* host, uint32_t index,
                         baleen_device** device,
                         const baleen_device_table** table) {
  if (index != 0) {
    return Device(host, Isa::kReference)
        .Fail(BALEEN_INVALID_ARGUMENT, "the CPU backend has one device");
  }
  Isa isa;
  const baleen_status status = ChooseIsa(*host, &isa);
  if (status != BALEEN_OK) return status;
  const Device model(host, isa);
  void* memory = model.Allocate(sizeof(Device));
  if (memory == nullptr) {
    return model.Fail(BALEEN_OUT_OF_MEMORY, "no memory for the CPU device");
  }
  *device = ToHandle(new (memory) Device(model));
  *table = &kDeviceTable;
  return BALEEN_OK;
}

void DeviceClose(baleen_device* device) {
  if (device == nullptr) return;
  const Device copy = *FromHandle(device);
  copy.Deallocate(device);
}

const baleen_backend kBackend = {sizeof(baleen_backend),
                                 BALEEN_BACKEND_MAJOR,
                                 BALEEN_BACKEND_MINOR,
                                 0,
                                 "cpu",
                                 DeviceCount,
                                 DeviceInfo,
                                 DeviceOpen,
                                 DeviceClose};

}  // namespace
}  // namespace baleen::cpu

const baleen_backend* baleen_cpu_backend_entry(const baleen_host* host) {
  if (host == nullptr || host->struct_size < sizeof(baleen_host) ||
      host->major != BALEEN_BACKEND_MAJOR || host->allocator == nullptr ||
      host->workers == nullptr) {
    return nullptr;
  }
  return &baleen::cpu::kBackend;
}
