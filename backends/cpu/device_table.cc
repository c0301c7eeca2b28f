// The functions of the CPU device: memory, queues, formats, and the tables of
// operators, state and weights.
#include <cstring>
#include <new>

#include "cpu/device.h"
#include "cpu/ops.h"
#include "cpu/queue.h"
#include "cpu/state_table.h"
#include "cpu/weights.h"

namespace baleen::cpu {
namespace {

baleen_status Allocate(baleen_device* handle, uint64_t size, void** memory) {
  const Device& device = *FromHandle(handle);
  *memory = device.Allocate(size);
  if (*memory != nullptr) return BALEEN_OK;
  return device.Fail(BALEEN_OUT_OF_MEMORY, "no memory for %llu bytes",
                     static_cast<unsigned long long>(size));
}

void Deallocate(baleen_device* device, void* memory) {
  FromHandle(device)->Deallocate(memory);
}

baleen_status QueueCreate(baleen_device* handle, baleen_queue** queue) {
  const Device& device = *FromHandle(handle);
  void* memory = device.Allocate(sizeof(Queue));
  if (memory == nullptr) {
    return device.Fail(BALEEN_OUT_OF_MEMORY, "no memory for a queue");
  }
  *queue = ToHandle(new (memory) Queue{&device});
  return BALEEN_OK;
}

void QueueDestroy(baleen_queue* queue) {
  if (queue == nullptr) return;
  FromHandle(queue)->device->Deallocate(queue);
}

baleen_status QueueWait(baleen_queue*) { return BALEEN_OK; }

baleen_status QueueAfter(baleen_queue*, baleen_queue*) { return BALEEN_OK; }

baleen_status Copy(baleen_queue*, void* to, const void* from, uint64_t size) {
  if (size != 0) std::memmove(to, from, static_cast<size_t>(size));
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
    .allocate_staging = nullptr,
    .deallocate_staging = nullptr,
    .queue_create = QueueCreate,
    .queue_destroy = QueueDestroy,
    .queue_wait = QueueWait,
    .upload = Copy,
    .download = Copy,
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
    .program_create = nullptr,
    .program_run = nullptr,
    .program_destroy = nullptr,
    .queue_rows = nullptr,
};

}  // namespace baleen::cpu
