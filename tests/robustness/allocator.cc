// See allocator.h.
#include "robustness/allocator.h"

#include <algorithm>
#include <cstdlib>

namespace baleen_test {

TestAllocator::TestAllocator() {
  hooks_.struct_size = sizeof hooks_;
  hooks_.user_data = this;
  hooks_.allocate = [](void* self, size_t size, size_t alignment) {
    return static_cast<TestAllocator*>(self)->Allocate(size, alignment);
  };
  hooks_.deallocate = [](void* self, void* memory, size_t size,
                         size_t alignment) {
    static_cast<TestAllocator*>(self)->Deallocate(memory, size, alignment);
  };
}

void TestAllocator::FailAt(int64_t k) {
  const std::lock_guard lock(mutex_);
  fail_in_ = k;
  failed_ = false;
}

void* TestAllocator::Allocate(size_t size, size_t alignment) {
  const std::lock_guard lock(mutex_);
  ++calls_;
  if (alignment == 0 || alignment > 256 || (alignment & (alignment - 1)) != 0) {
    ++mistakes_;
    last_mistake_ = "an alignment of " + std::to_string(alignment);
  }
  if (fail_in_ > 0 && --fail_in_ == 0) {
    failed_ = true;
    return nullptr;
  }
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) != 0) {
    return nullptr;
  }
  blocks_[memory] = {size, alignment};
  bytes_ += static_cast<int64_t>(size);
  peak_bytes_ = std::max(peak_bytes_.load(), bytes_.load());
  return memory;
}

void TestAllocator::Deallocate(void* memory, size_t size, size_t alignment) {
  const std::lock_guard lock(mutex_);
  const auto block = blocks_.find(memory);
  if (block == blocks_.end()) {
    ++mistakes_;
    last_mistake_ = "a block that never left";
    return;
  }
  if (block->second.size != size || block->second.alignment != alignment) {
    ++mistakes_;
    last_mistake_ = std::to_string(block->second.size) + " bytes aligned to " +
                    std::to_string(block->second.alignment) + " came back as " +
                    std::to_string(size) + " aligned to " +
                    std::to_string(alignment);
  }
  bytes_ -= static_cast<int64_t>(block->second.size);
  blocks_.erase(block);
  std::free(memory);
}

}  // namespace baleen_test
