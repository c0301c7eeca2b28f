// What the conformance tests of operators stand on: devices, tensors whose every
// buffer ends at a page that may not be touched, and calls with scratch as
// `query` asks.
#pragma once

#include <baleen/backend.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cpu/entry.h"
#include "ops/guarded_pages.h"

namespace baleen::conformance {

// Memory whose last byte is followed by a page that faults; its start is aligned
// as its size allows.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t size) : size_(size), pages_(size, 0xA5) {}

  uint8_t* data() { return pages_.end() - size_; }
  const uint8_t* data() const { return pages_.end() - size_; }
  size_t size() const { return size_; }

 private:
  size_t size_;
  GuardedPages pages_;
};

// A CPU device with an instruction set and a number of threads.
class TestDevice {
 public:
  explicit TestDevice(const char* isa, uint32_t width = 1) : isa_(isa) {
    allocator_ = {sizeof(allocator_), 0, nullptr, Allocate, Deallocate};
    workers_ = {sizeof(workers_), width, this, RunTasks};
    host_ = {sizeof(host_),
             BALEEN_BACKEND_MAJOR,
             BALEEN_BACKEND_MINOR,
             0,
             this,
             Fail,
             nullptr,
             Setting,
             nullptr,
             &allocator_,
             &workers_};
    backend_ = baleen_cpu_backend_entry(&host_);
    status_ = backend_->device_open(&host_, 0, &device_, &table_);
    if (status_ == BALEEN_OK) table_->queue_create(device_, &queue_);
  }
  ~TestDevice() {
    if (status_ != BALEEN_OK) return;
    table_->queue_destroy(queue_);
    backend_->device_close(device_);
  }
  TestDevice(const TestDevice&) = delete;
  TestDevice& operator=(const TestDevice&) = delete;

  baleen_status status() const { return status_; }
  baleen_device* handle() const { return device_; }
  baleen_queue* queue() const { return queue_; }
  const baleen_device_table& table() const { return *table_; }
  const baleen_ops& ops() const { return *table_->ops; }
  const std::string& failure() const { return failure_; }

  // Asks what `args` need, gives it, and calls the operator.
  template <typename Args>
  baleen_status Call(baleen_op op,
                     baleen_status (*call)(baleen_queue*, const Args*),
                     Args args) {
    baleen_op_needs needs{};
    needs.struct_size = sizeof(needs);
    const baleen_status asked = table_->query(device_, op, &args, &needs);
    if (asked != BALEEN_OK) return asked;
    implementation_ = needs.implementation;
    GuardedBuffer scratch((needs.scratch_bytes + 63) / 64 * 64);
    args.common.scratch = scratch.data();
    GuardedBuffer persistent((needs.persistent_bytes + 63) / 64 * 64);
    std::memset(persistent.data(), 0, persistent.size());
    args.common.persistent = persistent.data();
    const baleen_status ran = call(queue_, &args);
    const baleen_status waited = table_->queue_wait(queue_);
    // What is the operator's own it leaves as it was.
    for (size_t i = 0; i < persistent.size(); ++i) {
      EXPECT_EQ(persistent.data()[i], 0) << "persistent byte " << i;
    }
    return ran == BALEEN_OK ? waited : ran;
  }
  const std::string& implementation() const { return implementation_; }

 private:
  static void* Allocate(void*, size_t size, size_t alignment) {
    return std::aligned_alloc(alignment,
                              (size + alignment - 1) / alignment * alignment);
  }
  static void Deallocate(void*, void* memory, size_t, size_t) {
    std::free(memory);
  }
  static void Fail(void* self, const char* message) {
    static_cast<TestDevice*>(self)->failure_ = message;
  }
  static const char* Setting(void* self, const char* name) {
    return std::strcmp(name, "cpu.isa") == 0
               ? static_cast<TestDevice*>(self)->isa_
               : nullptr;
  }
  // Threads take tasks as they come, so that a result which depends on who does
  // what shows.
  static void RunTasks(void* self, uint32_t count, baleen_task_fn task,
                       void* data) {
    std::atomic<uint32_t> next{0};
    const auto work = [&] {
      for (uint32_t i = next++; i < count; i = next++) task(data, i);
    };
    std::vector<std::thread> threads;
    const uint32_t width = static_cast<TestDevice*>(self)->workers_.width;
    for (uint32_t i = 1; i < width; ++i) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
  }

  const char* isa_;
  std::string failure_;
  std::string implementation_;
  baleen_allocator allocator_;
  baleen_workers workers_;
  baleen_host host_;
  const baleen_backend* backend_;
  baleen_status status_;
  baleen_device* device_ = nullptr;
  const baleen_device_table* table_ = nullptr;
  baleen_queue* queue_ = nullptr;
};

// The instruction sets of the CPU backend that this machine can run.
inline std::vector<const char*> Devices() {
  std::vector<const char*> present;
  for (const char* isa :
       {"reference", "portable", "avx2", "avx512_core", "avx512", "amx"}) {
    if (TestDevice(isa).status() == BALEEN_OK) present.push_back(isa);
  }
  return present;
}

inline size_t TypeBits(baleen_type type) {
  switch (type) {
    case BALEEN_TYPE_F32:
    case BALEEN_TYPE_I32:
      return 32;
    case BALEEN_TYPE_BF16:
      return 16;
    case BALEEN_TYPE_F4_E2M1:
      return 4;
    case BALEEN_TYPE_I64:
      return 64;
    default:
      return 8;
  }
}

// A tensor with memory of its own.
class Tensor {
 public:
  // `padding` elements lie between rows of the outermost dimension.
  Tensor(baleen_type type, std::initializer_list<int64_t> sizes,
         int64_t padding = 0) {
    tensor_ = {};
    tensor_.type = type;
    tensor_.rank = static_cast<uint32_t>(sizes.size());
    int i = 0;
    for (int64_t size : sizes) tensor_.size[i++] = size;
    int64_t stride = 1;
    for (int d = static_cast<int>(tensor_.rank) - 1; d >= 0; --d) {
      tensor_.stride[d] = stride + (d == 0 && tensor_.rank > 1 ? padding : 0);
      stride *= tensor_.size[d];
    }
    // The last row needs no padding after it: the guard page follows at once.
    const int64_t rows = tensor_.size[0];
    const int64_t columns = rows == 0 ? 0 : stride / rows;
    const int64_t elements =
        rows == 0 ? 0 : (rows - 1) * tensor_.stride[0] + columns;
    data_ = std::make_unique<GuardedBuffer>(
        (static_cast<size_t>(elements) * TypeBits(type) + 7) / 8);
    tensor_.data = data_->data();
  }

  // Gives it scales, one for each block.
  Tensor& WithScales(baleen_type type, uint32_t block_rows,
                     uint32_t block_columns) {
    const int64_t columns = tensor_.size[tensor_.rank - 1];
    int64_t rows = 1;
    for (uint32_t i = 0; i + 1 < tensor_.rank; ++i) rows *= tensor_.size[i];
    const int64_t count = ((rows + block_rows - 1) / block_rows) *
                          ((columns + block_columns - 1) / block_columns);
    tensor_.scale_type = type;
    tensor_.block_rows = block_rows;
    tensor_.block_columns = block_columns;
    scales_ = std::make_unique<GuardedBuffer>(static_cast<size_t>(count) *
                                              TypeBits(type) / 8);
    tensor_.scales = scales_->data();
    return *this;
  }

  baleen_tensor* get() { return &tensor_; }
  const baleen_tensor& operator*() const { return tensor_; }
  baleen_tensor* operator->() { return &tensor_; }
  template <typename T>
  T* row(int64_t i) {
    return static_cast<T*>(tensor_.data) + i * tensor_.stride[0];
  }
  std::vector<uint8_t> bytes() const {
    return {data_->data(), data_->data() + data_->size()};
  }
  GuardedBuffer* scales() { return scales_.get(); }

  // Rows [first, first + count) of it.
  baleen_tensor Rows(int64_t first, int64_t count) const {
    baleen_tensor view = tensor_;
    const int64_t bits = static_cast<int64_t>(TypeBits(view.type));
    view.data =
        static_cast<uint8_t*>(view.data) + first * view.stride[0] * bits / 8;
    view.size[0] = count;
    if (view.scales == nullptr) return view;
    int64_t rows = 1;
    for (uint32_t i = 1; i + 1 < view.rank; ++i) rows *= view.size[i];
    const int64_t groups = (view.size[view.rank - 1] + view.block_columns - 1) /
                           view.block_columns;
    view.scales = static_cast<uint8_t*>(view.scales) + first * rows * groups;
    return view;
  }

 private:
  baleen_tensor tensor_;
  std::unique_ptr<GuardedBuffer> data_;
  std::unique_ptr<GuardedBuffer> scales_;
};

// A batch of `rows` rows and outputs whose positions ascend from `first`.
class Batch {
 public:
  Batch(int64_t room, int64_t rows, int32_t first = 0)
      : counts_(BALEEN_TYPE_I32, {BALEEN_COUNT_SIZE}),
        tokens_(BALEEN_TYPE_I32, {room}),
        positions_(BALEEN_TYPE_I32, {room}),
        outputs_(BALEEN_TYPE_I32, {room}) {
    for (int i = 0; i < BALEEN_COUNT_SIZE; ++i) counts_.row<int32_t>(i)[0] = 0;
    counts_.row<int32_t>(BALEEN_COUNT_ROWS)[0] = static_cast<int32_t>(rows);
    counts_.row<int32_t>(BALEEN_COUNT_OUTPUTS)[0] = static_cast<int32_t>(rows);
    for (int64_t i = 0; i < room; ++i) {
      tokens_.row<int32_t>(i)[0] = 0;
      positions_.row<int32_t>(i)[0] = first + static_cast<int32_t>(i);
      outputs_.row<int32_t>(i)[0] = static_cast<int32_t>(i);
    }
    batch_ = {};
    batch_.struct_size = sizeof(batch_);
    batch_.counts = counts_.get();
    batch_.tokens = tokens_.get();
    batch_.positions = positions_.get();
    batch_.outputs = outputs_.get();
  }
  const baleen_batch* get() const { return &batch_; }
  int32_t* tokens() { return tokens_.row<int32_t>(0); }

 private:
  Tensor counts_;
  Tensor tokens_;
  Tensor positions_;
  Tensor outputs_;
  baleen_batch batch_;
};

// A weight opened from raw tensors, which must outlive it, or of a blob that it
// packs from them.
class OpenWeight {
 public:
  OpenWeight(TestDevice& device, baleen_weight_kind kind,
             const std::vector<Tensor*>& tensors, bool packed = false)
      : device_(device) {
    for (Tensor* tensor : tensors) tensors_.push_back(**tensor);
    baleen_weight_source source{};
    source.struct_size = sizeof(source);
    source.kind = kind;
    source.tensors = tensors_.data();
    source.tensor_count = static_cast<uint32_t>(tensors_.size());
    if (packed && !Pack(&source)) return;
    status_ = device.table().weight_open(
        device.handle(), &source, blob_ == nullptr ? nullptr : blob_->data(),
        &weight_);
  }
  ~OpenWeight() { device_.table().weight_close(weight_); }
  OpenWeight(const OpenWeight&) = delete;
  OpenWeight& operator=(const OpenWeight&) = delete;

  baleen_status status() const { return status_; }
  const baleen_weight* get() const { return weight_; }
  const GuardedBuffer& blob() const { return *blob_; }

 private:
  // Part by part, the last first; then forgets the raw data.
  bool Pack(const baleen_weight_source* source) {
    const baleen_device_table& table = device_.table();
    uint64_t bytes = 0;
    status_ = table.weight_size(device_.handle(), source, &bytes);
    if (status_ != BALEEN_OK) return false;
    blob_ = std::make_unique<GuardedBuffer>(static_cast<size_t>(bytes));
    const uint32_t parts = source->kind == BALEEN_WEIGHT_EXPERTS
                               ? source->tensor_count / 3
                               : source->tensor_count;
    for (uint32_t i = parts; i > 0; --i) {
      status_ =
          table.weight_pack(device_.handle(), source, i - 1, 1, blob_->data());
      if (status_ != BALEEN_OK) return false;
    }
    for (baleen_tensor& tensor : tensors_) {
      tensor.data = nullptr;
      tensor.scales = nullptr;
    }
    return true;
  }

  TestDevice& device_;
  std::vector<baleen_tensor> tensors_;
  std::unique_ptr<GuardedBuffer> blob_;
  baleen_status status_;
  baleen_weight* weight_ = nullptr;
};

inline baleen_op_common Common(size_t size, baleen_mode mode,
                               const baleen_batch* batch) {
  baleen_op_common common{};
  common.struct_size = static_cast<uint32_t>(size);
  common.mode = mode;
  common.batch = batch;
  return common;
}

}  // namespace baleen::conformance
