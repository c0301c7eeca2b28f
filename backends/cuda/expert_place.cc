// Brings experts to where the library wants them on the device: packed, or
// copied from a blob, into pinned memory, and from there over the bus while the
// next one is packed.
#include <cstring>

#include "cuda/device.h"
#include "cuda/weight_pack.h"
#include "cuda/weights.h"

namespace baleen::cuda {
namespace {

// Expert `e` as it lies on the device.
void WriteExpert(const Device& device, const Weight& weight, int32_t e,
                 uint8_t* to) {
  if (weight.blob != nullptr) {
    std::memcpy(to, weight.blob + e * weight.placed_bytes,
                static_cast<size_t>(weight.placed_bytes));
    return;
  }
  for (int i = 0; i < 3; ++i) {
    const baleen_tensor& tensor = weight.tensors[3 * e + i];
    PackMatrix(device, weight.kind, tensor, to);
    to += PackedBytes(weight.kind, tensor);
  }
}

baleen_status PlaceOne(Queue* queue, const Weight& weight, int32_t e,
                       void* memory) {
  const Device& device = *queue->device;
  const auto bytes = static_cast<uint64_t>(weight.placed_bytes);
  Staging* staging = nullptr;
  // Behind the expert, its address: copied from pinned memory, too, nothing
  // waits.
  baleen_status status = NextStaging(queue, bytes + sizeof(memory), &staging);
  if (status != BALEEN_OK) return status;
  uint8_t* const data = static_cast<uint8_t*>(staging->data);
  WriteExpert(device, weight, e, data);
  std::memcpy(data + bytes, &memory, sizeof(memory));
  status = device.Check(cudaMemcpyAsync(memory, data, bytes,
                                        cudaMemcpyHostToDevice, queue->stream),
                        "copying an expert to the device");
  if (status == BALEEN_OK) {
    status = device.Check(
        cudaMemcpyAsync(weight.places + e, data + bytes, sizeof(memory),
                        cudaMemcpyHostToDevice, queue->stream),
        "copying the place of an expert");
  }
  if (status != BALEEN_OK) return status;
  return device.Check(cudaEventRecord(staging->copied, queue->stream),
                      "marking a copy");
}

}  // namespace

baleen_status ExpertPlace(baleen_queue* handle, baleen_weight* weight_handle,
                          const int32_t* experts, void* const* memory,
                          uint32_t count) {
  Queue* const queue = FromHandle(handle);
  const Device& device = *queue->device;
  const Weight& weight =
      *FromHandle(const_cast<const baleen_weight*>(weight_handle));
  if (weight.placed_bytes == 0) {
    return device.Fail(BALEEN_INVALID_ARGUMENT,
                       "the experts of this weight have their places");
  }
  device.Choose();
  for (uint32_t i = 0; i < count; ++i) {
    if (experts[i] < 0 ||
        experts[i] + 1 >= static_cast<int32_t>(weight.experts) ||
        memory[i] == nullptr) {
      return device.Fail(BALEEN_INVALID_ARGUMENT,
                         "there is no expert %d to be placed, or no place",
                         static_cast<int>(experts[i]));
    }
    const baleen_status status = PlaceOne(queue, weight, experts[i], memory[i]);
    if (status != BALEEN_OK) return status;
  }
  return BALEEN_OK;
}

}  // namespace baleen::cuda
