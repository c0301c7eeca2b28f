#include "unit/ops/fake_device.h"

#include <cstdlib>
#include <cstring>

namespace baleen::test {
namespace {

baleen_status Double(baleen_queue* queue, const baleen_linear_args* args) {
  FakeDevice& fake = *FakeDevice::Of(queue);
  ++fake.calls;
  if (fake.run_status != BALEEN_OK) return fake.run_status;
  const auto count = args->in->size[0] * args->in->size[1];
  const auto* in = static_cast<const uint16_t*>(args->in->data);
  auto* out = static_cast<uint16_t*>(args->out->data);
  // Twice a bf16 number is one exponent more.
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<uint16_t>(in[i] + 0x80);
  }
  if (args->common.persistent != nullptr) {
    ++*static_cast<int32_t*>(args->common.persistent);
  }
  return BALEEN_OK;
}

baleen_status Query(baleen_device* device, baleen_op, const void*,
                    baleen_op_needs* needs) {
  const FakeDevice& fake = *FakeDevice::Of(device);
  needs->scratch_bytes = fake.scratch_bytes;
  needs->persistent_bytes = fake.persistent_bytes;
  return fake.query_status;
}

}  // namespace

FakeDevice::FakeDevice(const char* name) {
  FillTable();
  device_.handle = reinterpret_cast<baleen_device*>(this);
  device_.table = &table_;
  device_.backend = name;
  device_.last_failure = [](const Device&) { return "it did not want to"; };
}

void FakeDevice::FillTable() {
  ops_.struct_size = sizeof ops_;
  ops_.linear = Double;
  table_.struct_size = sizeof table_;
  table_.ops = &ops_;
  table_.allocate = [](baleen_device* device, uint64_t size,
                       void** memory) -> baleen_status {
    *memory = std::aligned_alloc(256, (size + 255) / 256 * 256);
    ++Of(device)->allocated;
    return *memory == nullptr ? BALEEN_OUT_OF_MEMORY : BALEEN_OK;
  };
  table_.deallocate = [](baleen_device* device, void* memory) {
    if (memory != nullptr) --Of(device)->allocated;
    std::free(memory);
  };
  table_.queue_create = [](baleen_device* device,
                           baleen_queue** queue) -> baleen_status {
    *queue = reinterpret_cast<baleen_queue*>(device);
    return BALEEN_OK;
  };
  table_.queue_destroy = [](baleen_queue*) {};
  table_.queue_wait = [](baleen_queue*) -> baleen_status { return BALEEN_OK; };
  table_.upload = [](baleen_queue* queue, void* to, const void* from,
                     uint64_t size) -> baleen_status {
    ++Of(queue)->uploads;
    std::memcpy(to, from, size);
    return BALEEN_OK;
  };
  table_.download = [](baleen_queue* queue, void* to, const void* from,
                       uint64_t size) -> baleen_status {
    ++Of(queue)->downloads;
    std::memcpy(to, from, size);
    return BALEEN_OK;
  };
  table_.copy = [](baleen_queue*, void* to, const void* from,
                   uint64_t size) -> baleen_status {
    std::memmove(to, from, size);
    return BALEEN_OK;
  };
  table_.format = [](baleen_device*, baleen_mode,
                     baleen_format* format) -> baleen_status {
    *format = {BALEEN_TYPE_BF16, BALEEN_TYPE_NONE, 0, 0};
    return BALEEN_OK;
  };
  table_.query = Query;
}

}  // namespace baleen::test
