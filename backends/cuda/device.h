// A GPU as a device of the CUDA backend, its queues, and how they report what
// the runtime says.
#pragma once

#include <baleen/backend.h>
#include <cuda_runtime.h>

#include <cstdarg>
#include <cstddef>

#include "cuda/settings.h"

namespace baleen::cuda {

class Device {
 public:
  Device(const baleen_host* host, int index, const cudaDeviceProp& facts,
         const Settings& settings)
      : host_(host),
        index_(index),
        processors_(facts.multiProcessorCount),
        capability_(facts.major * 10 + facts.minor),
        shared_bytes_(facts.sharedMemPerBlockOptin),
        settings_(settings) {}

  const baleen_host& host() const { return *host_; }
  int index() const { return index_; }
  int processors() const { return processors_; }
  int capability() const { return capability_; }
  // Of shared memory, that a block of threads can have.
  size_t shared_bytes() const { return shared_bytes_; }
  const Settings& settings() const { return settings_; }

  // Tells the host why, in one line, and returns `status`.
  baleen_status Fail(baleen_status status, const char* format, ...) const
      __attribute__((format(printf, 3, 4)));
  void Log(baleen_log_level level, const char* format, ...) const
      __attribute__((format(printf, 3, 4)));
  // BALEEN_OK, or fails with what the runtime calls the error.
  baleen_status Check(cudaError_t error, const char* what) const;

  // Calls of the runtime are for the device that the thread has chosen.
  void Choose() const;

  // Host memory of the host's allocator; NULL when there is none.
  void* AllocateHost(uint64_t size) const;
  void DeallocateHost(void* memory) const;

 private:
  const baleen_host* host_;
  int index_;
  int processors_;
  int capability_;
  size_t shared_bytes_;
  Settings settings_;
};

// Memory of a device that grows and is reused, for copies of state.
struct Scratch {
  void* data = nullptr;
  uint64_t size = 0;
};

// Pinned host memory that bytes to be copied wait in.
struct Staging {
  void* data = nullptr;
  uint64_t size = 0;
  cudaEvent_t copied = nullptr;  // What lay there last is on the device.
};

struct Queue {
  const Device* device;
  cudaStream_t stream;
  cudaEvent_t event;
  Scratch scratch;
  // Of experts: one is packed while the other is copied.
  Staging staging[2];
  uint32_t next_staging;
  // Most rows, and rows with outputs, of what is put in from here on; 0: as
  // many as tensors have room for.  `queue_rows` of the device table.
  uint32_t rows;
  baleen_op op;  // Whose kernels are being launched.
};

inline Device* FromHandle(baleen_device* device) {
  return reinterpret_cast<Device*>(device);
}
inline baleen_device* ToHandle(Device* device) {
  return reinterpret_cast<baleen_device*>(device);
}
inline Queue* FromHandle(baleen_queue* queue) {
  return reinterpret_cast<Queue*>(queue);
}
inline baleen_queue* ToHandle(Queue* queue) {
  return reinterpret_cast<baleen_queue*>(queue);
}

// Makes room of at least `size`, waiting for the queue if it must grow.
baleen_status Reserve(Queue* queue, uint64_t size);

// The next of the queue's stagings, of at least `size` and free to be written.
baleen_status NextStaging(Queue* queue, uint64_t size, Staging** staging);

// The functions of devices, in device_table.cu.
extern const baleen_device_table kDeviceTable;
extern const baleen_ops kOperators;
baleen_status QueryOperator(baleen_device* device, baleen_op op,
                            const void* args, baleen_op_needs* needs);

}  // namespace baleen::cuda
