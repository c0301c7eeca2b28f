// The CUDA plug-in where there is no GPU: it loads, says why there is no device
// in one plain sentence, and leaves nothing behind.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <baleen/backend.h>

namespace {

struct Host {
  Host() {
    allocator.struct_size = sizeof(allocator);
    allocator.user_data = this;
    allocator.allocate = [](void* self, size_t size, size_t alignment) {
      ++static_cast<Host*>(self)->blocks;
      return std::aligned_alloc(alignment,
                                (size + alignment - 1) / alignment * alignment);
    };
    allocator.deallocate = [](void* self, void* memory, size_t, size_t) {
      --static_cast<Host*>(self)->blocks;
      std::free(memory);
    };
    workers.struct_size = sizeof(workers);
    workers.width = 1;
    workers.run = [](void*, uint32_t count, baleen_task_fn task, void* data) {
      for (uint32_t i = 0; i < count; ++i) task(data, i);
    };
    host.struct_size = sizeof(host);
    host.major = BALEEN_BACKEND_MAJOR;
    host.minor = BALEEN_BACKEND_MINOR;
    host.user_data = this;
    host.fail = [](void* self, const char* message) {
      static_cast<Host*>(self)->failure = message;
    };
    host.log = [](void* self, baleen_log_level, const char* message) {
      static_cast<Host*>(self)->log.push_back(message);
    };
    host.setting = [](void*, const char*) -> const char* { return nullptr; };
    host.allocator = &allocator;
    host.workers = &workers;
  }

  baleen_allocator allocator = {};
  baleen_workers workers = {};
  baleen_host host = {};
  std::string failure;
  std::vector<std::string> log;
  int blocks = 0;
};

const baleen_backend* Load(const baleen_host* host) {
  // What is loaded stays: the runtime does not like to be unloaded.
  void* library = dlopen(BALEEN_CUDA_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(library, nullptr) << dlerror();
  if (library == nullptr) return nullptr;
  void* symbol = dlsym(library, BALEEN_BACKEND_ENTRY);
  EXPECT_NE(symbol, nullptr) << dlerror();
  if (symbol == nullptr) return nullptr;
  baleen_backend_entry_fn entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof(entry));
  return entry(host);
}

TEST(CudaPlugin, LoadsAndSaysWhatDevicesThereAre) {
  Host host;
  const baleen_backend* backend = Load(&host.host);
  ASSERT_NE(backend, nullptr);
  EXPECT_STREQ(backend->name, "cuda");
  const uint32_t count = backend->device_count(&host.host);
  if (count == 0) {
    ASSERT_EQ(host.log.size(), 1u);
    EXPECT_NE(host.log[0].find("no CUDA device: "), std::string::npos)
        << host.log[0];
    baleen_device* device = nullptr;
    const baleen_device_table* table = nullptr;
    EXPECT_EQ(backend->device_open(&host.host, 0, &device, &table),
              BALEEN_NOT_FOUND);
    EXPECT_EQ(host.failure, "there is no such CUDA device");
    baleen_device_info info = {};
    info.struct_size = sizeof(info);
    EXPECT_EQ(backend->device_info(&host.host, 0, &info), BALEEN_NOT_FOUND);
  }
  EXPECT_EQ(host.blocks, 0);
}

TEST(CudaPlugin, RefusesAHostOfAnotherMajorNumber) {
  Host host;
  host.host.major = BALEEN_BACKEND_MAJOR + 1;
  EXPECT_EQ(Load(&host.host), nullptr);
}

}  // namespace
