// A backend without operators: the template for authors of new ones, and the
// floor for measurements of overhead.
//
// It has memory (the host's), queues (whose work is done at once) and copies.
// For every operator the library uses the CPU backend.  To make a backend of
// it, replace the memory functions with those of your device, check that models
// still run, then add operators one by one to the table kOps together with
// `query` and what backend.h requires with them.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

#include <baleen/backend.h>

// A device knows its host, from which its memory comes.
struct baleen_device {
  const baleen_host* host;
};

// Work is done when it is put in, so a queue has nothing to remember but where
// it came from.
struct baleen_queue {
  baleen_device* device;
};

namespace {

// What allocations of a device are aligned to, as backend.h says.  The size
// must be given back with the memory, so it is kept in front.
constexpr size_t kAlignment = 256;

void* HostAllocate(const baleen_host* host, size_t size, size_t alignment) {
  return host->allocator->allocate(host->allocator->user_data, size, alignment);
}

void HostDeallocate(const baleen_host* host, void* memory, size_t size,
                    size_t alignment) {
  host->allocator->deallocate(host->allocator->user_data, memory, size,
                              alignment);
}

baleen_status Fail(const baleen_host* host, baleen_status status,
                   const char* message) {
  host->fail(host->user_data, message);
  return status;
}

baleen_status Allocate(baleen_device* device, uint64_t size, void** memory) {
  void* block =
      size > SIZE_MAX - kAlignment
          ? nullptr
          : HostAllocate(device->host, static_cast<size_t>(size) + kAlignment,
                         kAlignment);
  if (block == nullptr) {
    char message[80];
    std::snprintf(message, sizeof message, "no memory for %llu bytes",
                  static_cast<unsigned long long>(size));
    return Fail(device->host, BALEEN_OUT_OF_MEMORY, message);
  }
  std::memcpy(block, &size, sizeof size);
  *memory = static_cast<char*>(block) + kAlignment;
  return BALEEN_OK;
}

void Deallocate(baleen_device* device, void* memory) {
  if (memory == nullptr) return;
  void* block = static_cast<char*>(memory) - kAlignment;
  uint64_t size = 0;
  std::memcpy(&size, block, sizeof size);
  HostDeallocate(device->host, block, static_cast<size_t>(size) + kAlignment,
                 kAlignment);
}

baleen_status QueueCreate(baleen_device* device, baleen_queue** queue) {
  void* place =
      HostAllocate(device->host, sizeof(baleen_queue), alignof(baleen_queue));
  if (place == nullptr) {
    return Fail(device->host, BALEEN_OUT_OF_MEMORY, "no memory for a queue");
  }
  *queue = new (place) baleen_queue{device};
  return BALEEN_OK;
}

void QueueDestroy(baleen_queue* queue) {
  HostDeallocate(queue->device->host, queue, sizeof(baleen_queue),
                 alignof(baleen_queue));
}

baleen_status QueueWait(baleen_queue*) { return BALEEN_OK; }

baleen_status Copy(baleen_queue*, void* to, const void* from, uint64_t size) {
  if (size > 0) std::memcpy(to, from, static_cast<size_t>(size));
  return BALEEN_OK;
}

constexpr baleen_ops NoOperators() {
  baleen_ops ops = {};
  ops.struct_size = sizeof ops;
  return ops;
}
constexpr baleen_ops kOps = NoOperators();

constexpr baleen_device_table DeviceTable() {
  baleen_device_table table = {};
  table.struct_size = sizeof table;
  table.ops = &kOps;
  table.allocate = Allocate;
  table.deallocate = Deallocate;
  table.queue_create = QueueCreate;
  table.queue_destroy = QueueDestroy;
  table.queue_wait = QueueWait;
  table.upload = Copy;
  table.download = Copy;
  table.copy = Copy;
  return table;
}
constexpr baleen_device_table kDeviceTable = DeviceTable();

uint32_t DeviceCount(const baleen_host*) { return 1; }

baleen_status DeviceInfo(const baleen_host*, uint32_t,
                         baleen_device_info* info) {
  info->flags = BALEEN_DEVICE_UNIFIED_MEMORY;
  std::snprintf(info->backend, sizeof info->backend, "null");
  std::snprintf(info->name, sizeof info->name, "memory without operators");
  return BALEEN_OK;
}

baleen_status DeviceOpen(const baleen_host* host, uint32_t,
                         baleen_device** device,
                         const baleen_device_table** table) {
  void* place =
      HostAllocate(host, sizeof(baleen_device), alignof(baleen_device));
  if (place == nullptr) {
    return Fail(host, BALEEN_OUT_OF_MEMORY, "no memory for a device");
  }
  *device = new (place) baleen_device{host};
  *table = &kDeviceTable;
  return BALEEN_OK;
}

void DeviceClose(baleen_device* device) {
  HostDeallocate(device->host, device, sizeof(baleen_device),
                 alignof(baleen_device));
}

constexpr baleen_backend Backend() {
  baleen_backend backend = {};
  backend.struct_size = sizeof backend;
  backend.major = BALEEN_BACKEND_MAJOR;
  backend.minor = BALEEN_BACKEND_MINOR;
  backend.name = "null";
  backend.device_count = DeviceCount;
  backend.device_info = DeviceInfo;
  backend.device_open = DeviceOpen;
  backend.device_close = DeviceClose;
  return backend;
}
constexpr baleen_backend kBackend = Backend();

}  // namespace

extern "C" BALEEN_API const baleen_backend* baleen_backend_entry(
    const baleen_host* host) {
  return host->major == BALEEN_BACKEND_MAJOR ? &kBackend : nullptr;
}
