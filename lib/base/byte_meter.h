// Counts bytes that several objects hold together, for budgets.  Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

namespace baleen {

class ByteMeter {
 public:
  void Add(uint64_t bytes) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  void Subtract(uint64_t bytes) {
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> bytes_{0};
};

}  // namespace baleen
