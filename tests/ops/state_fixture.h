// What the tests of operators without prepared weights share: devices of each
// instruction set and width, tensors that end at a page nobody may touch,
// batches, and attention state.
#pragma once

#include <gtest/gtest.h>

#include <baleen/backend.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cpu/entry.h"
#include "numeric/bf16.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"
#include "ops/guarded_pages.h"

namespace baleen::ops_test {

// Memory that begins at a multiple of `alignment`, and whose end, rounded up to
// one, is followed by a page that must not be touched.  It holds no sensible
// numbers.
class GuardedMemory {
 public:
  GuardedMemory(size_t size, size_t alignment)
      : size_(size),
        rounded_((size + alignment - 1) / alignment * alignment),
        pages_(rounded_, 0xFF) {}

  uint8_t* data() const { return pages_.end() - rounded_; }
  size_t size() const { return size_; }
  std::vector<uint8_t> bytes() const { return {data(), data() + size_}; }

 private:
  size_t size_;
  size_t rounded_;
  GuardedPages pages_;
};

inline int64_t TypeBytes(baleen_type type) {
  switch (type) {
    case BALEEN_TYPE_F32:
    case BALEEN_TYPE_I32:
      return 4;
    case BALEEN_TYPE_BF16:
      return 2;
    case BALEEN_TYPE_I64:
      return 8;
    default:
      return 1;
  }
}

// A tensor; `gap` elements lie between its rows, of every dimension.
class TestTensor {
 public:
  TestTensor(baleen_type type, std::vector<int64_t> sizes, int64_t gap = 0)
      : tensor_{} {
    tensor_.type = type;
    tensor_.rank = static_cast<uint32_t>(sizes.size());
    int64_t stride = 1;
    for (size_t i = sizes.size(); i-- > 0;) {
      tensor_.size[i] = sizes[i];
      tensor_.stride[i] = stride;
      stride = stride * sizes[i] + gap;
    }
    int64_t count = 1;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0) count = 0;
      if (count != 0) count += (sizes[i] - 1) * tensor_.stride[i];
    }
    const int64_t packing = type == BALEEN_TYPE_F4_E2M1 ? 2 : 1;
    const int64_t bytes = (count + packing - 1) / packing * TypeBytes(type);
    memory_ = std::make_unique<GuardedMemory>(
        static_cast<size_t>(bytes), static_cast<size_t>(TypeBytes(type)));
    tensor_.data = memory_->data();
  }

  TestTensor& Scales(uint32_t block) {
    int64_t rows = 1;
    for (uint32_t i = 0; i + 1 < tensor_.rank; ++i) rows *= tensor_.size[i];
    const int64_t columns = tensor_.size[tensor_.rank - 1];
    scales_ = std::make_unique<GuardedMemory>(
        static_cast<size_t>(rows * ((columns + block - 1) / block)), 1);
    tensor_.scales = scales_->data();
    tensor_.scale_type = BALEEN_TYPE_E8M0;
    tensor_.block_rows = 1;
    tensor_.block_columns = block;
    return *this;
  }

  // Normally distributed, times `scale`.
  TestTensor& Random(std::mt19937& random, float scale = 1, float middle = 0) {
    std::normal_distribution<float> normal(middle, scale);
    ForEach(
        [&](int64_t i, int64_t j, int64_t k) { Set(normal(random), i, j, k); });
    return *this;
  }

  void Set(float value, int64_t i, int64_t j = 0, int64_t k = 0) {
    const int64_t at = Offset(i, j, k);
    if (tensor_.type == BALEEN_TYPE_F32) {
      reinterpret_cast<float*>(memory_->data())[at] = value;
    } else {
      reinterpret_cast<uint16_t*>(memory_->data())[at] = Bf16FromFloat(value);
    }
  }

  template <typename Element>
  Element& At(int64_t i, int64_t j = 0, int64_t k = 0) {
    return reinterpret_cast<Element*>(memory_->data())[Offset(i, j, k)];
  }

  // The value, scales included.
  double Get(int64_t i, int64_t j = 0, int64_t k = 0) {
    switch (tensor_.type) {
      case BALEEN_TYPE_F32:
        return static_cast<double>(At<float>(i, j, k));
      case BALEEN_TYPE_BF16:
        return static_cast<double>(Bf16ToFloat(At<uint16_t>(i, j, k)));
      case BALEEN_TYPE_I32:
        return At<int32_t>(i, j, k);
      case BALEEN_TYPE_I8:
        return 0.5 * At<int8_t>(i, j, k) * ScaleOf(i, j, k);
      case BALEEN_TYPE_F4_E2M1:
        return static_cast<double>(
                   Fp4ToFloat(Fp4CodeAt(memory_->data(), Offset(i, j, k)))) *
               ScaleOf(i, j, k);
      default:
        return static_cast<double>(Fp8ToFloat(At<uint8_t>(i, j, k))) *
               ScaleOf(i, j, k);
    }
  }

  int64_t Offset(int64_t i, int64_t j, int64_t k) const {
    return i * tensor_.stride[0] + j * tensor_.stride[1] +
           k * tensor_.stride[2];
  }

  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (int64_t i = 0; i < tensor_.size[0]; ++i) {
      for (int64_t j = 0; j < (tensor_.rank > 1 ? tensor_.size[1] : 1); ++j) {
        for (int64_t k = 0; k < (tensor_.rank > 2 ? tensor_.size[2] : 1); ++k) {
          visit(i, j, k);
        }
      }
    }
  }

  // Data, then scales: equal if the same bits were written.
  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> all = memory_->bytes();
    if (scales_ != nullptr) {
      const std::vector<uint8_t> more = scales_->bytes();
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }
  void Restore(const std::vector<uint8_t>& bytes) {
    std::memcpy(memory_->data(), bytes.data(), memory_->size());
  }

  baleen_tensor* get() { return &tensor_; }
  const baleen_tensor& tensor() const { return tensor_; }

 private:
  double ScaleOf(int64_t i, int64_t j, int64_t k) const {
    const int64_t at[] = {i, j, k};
    int64_t row = 0;
    for (uint32_t d = 0; d + 1 < tensor_.rank; ++d) {
      row = row * tensor_.size[d] + at[d];
    }
    const int64_t columns = tensor_.size[tensor_.rank - 1];
    const int64_t groups =
        (columns + tensor_.block_columns - 1) / tensor_.block_columns;
    return std::ldexp(
        1.0, scales_->data()[row * groups +
                             at[tensor_.rank - 1] / tensor_.block_columns] -
                 127);
  }

  baleen_tensor tensor_;
  std::unique_ptr<GuardedMemory> memory_;
  std::unique_ptr<GuardedMemory> scales_;
};

// How the CPU runs: which instruction set at most, on how many threads.
struct Variant {
  const char* isa;
  uint32_t width;
};

// A device of the CPU backend, or of another, with a queue.
class TestDevice {
 public:
  explicit TestDevice(Variant variant,
                      baleen_backend_entry_fn entry = baleen_cpu_backend_entry)
      : variant_(variant), allocator_{}, workers_{}, host_{} {
    allocator_.struct_size = sizeof(allocator_);
    allocator_.allocate = [](void*, size_t size, size_t alignment) {
      return std::aligned_alloc(alignment,
                                (size + alignment - 1) / alignment * alignment);
    };
    allocator_.deallocate = [](void*, void* memory, size_t, size_t) {
      std::free(memory);
    };
    workers_.struct_size = sizeof(workers_);
    workers_.width = variant.width;
    workers_.user_data = this;
    workers_.run = [](void* self, uint32_t count, baleen_task_fn task,
                      void* data) {
      std::atomic<uint32_t> next{0};
      const auto work = [&] {
        for (uint32_t i = next++; i < count; i = next++) task(data, i);
      };
      std::vector<std::thread> threads;
      for (uint32_t i = 1; i < static_cast<TestDevice*>(self)->variant_.width;
           ++i) {
        threads.emplace_back(work);
      }
      work();
      for (std::thread& thread : threads) thread.join();
    };
    host_.struct_size = sizeof(host_);
    host_.major = BALEEN_BACKEND_MAJOR;
    host_.minor = BALEEN_BACKEND_MINOR;
    host_.user_data = this;
    host_.fail = [](void* self, const char* message) {
      static_cast<TestDevice*>(self)->failure_ = message;
    };
    host_.setting = [](void* self, const char* name) -> const char* {
      return std::strcmp(name, "cpu.isa") == 0
                 ? static_cast<TestDevice*>(self)->variant_.isa
                 : nullptr;
    };
    host_.allocator = &allocator_;
    host_.workers = &workers_;
    const baleen_backend* backend = entry(&host_);
    if (backend == nullptr ||
        backend->device_open(&host_, 0, &device_, &table_) != BALEEN_OK) {
      return;
    }
    close_ = backend->device_close;
    if (table_->queue_create(device_, &queue_) != BALEEN_OK) std::abort();
  }
  ~TestDevice() {
    if (device_ == nullptr) return;
    table_->queue_destroy(queue_);
    close_(device_);
  }
  TestDevice(const TestDevice&) = delete;
  TestDevice& operator=(const TestDevice&) = delete;

  // False where this processor lacks the instruction set.
  bool exists() const { return queue_ != nullptr; }
  const baleen_device_table& table() const { return *table_; }
  baleen_device* handle() const { return device_; }
  baleen_queue* queue() const { return queue_; }
  const std::string& failure() const { return failure_; }
  const std::string& implementation() const { return implementation_; }
  std::string isa() const { return variant_.isa; }

  // Plans, then runs an operator with the memory that it asked for.
  template <typename Args>
  baleen_status Run(baleen_op op,
                    baleen_status (*baleen_ops::*function)(baleen_queue*,
                                                           const Args*),
                    Args args) {
    args.common.struct_size = sizeof(Args);
    args.common.layer = -1;
    baleen_op_needs needs = {};
    needs.struct_size = sizeof(needs);
    const baleen_status status = table_->query(device_, op, &args, &needs);
    if (status != BALEEN_OK) return status;
    implementation_ = needs.implementation;
    const GuardedMemory scratch(needs.scratch_bytes, 256);
    GuardedMemory persistent(needs.persistent_bytes, 256);
    std::memset(persistent.data(), 0, persistent.size());
    args.common.scratch = scratch.data();
    args.common.persistent = persistent.data();
    const baleen_status ran = (table_->ops->*function)(queue_, &args);
    const baleen_status waited = table_->queue_wait(queue_);
    // What is the operator's own it leaves as it was.
    for (size_t i = 0; i < persistent.size(); ++i) {
      EXPECT_EQ(persistent.data()[i], 0) << "persistent byte " << i;
    }
    return ran == BALEEN_OK ? waited : ran;
  }

 private:
  Variant variant_;
  baleen_allocator allocator_;
  baleen_workers workers_;
  baleen_host host_;
  baleen_device* device_ = nullptr;
  const baleen_device_table* table_ = nullptr;
  baleen_queue* queue_ = nullptr;
  void (*close_)(baleen_device*) = nullptr;
  std::string failure_;
  std::string implementation_;
};

#define BALEEN_RUN(device, NAME, name, args)                         \
  ASSERT_EQ((device).Run(BALEEN_OP_##NAME, &baleen_ops::name, args), \
            BALEEN_OK)                                               \
      << (device).failure()

// Instruction sets that operators without prepared weights have forms for; few
// have one for tiles.
inline const std::vector<const char*> kIsas = {"reference", "portable", "avx2",
                                               "avx512_core", "avx512"};
inline const std::vector<const char*> kIsasWithTiles = {
    "reference", "portable", "avx2", "avx512_core", "avx512", "amx"};

// Runs body(device) for each instruction set that this processor has, on one
// thread and on three.
inline void ForEachVariant(const std::function<void(TestDevice&)>& body,
                           const std::vector<uint32_t>& widths = {1, 3},
                           const std::vector<const char*>& isas = kIsas) {
  for (const char* isa : isas) {
    for (const uint32_t width : widths) {
      TestDevice device({isa, width});
      if (!device.exists()) continue;
      SCOPED_TRACE(std::string(isa) + " on " + std::to_string(width) +
                   " threads");
      body(device);
    }
  }
}
inline void ForEachVariantWithTiles(
    const std::function<void(TestDevice&)>& body) {
  ForEachVariant(body, {1, 3}, kIsasWithTiles);
}

// A run of positions of the timeline in a slot.
struct Part {
  int32_t slot;
  int32_t position;
  int32_t count;
};

// A step of these parts.  The timeline of slot s has pages s * 100, s * 100 + 3,
// ... so that neighbors in time are not neighbors in memory.
class TestBatch {
 public:
  static constexpr int32_t kPages = 8;
  static int32_t PageOf(int32_t slot, int64_t page) {
    return static_cast<int32_t>((page * 3 + slot) % kPages) + slot * kPages;
  }

  explicit TestBatch(const std::vector<Part>& parts,
                     const std::vector<int32_t>& outputs = {},
                     int64_t spare_rows = 0)
      : rows(0) {
    for (const Part& part : parts) rows += part.count;
    const int64_t sessions = static_cast<int64_t>(parts.size());
    const auto make = [&](std::vector<int64_t> sizes) {
      tensors_.push_back(
          std::make_unique<TestTensor>(BALEEN_TYPE_I32, std::move(sizes)));
      return tensors_.back().get();
    };
    TestTensor* counts = make({BALEEN_COUNT_SIZE});
    TestTensor* tokens = make({rows + spare_rows});
    TestTensor* positions = make({rows + spare_rows});
    TestTensor* row_sessions = make({rows + spare_rows});
    TestTensor* starts = make({sessions + 1});
    TestTensor* slots = make({sessions});
    TestTensor* pages = make({sessions, kPages});
    TestTensor* wanted = make({static_cast<int64_t>(outputs.size())});
    counts->At<int32_t>(BALEEN_COUNT_ROWS) = static_cast<int32_t>(rows);
    counts->At<int32_t>(BALEEN_COUNT_SESSIONS) = static_cast<int32_t>(sessions);
    counts->At<int32_t>(BALEEN_COUNT_OUTPUTS) =
        static_cast<int32_t>(outputs.size());
    int32_t row = 0;
    starts->At<int32_t>(0) = 0;
    for (int32_t s = 0; s < sessions; ++s) {
      const Part& part = parts[static_cast<size_t>(s)];
      slots->At<int32_t>(s) = part.slot;
      for (int32_t p = 0; p < kPages; ++p) {
        pages->At<int32_t>(s, p) = PageOf(part.slot, p);
      }
      for (int32_t i = 0; i < part.count; ++i, ++row) {
        positions->At<int32_t>(row) = part.position + i;
        row_sessions->At<int32_t>(row) = s;
        tokens->At<int32_t>(row) = (part.position + i) * 7 % 11;
      }
      starts->At<int32_t>(s + 1) = row;
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      wanted->At<int32_t>(static_cast<int64_t>(i)) = outputs[i];
    }
    batch_ = {sizeof(batch_), kPages * 256,     counts->get(),
              tokens->get(),  positions->get(), row_sessions->get(),
              starts->get(),  slots->get(),     pages->get(),
              wanted->get()};
  }

  const baleen_batch* get() const { return &batch_; }

  int64_t rows;

 private:
  std::vector<std::unique_ptr<TestTensor>> tensors_;
  baleen_batch batch_;
};

// State with room for `slots` timelines of TestBatch.
class TestState {
 public:
  TestState(const TestDevice& device, const baleen_state_shape& shape,
            int32_t slots)
      : device_(&device) {
    state_.shape = shape;
    for (baleen_pool pool = 0; pool < BALEEN_POOL_COUNT; ++pool) {
      const bool by_slot =
          pool == BALEEN_POOL_WINDOW || pool == BALEEN_POOL_TAIL;
      const int32_t items = by_slot ? slots : slots * TestBatch::kPages;
      const uint32_t in_slab = by_slot ? shape.slab_slots : shape.slab_pages;
      uint64_t bytes = 0;
      EXPECT_EQ(
          device.table().state_size(device.handle(), &shape, pool, &bytes),
          BALEEN_OK);
      const uint32_t slabs =
          (static_cast<uint32_t>(items) + in_slab - 1) / in_slab;
      memory_.push_back(std::make_unique<GuardedMemory>(slabs * sizeof(void*),
                                                        sizeof(void*)));
      void** const addresses = reinterpret_cast<void**>(memory_.back()->data());
      for (uint32_t i = 0; i < slabs; ++i) {
        memory_.push_back(std::make_unique<GuardedMemory>(bytes * in_slab, 8));
        addresses[i] = memory_.back()->data();
      }
      state_.slabs[pool] = addresses;
    }
  }

  // Items of a page or slot in the form of saved states.
  std::vector<uint8_t> Read(baleen_pool pool, int32_t index, uint32_t first,
                            uint32_t count, size_t item_bytes) const {
    std::vector<uint8_t> bytes(count * item_bytes);
    Copy(pool, true, index, first, count, &bytes);
    return bytes;
  }
  void Write(baleen_pool pool, int32_t index, uint32_t first, uint32_t count,
             std::vector<uint8_t> bytes) const {
    Copy(pool, false, index, first, count, &bytes);
  }

  const baleen_state* get() const { return &state_; }
  const baleen_state_shape& shape() const { return state_.shape; }

 private:
  void Copy(baleen_pool pool, bool read, int32_t index, uint32_t first,
            uint32_t count, std::vector<uint8_t>* bytes) const {
    baleen_state_copy copy = {};
    copy.struct_size = sizeof(copy);
    copy.pool = pool;
    (read ? copy.from : copy.to) = &state_;
    (read ? copy.from_index : copy.to_index) = index;
    copy.host = bytes->data();
    copy.host_size = bytes->size();
    copy.first = first;
    copy.count = count;
    EXPECT_EQ(device_->table().state_copy(device_->queue(), &copy, 1),
              BALEEN_OK)
        << device_->failure();
    EXPECT_EQ(device_->table().queue_wait(device_->queue()), BALEEN_OK);
  }

  const TestDevice* device_;
  baleen_state state_{};
  std::vector<std::unique_ptr<GuardedMemory>> memory_;
};

// A table of cosines and sines, base 10000.
inline TestTensor RopeTable(int64_t positions, int64_t rope_size) {
  TestTensor rope(BALEEN_TYPE_F32, {positions, 2, rope_size / 2});
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < rope_size / 2; ++i) {
      const double angle =
          static_cast<double>(p) *
          std::pow(10000.0, -2.0 * static_cast<double>(i) /
                                static_cast<double>(rope_size));
      rope.At<float>(p, 0, i) = static_cast<float>(std::cos(angle));
      rope.At<float>(p, 1, i) = static_cast<float>(std::sin(angle));
    }
  }
  return rope;
}

inline baleen_op_common Common(baleen_mode mode, const TestBatch& batch) {
  baleen_op_common common = {};
  common.mode = mode;
  common.batch = batch.get();
  return common;
}

// The sizes of V4-Flash; small slabs, so that there are several.
inline baleen_state_shape ShapeOf(uint32_t ratio) {
  baleen_state_shape shape = {};
  shape.ratio = ratio;
  shape.head_size = 512;
  shape.rope_size = 64;
  shape.key_size = ratio == 4 ? 128 : 0;
  shape.ring_rows = 256;
  shape.slab_pages = 4;
  shape.slab_slots = 2;
  shape.tail_rows = ratio == 4 ? 16 : ratio == 0 ? 0 : 136;
  return shape;
}

inline constexpr baleen_mode kModes[] = {BALEEN_MODE_REFERENCE,
                                         BALEEN_MODE_FAST};

}  // namespace baleen::ops_test
