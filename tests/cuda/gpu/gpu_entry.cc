// The GPU under the operators' tests: the plug-in that the environment names in
// BALEEN_CUDA_PLUGIN, and memory of the tests that the GPU reads and writes
// where it lies.
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <baleen/backend.h>

#include "ops/guarded_pages.h"

namespace {

// As gpu_check says it.
constexpr int kNoDevice = 3;

baleen_backend_entry_fn plugin_entry = nullptr;

baleen_backend_entry_fn LoadPlugin(const char* path) {
  void* const library =
      path == nullptr ? nullptr : dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* const symbol =
      library == nullptr ? nullptr : dlsym(library, BALEEN_BACKEND_ENTRY);
  if (symbol == nullptr) {
    std::fprintf(
        stderr, "BALEEN_CUDA_PLUGIN: %s\n",
        path == nullptr ? "it does not name the plug-in to test" : dlerror());
    return nullptr;
  }
  baleen_backend_entry_fn entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof(entry));
  return entry;
}

// NULL, or why tests cannot run.
const char* DeviceError() {
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess) error = cudaSetDevice(0);
  // Makes the context, so that its time is nobody's.
  if (error == cudaSuccess) error = cudaFree(nullptr);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  int same_address = 0;
  error = cudaDeviceGetAttribute(
      &same_address, cudaDevAttrCanUseHostPointerForRegisteredMem, 0);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return same_address != 0
             ? nullptr
             : "the GPU does not see host memory at the host's addresses";
}

}  // namespace

void BaleenTestShare(void* pages, size_t size) {
  const cudaError_t error = cudaHostRegister(
      pages, size, cudaHostRegisterPortable | cudaHostRegisterMapped);
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "sharing %zu bytes with the GPU: %s\n", size,
               cudaGetErrorString(error));
  std::_Exit(EXIT_FAILURE);  // All that follows would fail as well.
}

void BaleenTestUnshare(void* pages) {
  // After an error of a kernel this fails too; the test has said so.
  static_cast<void>(cudaHostUnregister(pages));
}

extern "C" const baleen_backend* baleen_cuda_plugin_entry(
    const baleen_host* host) {
  return plugin_entry(host);
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  plugin_entry = LoadPlugin(std::getenv("BALEEN_CUDA_PLUGIN"));
  if (plugin_entry == nullptr) return EXIT_FAILURE;
  const char* const error = DeviceError();
  if (error != nullptr) {
    std::printf("no device: %s\n", error);
    return kNoDevice;
  }
  return RUN_ALL_TESTS();
}
