// The CUDA runtime of the emulated device: memory is the host's, streams do at
// once what they are given, and graphs remember it.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "cuda/emulator/control.h"
#include "cuda/emulator/cuda_runtime.h"

struct EmulatedGraph {
  std::vector<std::function<void()>> work;
};
struct EmulatedStream {
  std::unique_ptr<EmulatedGraph> recording;
};
struct EmulatedEvent {
  int unused;
};

namespace baleen::emulator {

Control& TheControl() {
  static Control control;
  return control;
}

void Submit(cudaStream_t stream, std::function<void()> work, bool early) {
  ++TheControl().submitted;
  if (early) ++TheControl().early;
  if (stream->recording != nullptr) {
    stream->recording->work.push_back(std::move(work));
  } else {
    work();
  }
}

}  // namespace baleen::emulator

using baleen::emulator::TheControl;

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory"
         : error == cudaErrorNoDevice       ? "no CUDA-capable device"
                                            : "invalid value";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) {
  *version = TheControl().driver;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = TheControl().devices;
  return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* facts, int device) {
  if (device >= TheControl().devices) return cudaErrorInvalidValue;
  std::memset(facts, 0, sizeof(*facts));
  std::strcpy(facts->name, "emulated device");
  facts->totalGlobalMem = TheControl().memory;
  facts->major = TheControl().major;
  facts->multiProcessorCount = 4;
  facts->sharedMemPerBlockOptin = 227 << 10;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  *total = TheControl().memory;
  *free_bytes = TheControl().memory - TheControl().allocated;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, size_t size) {
  baleen::emulator::Control& control = TheControl();
  if (size > control.memory - control.allocated) {
    return cudaErrorMemoryAllocation;
  }
  *memory = std::aligned_alloc(256, (size + 255) / 256 * 256);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  // Nobody may count on zeros.
  std::memset(*memory, 0xA5, size);
  control.sizes.emplace(*memory, size);
  control.allocated += size;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  baleen::emulator::Control& control = TheControl();
  const auto found = control.sizes.find(memory);
  if (found == control.sizes.end()) return cudaErrorInvalidValue;
  control.allocated -= found->second;
  control.sizes.erase(found);
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, size_t size, unsigned int) {
  *memory = std::aligned_alloc(256, (size + 255) / 256 * 256);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size,
                            cudaMemcpyKind, cudaStream_t stream) {
  if (size == 0) return cudaSuccess;
  baleen::emulator::Submit(stream, [=] { std::memmove(to, from, size); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t size,
                            cudaStream_t stream) {
  if (size == 0) return cudaSuccess;
  baleen::emulator::Submit(stream, [=] { std::memset(memory, value, size); });
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  *stream = new EmulatedStream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned int) {
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  *event = new EmulatedEvent;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->recording = std::make_unique<EmulatedGraph>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = stream->recording.release();
  return *graph == nullptr ? cudaErrorInvalidValue : cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph,
                                 unsigned long long) {
  *made = new EmulatedGraph(*graph);
  ++TheControl().graphs;
  TheControl().graph_nodes += graph->work.size();
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
  ++TheControl().graph_launches;
  for (const auto& work : graph->work) work();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
