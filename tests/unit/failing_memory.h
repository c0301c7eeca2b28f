// Memory whose k-th allocation fails, once, and that knows what was given out:
// to show that whatever fails leaves no leak and nothing broken.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory_resource>
#include <new>

namespace baleen {

class FailingMemory final : public std::pmr::memory_resource {
 public:
  // The allocation that fails, from 1; 0: none.
  explicit FailingMemory(int64_t failing = 0) : failing_(failing) {}

  int64_t allocations() const { return allocations_; }
  // Bytes given out and not yet given back.
  int64_t outstanding() const { return outstanding_; }

 private:
  void* do_allocate(size_t size, size_t alignment) override {
    if (++allocations_ == failing_) throw std::bad_alloc();
    outstanding_ += static_cast<int64_t>(size);
    return std::pmr::new_delete_resource()->allocate(size, alignment);
  }
  void do_deallocate(void* memory, size_t size, size_t alignment) override {
    outstanding_ -= static_cast<int64_t>(size);
    std::pmr::new_delete_resource()->deallocate(memory, size, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override {
    return this == &other;
  }

  int64_t failing_;
  int64_t allocations_ = 0;
  int64_t outstanding_ = 0;
};

}  // namespace baleen
