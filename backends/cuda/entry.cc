// The CUDA backend: the GPUs that the driver names and that are new enough.
//
// The runtime is linked in and looks for the driver when it is first called, so
// this loads where there is no GPU, says so in the log, and offers no device.
#include <cstdio>
#include <cstring>
#include <new>

#include "cuda/device.h"

namespace baleen::cuda {
namespace {

// Ampere: bf16 in matrix instructions, asynchronous copies.
constexpr int kLeastMajor = 8;

void Log(const baleen_host& host, baleen_log_level level, const char* message) {
  if (host.log != nullptr) host.log(host.user_data, level, message);
}

baleen_status Fail(const baleen_host& host, baleen_status status,
                   const char* message) {
  if (host.fail != nullptr) host.fail(host.user_data, message);
  return status;
}

// NULL, or why there can be no device, in `message`.
const char* DriverError(char* message, size_t size) {
  int driver = 0;
  int runtime = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    static_cast<void>(cudaGetLastError());
    return "no CUDA device: the NVIDIA driver (libcuda.so.1) is not installed";
  }
  if (cudaRuntimeGetVersion(&runtime) == cudaSuccess &&
      driver / 1000 < runtime / 1000) {
    std::snprintf(message, size,
                  "no CUDA device: the NVIDIA driver is for CUDA %d.%d, but "
                  "%d.0 is needed",
                  driver / 1000, driver % 1000 / 10, runtime / 1000);
    return message;
  }
  return nullptr;
}

// The driver's number of the `index`th device that is new enough, or -1;
// *count is how many there are.
int FindDevice(const baleen_host& host, uint32_t index, uint32_t* count,
               bool tell) {
  *count = 0;
  char message[160];
  const char* why = DriverError(message, sizeof(message));
  int all = 0;
  if (why == nullptr) {
    const cudaError_t error = cudaGetDeviceCount(&all);
    if (error != cudaSuccess || all == 0) {
      static_cast<void>(cudaGetLastError());
      std::snprintf(message, sizeof(message), "no CUDA device: %s",
                    cudaGetErrorString(error));
      why = message;
      all = 0;
    }
  }
  if (why != nullptr && tell) Log(host, BALEEN_LOG_INFO, why);
  int found = -1;
  for (int i = 0; i < all; ++i) {
    cudaDeviceProp facts;
    if (cudaGetDeviceProperties(&facts, i) != cudaSuccess) continue;
    if (facts.major < kLeastMajor) {
      std::snprintf(message, sizeof(message),
                    "%.64s is too old: compute capability %d.%d, where 8.0 is "
                    "the least",
                    facts.name, facts.major, facts.minor);
      if (tell) Log(host, BALEEN_LOG_INFO, message);
      continue;
    }
    if (*count == index) found = i;
    ++*count;
  }
  return found;
}

uint32_t DeviceCount(const baleen_host* host) {
  uint32_t count = 0;
  FindDevice(*host, 0, &count, true);
  return count;
}

baleen_status DeviceInfo(const baleen_host* host, uint32_t index,
                         baleen_device_info* info) {
  uint32_t count = 0;
  const int number = FindDevice(*host, index, &count, false);
  cudaDeviceProp facts;
  if (number < 0 || cudaGetDeviceProperties(&facts, number) != cudaSuccess) {
    return Fail(*host, BALEEN_NOT_FOUND, "there is no such CUDA device");
  }
  baleen_device_info answer;
  std::memset(&answer, 0, sizeof(answer));
  answer.struct_size = info->struct_size;
  answer.memory_total = facts.totalGlobalMem;
  size_t free_bytes = 0;
  size_t total = 0;
  int before = 0;
  if (cudaGetDevice(&before) == cudaSuccess &&
      cudaSetDevice(number) == cudaSuccess) {
    if (cudaMemGetInfo(&free_bytes, &total) == cudaSuccess) {
      answer.memory_free = free_bytes;
    }
    static_cast<void>(cudaSetDevice(before));
  }
  std::snprintf(answer.backend, sizeof(answer.backend), "cuda");
  std::snprintf(answer.name, sizeof(answer.name), "%.95s", facts.name);
  std::memcpy(
      info, &answer,
      info->struct_size < sizeof(answer) ? info->struct_size : sizeof(answer));
  return BALEEN_OK;
}

baleen_status DeviceOpen(const baleen_host* host, uint32_t index,
                         baleen_device** device,
                         const baleen_device_table** table) {
  uint32_t count = 0;
  const int number = FindDevice(*host, index, &count, false);
  cudaDeviceProp facts;
  if (number < 0 || cudaGetDeviceProperties(&facts, number) != cudaSuccess) {
    return Fail(*host, BALEEN_NOT_FOUND, "there is no such CUDA device");
  }
  Settings settings;
  const baleen_status status = ReadSettings(*host, &settings);
  if (status != BALEEN_OK) return status;
  const Device model(host, number, facts, settings);
  void* memory = model.AllocateHost(sizeof(Device));
  if (memory == nullptr) {
    return model.Fail(BALEEN_OUT_OF_MEMORY, "no memory for a CUDA device");
  }
  model.Choose();
  model.Log(BALEEN_LOG_INFO, "CUDA device %d: %.64s, capability %d.%d, %d SMs",
            number, facts.name, facts.major, facts.minor,
            facts.multiProcessorCount);
  *device = ToHandle(new (memory) Device(model));
  *table = &kDeviceTable;
  return BALEEN_OK;
}

void DeviceClose(baleen_device* device) {
  if (device == nullptr) return;
  const Device copy = *FromHandle(device);
  copy.DeallocateHost(device);
}

constexpr baleen_backend kBackend = {sizeof(baleen_backend),
                                     BALEEN_BACKEND_MAJOR,
                                     BALEEN_BACKEND_MINOR,
                                     0,
                                     "cuda",
                                     DeviceCount,
                                     DeviceInfo,
                                     DeviceOpen,
                                     DeviceClose};

}  // namespace
}  // namespace baleen::cuda

extern "C" BALEEN_API const baleen_backend* baleen_backend_entry(
    const baleen_host* host);

const baleen_backend* baleen_backend_entry(const baleen_host* host) {
  if (host == nullptr || host->struct_size < sizeof(baleen_host) ||
      host->major != BALEEN_BACKEND_MAJOR || host->allocator == nullptr ||
      host->workers == nullptr) {
    return nullptr;
  }
  return &baleen::cuda::kBackend;
}
