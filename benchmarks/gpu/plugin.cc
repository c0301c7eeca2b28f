// The plug-in by itself, without the library: what copies on the device reach.
#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include <baleen/backend.h>

#include "benchmarks/gpu/check.h"

namespace baleen::gpu {
namespace {

constexpr uint64_t kCopied = uint64_t{1} << 30;
constexpr int kCopies = 16;

void* Allocate(void*, size_t size, size_t alignment) {
  return std::aligned_alloc(alignment,
                            (size + alignment - 1) / alignment * alignment);
}
void Deallocate(void*, void* memory, size_t, size_t) { std::free(memory); }
void RunTasks(void*, uint32_t count, baleen_task_fn task, void* data) {
  for (uint32_t i = 0; i < count; ++i) task(data, i);
}
void Fail(void* message, const char* text) {
  *static_cast<std::string*>(message) = text;
}

void Expect(baleen_status status, const std::string& message) {
  if (status != BALEEN_OK) throw std::runtime_error(message);
}

}  // namespace

double CopyBandwidth(const std::string& plugin) {
  void* library = dlopen(plugin.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  void* symbol = dlsym(library, BALEEN_BACKEND_ENTRY);
  if (symbol == nullptr) throw std::runtime_error(dlerror());
  baleen_backend_entry_fn entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof(entry));
  std::string message;
  const baleen_allocator allocator = {sizeof(allocator), 0, nullptr, Allocate,
                                      Deallocate};
  const baleen_workers workers = {sizeof(workers), 1, nullptr, RunTasks};
  baleen_host host = {};
  host.struct_size = sizeof(host);
  host.major = BALEEN_BACKEND_MAJOR;
  host.minor = BALEEN_BACKEND_MINOR;
  host.user_data = &message;
  host.fail = Fail;
  host.allocator = &allocator;
  host.workers = &workers;
  const baleen_backend* backend = entry(&host);
  if (backend == nullptr || backend->device_count(&host) == 0) {
    throw std::runtime_error("no CUDA device");
  }
  baleen_device* device = nullptr;
  const baleen_device_table* table = nullptr;
  Expect(backend->device_open(&host, 0, &device, &table), message);
  baleen_queue* queue = nullptr;
  void* from = nullptr;
  void* to = nullptr;
  Expect(table->queue_create(device, &queue), message);
  Expect(table->allocate(device, kCopied, &from), message);
  Expect(table->allocate(device, kCopied, &to), message);
  double seconds = 0;
  for (int round = 0; round < 2; ++round) {  // The first one warms up.
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kCopies; ++i) {
      Expect(table->copy(queue, to, from, kCopied), message);
    }
    Expect(table->queue_wait(queue), message);
    seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
  }
  table->deallocate(device, from);
  table->deallocate(device, to);
  table->queue_destroy(queue);
  backend->device_close(device);
  return 2.0 * static_cast<double>(kCopied) * kCopies / seconds * 1e-9;
}

}  // namespace baleen::gpu
