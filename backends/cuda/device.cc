// Messages and host memory of a CUDA device.
#include "cuda/device.h"

#include <cstdio>
#include <cstring>

namespace baleen::cuda {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMessageSize = 256;

}  // namespace

baleen_status Device::Fail(baleen_status status, const char* format,
                           ...) const {
  if (host_->fail == nullptr) return status;
  char message[kMessageSize];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  host_->fail(host_->user_data, message);
  return status;
}

void Device::Log(baleen_log_level level, const char* format, ...) const {
  if (host_->log == nullptr) return;
  char message[kMessageSize];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  host_->log(host_->user_data, level, message);
}

baleen_status Device::Check(cudaError_t error, const char* what) const {
  if (error == cudaSuccess) return BALEEN_OK;
  // What is sticky stays; the rest must not fail the next launch.
  static_cast<void>(cudaGetLastError());
  return Fail(error == cudaErrorMemoryAllocation ? BALEEN_OUT_OF_MEMORY
                                                 : BALEEN_DEVICE_LOST,
              "%s: %s", what, cudaGetErrorString(error));
}

void Device::Choose() const {
  int current = -1;
  if (cudaGetDevice(&current) != cudaSuccess || current != index_) {
    static_cast<void>(cudaSetDevice(index_));
  }
}

void* Device::AllocateHost(uint64_t size) const {
  const baleen_allocator& allocator = *host_->allocator;
  if (size > SIZE_MAX - kAlignment) return nullptr;
  const size_t whole = static_cast<size_t>(size) + kAlignment;
  void* memory = allocator.allocate(allocator.user_data, whole, kAlignment);
  if (memory == nullptr) return nullptr;
  // The size must be given back with the memory, so it is kept in front.
  std::memcpy(memory, &whole, sizeof(whole));
  return static_cast<std::byte*>(memory) + kAlignment;
}

void Device::DeallocateHost(void* memory) const {
  if (memory == nullptr) return;
  const baleen_allocator& allocator = *host_->allocator;
  std::byte* const whole = static_cast<std::byte*>(memory) - kAlignment;
  size_t size;
  std::memcpy(&size, whole, sizeof(size));
  allocator.deallocate(allocator.user_data, whole, size, kAlignment);
}

baleen_status Reserve(Queue* queue, uint64_t size) {
  if (queue->scratch.size >= size) return BALEEN_OK;
  const Device& device = *queue->device;
  baleen_status status =
      device.Check(cudaStreamSynchronize(queue->stream), "waiting for a queue");
  if (status != BALEEN_OK) return status;
  static_cast<void>(cudaFree(queue->scratch.data));
  queue->scratch = Scratch();
  status = device.Check(cudaMalloc(&queue->scratch.data, size),
                        "memory for copies of state");
  if (status == BALEEN_OK) queue->scratch.size = size;
  return status;
}

baleen_status NextStaging(Queue* queue, uint64_t size, Staging** out) {
  const Device& device = *queue->device;
  Staging& staging = queue->staging[queue->next_staging];
  queue->next_staging ^= 1;
  baleen_status status = BALEEN_OK;
  if (staging.copied == nullptr) {
    status = device.Check(
        cudaEventCreateWithFlags(&staging.copied, cudaEventDisableTiming),
        "making an event");
  } else {
    status = device.Check(cudaEventSynchronize(staging.copied),
                          "waiting for a copy to the device");
  }
  if (status == BALEEN_OK && staging.size < size) {
    static_cast<void>(cudaFreeHost(staging.data));
    staging.data = nullptr;
    staging.size = 0;
    status =
        device.Check(cudaHostAlloc(&staging.data, size, cudaHostAllocPortable),
                     "host memory for copies to the device");
    if (status == BALEEN_OK) staging.size = size;
  }
  *out = &staging;
  return status;
}

}  // namespace baleen::cuda
