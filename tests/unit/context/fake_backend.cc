// See fake_backend.h.
#include "unit/context/fake_backend.h"

#include <atomic>
#include <cstddef>
#include <cstring>

struct baleen_device {
  int index;
};

namespace baleen {
namespace {

std::atomic<int> open_devices{0};
baleen_device devices[2] = {{0}, {1}};

baleen_status Allocate(baleen_device*, uint64_t, void**) {
  return BALEEN_OUT_OF_MEMORY;
}
void Deallocate(baleen_device*, void*) {}
baleen_status QueueCreate(baleen_device*, baleen_queue**) {
  return BALEEN_OUT_OF_MEMORY;
}
void QueueDestroy(baleen_queue*) {}
baleen_status QueueWait(baleen_queue*) { return BALEEN_OK; }
baleen_status Upload(baleen_queue*, void*, const void*, uint64_t) {
  return BALEEN_OK;
}
baleen_status Download(baleen_queue*, void*, const void*, uint64_t) {
  return BALEEN_OK;
}
baleen_status Copy(baleen_queue*, void*, const void*, uint64_t) {
  return BALEEN_OK;
}

const baleen_ops kNoOps = [] {
  baleen_ops ops = {};
  // Cut behind `embed`, so that what follows must read as absent.
  ops.struct_size = offsetof(baleen_ops, mhc_boundary);
  ops.mhc_boundary = [](baleen_queue*, const baleen_mhc_boundary_args*) {
    return baleen_status{BALEEN_INTERNAL};
  };
  return ops;
}();

baleen_device_table Table(int index) {
  baleen_device_table table = {};
  table.struct_size = sizeof table;
  table.ops = &kNoOps;
  table.allocate = Allocate;
  table.deallocate = Deallocate;
  table.queue_create = QueueCreate;
  table.queue_destroy = QueueDestroy;
  table.queue_wait = QueueWait;
  table.upload = index == 1 ? nullptr : Upload;
  table.download = Download;
  table.copy = Copy;
  return table;
}

const baleen_device_table kTables[2] = {Table(0), Table(1)};

uint32_t DeviceCount(const baleen_host*) { return 2; }

baleen_status DeviceInfo(const baleen_host*, uint32_t index,
                         baleen_device_info* info) {
  info->memory_total = 100 + index;
  std::strcpy(info->name, "a fake device");
  return BALEEN_OK;
}

baleen_status DeviceOpen(const baleen_host* host, uint32_t index,
                         baleen_device** device,
                         const baleen_device_table** table) {
  const char* speed = host->setting(host->user_data, "fake.speed");
  if (speed != nullptr && std::strcmp(speed, "never") == 0) {
    host->fail(host->user_data, "fake.speed cannot be never");
    return BALEEN_INVALID_ARGUMENT;
  }
  ++open_devices;
  *device = &devices[index];
  *table = &kTables[index];
  return BALEEN_OK;
}

void DeviceClose(baleen_device*) { --open_devices; }

baleen_backend Backend() {
  baleen_backend backend = {};
  backend.struct_size = sizeof backend;
  backend.major = BALEEN_BACKEND_MAJOR;
  backend.name = "fake";
  backend.device_count = DeviceCount;
  backend.device_info = DeviceInfo;
  backend.device_open = DeviceOpen;
  backend.device_close = DeviceClose;
  return backend;
}

const baleen_backend kFake = Backend();
const baleen_backend kNewer = [] {
  baleen_backend backend = Backend();
  backend.major = BALEEN_BACKEND_MAJOR + 1;
  return backend;
}();
const baleen_backend kShort = [] {
  baleen_backend backend = Backend();
  backend.struct_size = offsetof(baleen_backend, device_close);
  return backend;
}();
const baleen_backend kCpu = [] {
  baleen_backend backend = Backend();
  backend.name = "cpu";
  return backend;
}();

}  // namespace

const baleen_backend* FakeEntry(const baleen_host*) { return &kFake; }
const baleen_backend* NewerEntry(const baleen_host*) { return &kNewer; }
const baleen_backend* ShortEntry(const baleen_host*) { return &kShort; }
const baleen_backend* AbsentEntry(const baleen_host* host) {
  host->fail(host->user_data, "no driver");
  return nullptr;
}
int OpenFakeDevices() { return open_devices; }

}  // namespace baleen

extern "C" const baleen_backend* baleen_cpu_backend_entry(const baleen_host*) {
  return &baleen::kCpu;
}
