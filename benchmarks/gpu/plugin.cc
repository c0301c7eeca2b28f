// Opening of the plug-in, and what copies on its device reach.
#include "benchmarks/gpu/plugin.h"

#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

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
uint32_t Width() {
  constexpr uint32_t kMostThreads = 16;
  const uint32_t here = std::thread::hardware_concurrency();
  return here == 0 ? 1 : here < kMostThreads ? here : kMostThreads;
}
void RunTasks(void*, uint32_t count, baleen_task_fn task, void* data) {
  std::atomic<uint32_t> next{0};
  const auto work = [&] {
    for (uint32_t i = next++; i < count; i = next++) task(data, i);
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 1; i < Width() && i < count; ++i) {
    threads.emplace_back(work);
  }
  work();
  for (std::thread& thread : threads) thread.join();
}

baleen_backend_entry_fn EntryOf(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  void* symbol = dlsym(library, BALEEN_BACKEND_ENTRY);
  if (symbol == nullptr) throw std::runtime_error(dlerror());
  baleen_backend_entry_fn entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof(entry));
  return entry;
}

}  // namespace

void Plugin::Fail(void* self, const char* message) {
  static_cast<Plugin*>(self)->failure_ = message;
}

const char* Plugin::Setting(void* self, const char* name) {
  for (const baleen_setting& one : static_cast<Plugin*>(self)->settings_) {
    if (std::strcmp(one.name, name) == 0) return one.value;
  }
  return nullptr;
}

Plugin::Plugin(const std::string& path, std::vector<baleen_setting> settings)
    : settings_(std::move(settings)),
      allocator_{sizeof(allocator_), 0, nullptr, Allocate, Deallocate},
      workers_{sizeof(workers_), Width(), nullptr, RunTasks},
      host_{} {
  host_.struct_size = sizeof(host_);
  host_.major = BALEEN_BACKEND_MAJOR;
  host_.minor = BALEEN_BACKEND_MINOR;
  host_.user_data = this;
  host_.fail = Fail;
  host_.setting = Setting;
  host_.allocator = &allocator_;
  host_.workers = &workers_;
  backend_ = EntryOf(path)(&host_);
  if (backend_ == nullptr || backend_->device_count(&host_) == 0) {
    throw std::runtime_error("there is no CUDA device");
  }
  Expect(backend_->device_open(&host_, 0, &device_, &table_));
  const baleen_status status = table_->queue_create(device_, &queue_);
  if (status == BALEEN_OK) return;
  backend_->device_close(device_);
  Expect(status);
}

Plugin::~Plugin() {
  table_->queue_destroy(queue_);
  backend_->device_close(device_);
}

double CopyBandwidth(const std::string& path) {
  const Plugin plugin(path);
  const baleen_device_table& table = plugin.table();
  const DeviceMemory from(plugin, kCopied);
  const DeviceMemory to(plugin, kCopied);
  double seconds = 0;
  for (int round = 0; round < 2; ++round) {  // The first one warms up.
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kCopies; ++i) {
      plugin.Expect(
          table.copy(plugin.queue(), to.data(), from.data(), kCopied));
    }
    plugin.Expect(table.queue_wait(plugin.queue()));
    seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
  }
  return 2.0 * static_cast<double>(kCopied) * kCopies / seconds * 1e-9;
}

}  // namespace baleen::gpu
