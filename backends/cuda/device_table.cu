// The functions of a CUDA device: memory, queues, copies, and the tables of
// operators, state, weights and programs.
#include <new>

#include "cuda/device.h"
#include "cuda/program.h"
#include "cuda/state.h"
#include "cuda/weights.h"

namespace baleen::cuda {
namespace {

baleen_status Allocate(baleen_device* handle, uint64_t size, void** memory) {
  const Device& device = *FromHandle(handle);
  device.Choose();
  *memory = nullptr;
  const cudaError_t error = cudaMalloc(memory, size == 0 ? 1 : size);
  if (error == cudaSuccess) return BALEEN_OK;
  static_cast<void>(cudaGetLastError());
  return device.Fail(BALEEN_OUT_OF_MEMORY, "no memory for %llu bytes: %s",
                     static_cast<unsigned long long>(size),
                     cudaGetErrorString(error));
}

void Deallocate(baleen_device* handle, void* memory) {
  FromHandle(handle)->Choose();
  static_cast<void>(cudaFree(memory));
}

baleen_status AllocateStaging(baleen_device* handle, uint64_t size,
                              void** memory) {
  const Device& device = *FromHandle(handle);
  device.Choose();
  return device.Check(
      cudaHostAlloc(memory, size == 0 ? 1 : size, cudaHostAllocPortable),
      "memory for staging");
}

void DeallocateStaging(baleen_device* handle, void* memory) {
  FromHandle(handle)->Choose();
  static_cast<void>(cudaFreeHost(memory));
}

void QueueDestroy(baleen_queue* handle) {
  if (handle == nullptr) return;
  const Queue queue = *FromHandle(handle);
  queue.device->Choose();
  if (queue.stream != nullptr) {
    static_cast<void>(cudaStreamSynchronize(queue.stream));
    static_cast<void>(cudaStreamDestroy(queue.stream));
  }
  if (queue.event != nullptr) static_cast<void>(cudaEventDestroy(queue.event));
  static_cast<void>(cudaFree(queue.scratch.data));
  for (const Staging& staging : queue.staging) {
    static_cast<void>(cudaFreeHost(staging.data));
    if (staging.copied != nullptr) {
      static_cast<void>(cudaEventDestroy(staging.copied));
    }
  }
  queue.device->DeallocateHost(handle);
}

baleen_status QueueCreate(baleen_device* handle, baleen_queue** queue) {
  const Device& device = *FromHandle(handle);
  device.Choose();
  void* memory = device.AllocateHost(sizeof(Queue));
  if (memory == nullptr) {
    return device.Fail(BALEEN_OUT_OF_MEMORY, "no memory for a queue");
  }
  Queue* made =
      new (memory) Queue{&device, nullptr, nullptr, Scratch(), {}, 0, 0, 0};
  baleen_status status = device.Check(
      cudaStreamCreateWithFlags(&made->stream, cudaStreamNonBlocking),
      "making a stream");
  if (status == BALEEN_OK) {
    status = device.Check(
        cudaEventCreateWithFlags(&made->event, cudaEventDisableTiming),
        "making an event");
  }
  if (status != BALEEN_OK) {
    QueueDestroy(ToHandle(made));
    return status;
  }
  *queue = ToHandle(made);
  return BALEEN_OK;
}

baleen_status QueueWait(baleen_queue* handle) {
  const Queue& queue = *FromHandle(handle);
  queue.device->Choose();
  return queue.device->Check(cudaStreamSynchronize(queue.stream),
                             "waiting for a queue");
}

baleen_status CopyBytes(baleen_queue* handle, void* to, const void* from,
                        uint64_t size, cudaMemcpyKind kind, const char* what) {
  const Queue& queue = *FromHandle(handle);
  if (size == 0) return BALEEN_OK;
  queue.device->Choose();
  return queue.device->Check(
      cudaMemcpyAsync(to, from, size, kind, queue.stream), what);
}

// Host memory has been read when this returns, pinned or not.
baleen_status Upload(baleen_queue* queue, void* memory, const void* host,
                     uint64_t size) {
  const baleen_status status =
      CopyBytes(queue, memory, host, size, cudaMemcpyHostToDevice,
                "copying to the device");
  return status == BALEEN_OK && size != 0 ? QueueWait(queue) : status;
}

baleen_status Download(baleen_queue* queue, void* host, const void* memory,
                       uint64_t size) {
  return CopyBytes(queue, host, memory, size, cudaMemcpyDeviceToHost,
                   "copying from the device");
}

baleen_status Copy(baleen_queue* queue, void* to, const void* from,
                   uint64_t size) {
  return CopyBytes(queue, to, from, size, cudaMemcpyDeviceToDevice,
                   "copying on the device");
}

baleen_status QueueAfter(baleen_queue* handle, baleen_queue* other) {
  const Queue& queue = *FromHandle(handle);
  const Queue& before = *FromHandle(other);
  queue.device->Choose();
  const baleen_status status = queue.device->Check(
      cudaEventRecord(before.event, before.stream), "marking a queue");
  if (status != BALEEN_OK) return status;
  return queue.device->Check(cudaStreamWaitEvent(queue.stream, before.event, 0),
                             "joining queues");
}

baleen_status QueueRows(baleen_queue* queue, uint32_t rows) {
  FromHandle(queue)->rows = rows;
  return BALEEN_OK;
}

baleen_status Format(baleen_device* handle, baleen_mode mode,
                     baleen_format* format) {
  constexpr uint32_t kReferenceBlock = 128;
  switch (mode) {
    case BALEEN_MODE_REFERENCE:
      *format = {BALEEN_TYPE_F8_E4M3, BALEEN_TYPE_E8M0, kReferenceBlock, 0};
      return BALEEN_OK;
    case BALEEN_MODE_FAST:
      *format = {BALEEN_TYPE_BF16, BALEEN_TYPE_NONE, 0, 0};
      return BALEEN_OK;
    default:
      return FromHandle(handle)->Fail(BALEEN_INVALID_ARGUMENT,
                                      "there is no mode %d",
                                      static_cast<int>(mode));
  }
}

}  // namespace

const baleen_device_table kDeviceTable = {
    .struct_size = sizeof(baleen_device_table),
    .reserved = 0,
    .ops = &kOperators,
    .allocate = Allocate,
    .deallocate = Deallocate,
    .allocate_staging = AllocateStaging,
    .deallocate_staging = DeallocateStaging,
    .queue_create = QueueCreate,
    .queue_destroy = QueueDestroy,
    .queue_wait = QueueWait,
    .upload = Upload,
    .download = Download,
    .copy = Copy,
    .queue_after = QueueAfter,
    .format = Format,
    .query = QueryOperator,
    .state_size = StateSize,
    .state_copy = StateCopy,
    .weight_layout = WeightLayout,
    .weight_size = WeightSize,
    .weight_pack = WeightPack,
    .weight_open = WeightOpen,
    .weight_close = WeightClose,
    .expert_fetch = nullptr,
    .program_create = ProgramCreate,
    .program_run = ProgramRun,
    .program_destroy = ProgramDestroy,
    .queue_rows = QueueRows,
    .expert_place = ExpertPlace,
};

}  // namespace baleen::cuda
