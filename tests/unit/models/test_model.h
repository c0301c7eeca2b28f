// A model of tests/data on the CPU backend, with memory that is counted.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <baleen/backend.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/workers.h"
#include "models/deepseek_v4/model.h"
#include "models/model.h"
#include "ops/device.h"

namespace baleen::test {

// Bytes that the library holds.  Thread-safe.
class CountedMemory {
 public:
  CountedMemory();

  Memory* memory() { return &memory_; }
  uint64_t bytes() const { return bytes_.load(); }

 private:
  static void* Allocate(void* user_data, size_t size, size_t alignment);
  static void Deallocate(void* user_data, void* memory, size_t size,
                         size_t alignment);

  baleen_allocator hooks_;
  HostMemory memory_;
  std::atomic<uint64_t> bytes_{0};
};

// A device of a backend, with workers of its own.
class TestDevice {
 public:
  // `memory` outlives the device.  `isa`: of the setting cpu.isa, "" for the
  // best.
  TestDevice(baleen_backend_entry_fn entry, CountedMemory* memory,
             uint32_t width, std::string isa = "");
  ~TestDevice();

  const Device& device() const { return device_; }

 private:
  static const char* LastFailure(const Device& device);

  Workers workers_;
  std::string isa_;
  baleen_allocator allocator_ = {};
  baleen_host host_ = {};
  std::string failure_;
  const baleen_backend* backend_ = nullptr;
  Device device_;
};

struct ModelOptions {
  uint32_t threads = 2;
  // The CPU itself where NULL.
  const Device* device = nullptr;
  bool shapes_only = false;
  std::string config = "config.json";  // In the folder.
  std::string isa;                     // See TestDevice.
};

// Throws std::runtime_error if it cannot be loaded.
class TestModel {
 public:
  // A folder of BALEEN_TEST_DATA.
  explicit TestModel(const std::string& folder, ModelOptions options = {});

  Model& model() { return *model_; }
  deepseek_v4::V4Model& v4() {
    return static_cast<deepseek_v4::V4Model&>(*model_);
  }
  CountedMemory& memory() { return *memory_; }
  const Device& cpu() const { return cpu_->device(); }
  size_t vocabulary() const { return model_->info().vocabulary_size; }

 private:
  std::unique_ptr<CountedMemory> memory_;
  std::unique_ptr<TestDevice> cpu_;
  std::unique_ptr<FileSystem> files_;
  Ref<Model> model_;
};

// A session's loop without a session: computes `tokens` behind what the state
// has, replaying what it must, `chunk` rows a step (0: as many as go), and
// returns the logits of the last row.
class Timeline {
 public:
  Timeline(Model& model, baleen_mode mode);

  std::vector<float> Append(std::span<const baleen_token> tokens,
                            int64_t chunk = 0);
  // The logits after each of the tokens, one after another.
  std::vector<float> AppendAll(std::span<const baleen_token> tokens,
                               int64_t chunk = 0);
  void Truncate(size_t length);
  Timeline Fork();
  // Of the first `length` tokens.
  Timeline ForkAt(size_t length);
  // Pages, then the windows that are wanted, in their order.
  std::vector<char> Save(std::span<const int64_t> windows) const;
  // With the window of the length alone.
  std::vector<char> Save() const;
  // What Save gave of a timeline with these tokens.
  void Load(const std::vector<char>& bytes,
            std::span<const baleen_token> tokens,
            std::span<const int64_t> windows);
  void Load(const std::vector<char>& bytes,
            std::span<const baleen_token> tokens);

  SessionState& state() { return *state_; }
  std::span<const baleen_token> tokens() const { return tokens_; }
  int64_t replay_from() const { return replay_from_; }

 private:
  Timeline(Model& model, baleen_mode mode, StatePointer state);
  std::vector<float> Compute(int64_t chunk, int64_t outputs);

  Model* model_;
  baleen_mode mode_;
  StatePointer state_;
  std::vector<baleen_token> tokens_;
  int64_t replay_from_ = 0;
};

// Throws std::runtime_error unless it is OK.
void Expect(const Status& status);

}  // namespace baleen::test
