// Recording and running of programs; see program.h.
#include "cuda/program.h"

#include "cuda/kernels/fused.h"

namespace baleen::cuda {
namespace {

baleen_status CallRecord(baleen_queue* queue, const baleen_op_record& record) {
  int32_t op = 0;
#define BALEEN_CUDA_RECORD(name, Name)                                 \
  if (record.op == op++) {                                             \
    return kOperators.name(                                            \
        queue, static_cast<const baleen_##name##_args*>(record.args)); \
  }
  BALEEN_CUDA_OPERATORS(BALEEN_CUDA_RECORD)
#undef BALEEN_CUDA_RECORD
  return FromHandle(queue)->device->Fail(BALEEN_UNSUPPORTED,
                                         "the CUDA backend has no operator %d",
                                         static_cast<int>(record.op));
}

cudaGraphExec_t FromProgram(baleen_program* program) {
  return reinterpret_cast<cudaGraphExec_t>(program);
}

}  // namespace

baleen_status ProgramCreate(baleen_queue* handle,
                            const baleen_op_record* records,
                            uint32_t record_count, const baleen_tensor* const*,
                            uint32_t, uint32_t* taken,
                            baleen_program** program) {
  Queue& queue = *FromHandle(handle);
  const Device& device = *queue.device;
  if (!device.settings().graph) {
    return device.Fail(BALEEN_UNSUPPORTED, "cuda.graph is off");
  }
  device.Choose();
  baleen_status status = device.Check(
      cudaStreamBeginCapture(queue.stream, cudaStreamCaptureModeThreadLocal),
      "recording a program");
  if (status != BALEEN_OK) return status;
  uint32_t done = 0;
  while (done < record_count && status == BALEEN_OK) {
    const uint32_t fused =
        RunFused(&queue, records + done, record_count - done, &status);
    if (fused == 0) status = CallRecord(handle, records[done]);
    done += fused == 0 ? 1 : fused;
  }
  // A recording has to be ended, whatever became of it.
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(queue.stream, &graph);
  if (status == BALEEN_OK) {
    status = device.Check(ended, "ending the recording of a program");
  }
  cudaGraphExec_t made = nullptr;
  if (status == BALEEN_OK) {
    status = device.Check(cudaGraphInstantiate(&made, graph, 0),
                          "making a program of its recording");
  }
  if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  if (status != BALEEN_OK) return status;
  *taken = record_count;
  *program = reinterpret_cast<baleen_program*>(made);
  return BALEEN_OK;
}

baleen_status ProgramRun(baleen_queue* handle, baleen_program* program) {
  const Queue& queue = *FromHandle(handle);
  queue.device->Choose();
  return queue.device->Check(
      cudaGraphLaunch(FromProgram(program), queue.stream), "running a program");
}

void ProgramDestroy(baleen_device* device, baleen_program* program) {
  FromHandle(device)->Choose();
  static_cast<void>(cudaGraphExecDestroy(FromProgram(program)));
}

}  // namespace baleen::cuda
