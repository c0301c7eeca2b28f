// A host's allocator that counts, checks what comes back, and fails on demand.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include <baleen/baleen.h>

namespace baleen_test {

class TestAllocator {
 public:
  TestAllocator();
  TestAllocator(const TestAllocator&) = delete;
  TestAllocator& operator=(const TestAllocator&) = delete;

  const baleen_allocator* hooks() const { return &hooks_; }

  // The k-th allocation from now on (1 is the next) fails, once; 0: none.
  void FailAt(int64_t k);
  // Whether that allocation has come.
  bool failed() const { return failed_; }

  int64_t calls() const { return calls_; }
  int64_t bytes() const { return bytes_; }
  int64_t peak_bytes() const { return peak_bytes_; }
  void ResetPeak() { peak_bytes_ = bytes_.load(); }
  // Blocks that came back with another size or alignment than they left with,
  // or never left.
  int64_t mistakes() const { return mistakes_; }
  const std::string& last_mistake() const { return last_mistake_; }

 private:
  struct Block {
    size_t size;
    size_t alignment;
  };
  void* Allocate(size_t size, size_t alignment);
  void Deallocate(void* memory, size_t size, size_t alignment);

  baleen_allocator hooks_ = {};
  std::mutex mutex_;
  std::map<void*, Block> blocks_;
  int64_t fail_in_ = 0;
  std::atomic<bool> failed_{false};
  std::atomic<int64_t> calls_{0};
  std::atomic<int64_t> bytes_{0};
  std::atomic<int64_t> peak_bytes_{0};
  std::atomic<int64_t> mistakes_{0};
  std::string last_mistake_;
};

}  // namespace baleen_test
