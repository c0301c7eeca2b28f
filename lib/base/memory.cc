#include "base/memory.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace baleen {
namespace {

void* SystemAllocate(void*, size_t size, size_t alignment) {
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size);
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

void SystemDeallocate(void*, void* memory, size_t, size_t) {
  std::free(memory);
}

}  // namespace

HostMemory::HostMemory(const baleen_allocator* hooks) : hooks_() {
  hooks_.struct_size = sizeof hooks_;
  hooks_.allocate = SystemAllocate;
  hooks_.deallocate = SystemDeallocate;
  if (hooks != nullptr) hooks_ = *hooks;
}

void* HostMemory::do_allocate(size_t size, size_t alignment) {
  void* memory =
      hooks_.allocate(hooks_.user_data, std::max<size_t>(size, 1), alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void HostMemory::do_deallocate(void* memory, size_t size, size_t alignment) {
  hooks_.deallocate(hooks_.user_data, memory, std::max<size_t>(size, 1),
                    alignment);
}

bool HostMemory::do_is_equal(const memory_resource& other) const noexcept {
  return this == &other;
}

Block::Block(Memory* memory, size_t size, size_t alignment)
    : memory_(memory),
      data_(memory->allocate(size, alignment)),
      size_(size),
      alignment_(alignment) {}

Block& Block::operator=(Block&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(alignment_, other.alignment_);
  return *this;
}

Block::~Block() {
  if (data_ != nullptr) memory_->deallocate(data_, size_, alignment_);
}

}  // namespace baleen
