// A CPU device on one thread, and operands of V4-Flash's shapes, for benchmarks
// of operators.
//
// One thread, so that figures are those of a core; weights of each benchmark
// are many times the caches unless it says otherwise.
#pragma once

#include <baleen/backend.h>
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/entry.h"

namespace baleen::bench {

class BenchDevice {
 public:
  explicit BenchDevice(const char* isa, bool packs = false)
      : isa_(isa), packs_(packs) {
    allocator_ = {sizeof(allocator_), 0, nullptr, Allocate, Deallocate};
    workers_ = {sizeof(workers_), 1, nullptr, RunTasks};
    host_ = {sizeof(host_),
             BALEEN_BACKEND_MAJOR,
             BALEEN_BACKEND_MINOR,
             0,
             this,
             nullptr,
             nullptr,
             Setting,
             nullptr,
             &allocator_,
             &workers_};
    backend_ = baleen_cpu_backend_entry(&host_);
    status_ = backend_->device_open(&host_, 0, &device_, &table_);
    if (status_ == BALEEN_OK) table_->queue_create(device_, &queue_);
  }
  ~BenchDevice() {
    if (status_ != BALEEN_OK) return;
    table_->queue_destroy(queue_);
    backend_->device_close(device_);
  }
  BenchDevice(const BenchDevice&) = delete;
  BenchDevice& operator=(const BenchDevice&) = delete;

  bool ok() const { return status_ == BALEEN_OK; }
  bool packs() const { return packs_; }  // Weights that it opens.
  baleen_device* handle() const { return device_; }
  baleen_queue* queue() const { return queue_; }
  const baleen_device_table& table() const { return *table_; }
  const baleen_ops& ops() const { return *table_->ops; }

  // Gives `args` its scratch; false if the device does not take it.
  template <typename Args>
  bool Prepare(baleen_op op, Args* args) {
    baleen_op_needs needs{};
    needs.struct_size = sizeof(needs);
    if (table_->query(device_, op, args, &needs) != BALEEN_OK) return false;
    scratch_.reset(static_cast<uint8_t*>(
        std::aligned_alloc(256, (needs.scratch_bytes / 256 + 1) * 256)));
    args->common.scratch = scratch_.get();
    return true;
  }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };

  static void* Allocate(void*, size_t size, size_t alignment) {
    return std::aligned_alloc(alignment,
                              (size + alignment - 1) / alignment * alignment);
  }
  static void Deallocate(void*, void* memory, size_t, size_t) {
    std::free(memory);
  }
  static const char* Setting(void* self, const char* name) {
    return std::strcmp(name, "cpu.isa") == 0
               ? static_cast<BenchDevice*>(self)->isa_
               : nullptr;
  }
  static void RunTasks(void*, uint32_t count, baleen_task_fn task, void* data) {
    for (uint32_t i = 0; i < count; ++i) task(data, i);
  }

  const char* isa_;
  bool packs_;
  baleen_allocator allocator_;
  baleen_workers workers_;
  baleen_host host_;
  const baleen_backend* backend_;
  baleen_status status_;
  baleen_device* device_ = nullptr;
  const baleen_device_table* table_ = nullptr;
  baleen_queue* queue_ = nullptr;
  std::unique_ptr<uint8_t, Free> scratch_;
};

// A contiguous tensor of random bytes that are sound numbers of its type.
class BenchTensor {
 public:
  BenchTensor(baleen_type type, std::initializer_list<int64_t> sizes,
              uint32_t block_rows = 0, uint32_t block_columns = 0) {
    tensor_ = {};
    tensor_.type = type;
    tensor_.rank = static_cast<uint32_t>(sizes.size());
    int i = 0;
    for (int64_t size : sizes) tensor_.size[i++] = size;
    int64_t count = 1;
    for (int d = static_cast<int>(tensor_.rank) - 1; d >= 0; --d) {
      tensor_.stride[d] = count;
      count *= tensor_.size[d];
    }
    data_.resize(static_cast<size_t>(count) * 4);
    if (type == BALEEN_TYPE_BF16) data_.resize(static_cast<size_t>(count) * 2);
    if (type == BALEEN_TYPE_F8_E4M3 || type == BALEEN_TYPE_BYTE) {
      data_.resize(static_cast<size_t>(count));
    }
    if (type == BALEEN_TYPE_F4_E2M1) {
      data_.resize(static_cast<size_t>(count) / 2);
    }
    std::minstd_rand random(1);
    for (size_t at = 0; at < data_.size(); ++at) {
      data_[at] = static_cast<uint8_t>(random() >> 8);
      // e4m3 has no NaN and no subnormals, which a checkpoint's weights have one
      // of in thousands and kernels may be slower at; bf16 and f32 around one.
      if (type == BALEEN_TYPE_F8_E4M3) {
        data_[at] = static_cast<uint8_t>((data_[at] & 0xB7) | 0x40);
      }
      if (type == BALEEN_TYPE_BF16 && at % 2 == 1) {
        data_[at] = static_cast<uint8_t>((data_[at] & 0x80) | 0x3F);
      }
      if (type == BALEEN_TYPE_F32 && at % 4 == 3) data_[at] = 0x3F;
      if (type == BALEEN_TYPE_I32) data_[at] = 0;
    }
    tensor_.data = data_.data();
    if (block_columns == 0) return;
    const int64_t columns = tensor_.size[tensor_.rank - 1];
    const int64_t rows = count / columns;
    tensor_.scale_type = BALEEN_TYPE_E8M0;
    tensor_.block_rows = block_rows;
    tensor_.block_columns = block_columns;
    scales_.assign(
        static_cast<size_t>((rows + block_rows - 1) / block_rows *
                            ((columns + block_columns - 1) / block_columns)),
        120);
    tensor_.scales = scales_.data();
  }

  baleen_tensor* get() { return &tensor_; }
  template <typename T>
  T* as() {
    return static_cast<T*>(tensor_.data);
  }
  size_t bytes() const { return data_.size() + scales_.size(); }

 private:
  baleen_tensor tensor_;
  std::vector<uint8_t> data_;
  std::vector<uint8_t> scales_;
};

// Activations in the CPU's format for a mode.
inline BenchTensor Rounded(baleen_mode mode,
                           std::initializer_list<int64_t> sizes) {
  if (mode == BALEEN_MODE_FAST) return BenchTensor(BALEEN_TYPE_BF16, sizes);
  return BenchTensor(BALEEN_TYPE_F8_E4M3, sizes, 1, 128);
}

class BenchWeight {
 public:
  BenchWeight(BenchDevice& device, baleen_weight_kind kind,
              std::initializer_list<BenchTensor*> tensors)
      : BenchWeight(device, kind, std::vector<BenchTensor*>(tensors)) {}
  BenchWeight(BenchDevice& device, baleen_weight_kind kind,
              const std::vector<BenchTensor*>& tensors)
      : device_(device) {
    for (BenchTensor* tensor : tensors) {
      tensors_.push_back(*tensor->get());
      bytes_ += tensor->bytes();
    }
    baleen_weight_source source{};
    source.struct_size = sizeof(source);
    source.kind = kind;
    source.tensors = tensors_.data();
    source.tensor_count = static_cast<uint32_t>(tensors_.size());
    if (device.packs()) Pack(source);
    device.table().weight_open(device.handle(), &source, blob_.get(), &weight_);
  }
  ~BenchWeight() { device_.table().weight_close(weight_); }
  BenchWeight(const BenchWeight&) = delete;
  BenchWeight& operator=(const BenchWeight&) = delete;

  const baleen_weight* get() const { return weight_; }
  // Raw; packed ones are as many but for what completes tiles.
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };

  void Pack(const baleen_weight_source& source) {
    const baleen_device_table& table = device_.table();
    constexpr size_t kPage = 4096;
    uint64_t bytes = 0;
    table.weight_size(device_.handle(), &source, &bytes);
    blob_.reset(static_cast<uint8_t*>(
        std::aligned_alloc(kPage, (bytes / kPage + 1) * kPage)));
    const uint32_t parts = source.kind == BALEEN_WEIGHT_EXPERTS
                               ? source.tensor_count / 3
                               : source.tensor_count;
    table.weight_pack(device_.handle(), &source, 0, parts, blob_.get());
  }

  BenchDevice& device_;
  std::vector<baleen_tensor> tensors_;
  size_t bytes_ = 0;
  std::unique_ptr<uint8_t, Free> blob_;
  baleen_weight* weight_ = nullptr;
};

// Bytes of weights read, and operations (two for each weight and row), by
// second, from the time of the thread.
inline void Report(benchmark::State& state, double bytes, double flops) {
  using benchmark::Counter;
  state.counters["GB/s"] =
      Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["GFLOP/s"] =
      Counter(flops * 1e-9, Counter::kIsIterationInvariantRate);
}

inline baleen_op_common Common(size_t size, baleen_mode mode) {
  baleen_op_common common{};
  common.struct_size = static_cast<uint32_t>(size);
  common.mode = mode;
  return common;
}

// Registers a benchmark for each instruction set, mode and number of rows, with
// raw and, where `packs`, packed weights.  The reference, a hundred times slower,
// runs one row of raw ones.
template <typename Function>
void RegisterForDevices(const std::string& name, Function function,
                        const std::vector<int64_t>& rows, bool packs = false) {
  const auto add = [&](const char* isa, baleen_mode mode, int64_t count,
                       bool packed) {
    const std::string label =
        name + "/" + isa +
        (mode == BALEEN_MODE_FAST ? "/fast/" : "/reference/") +
        (!packs ? "" : (packed ? "packed/" : "raw/")) + std::to_string(count);
    benchmark::RegisterBenchmark(label.c_str(), [=](benchmark::State& state) {
      BenchDevice device(isa, packed);
      if (!device.ok()) {
        state.SkipWithError("the processor lacks it");
        return;
      }
      function(state, device, mode, count);
    });
  };
  for (const char* isa :
       {"reference", "portable", "avx2", "avx512_core", "avx512", "amx"}) {
    const bool plain = std::strcmp(isa, "reference") == 0;
    for (baleen_mode mode : {BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE}) {
      for (int64_t count : rows) {
        if (plain && count != 1) continue;
        add(isa, mode, count, false);
        if (packs && !plain) add(isa, mode, count, true);
      }
    }
  }
}

}  // namespace baleen::bench
