#include "pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

namespace game {
namespace {

// Every block of the pool is aligned like this, the most the engine asks for;
// whoever asks for more is refused.
constexpr size_t kAlignment = 256;
constexpr size_t kSmallClasses = 4;

// A size class: `index` into the lists, and the size of its blocks.
struct SizeClass {
  size_t index;
  size_t size;
};

// Multiples of the alignment at first; then between two powers of two lie three
// classes, so that at most a fifth is wasted.
SizeClass ClassOf(size_t size) {
  size = std::max<size_t>(size, 1);
  if (size <= kSmallClasses * kAlignment) {
    const size_t index = (size - 1) / kAlignment;
    return {index, (index + 1) * kAlignment};
  }
  const size_t shift = static_cast<size_t>(std::bit_width(size - 1)) - 3;
  const size_t quarters = ((size - 1) >> shift) + 1;  // 5 to 8
  return {4 * shift + quarters - 5, quarters << shift};
}

}  // namespace

void Pool::Unmap::operator()(std::byte* block) const { munmap(block, size); }

// Touched now, since a page that is touched first costs a frame its time.
Pool::Pool(size_t capacity) : block_(nullptr, Unmap{capacity}) {
  void* memory = mmap(nullptr, capacity, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  block_.reset(static_cast<std::byte*>(memory));
  counts_.capacity = capacity;
}

void* Pool::Carve(size_t size) {
  if (size > counts_.capacity - counts_.used_bytes) return nullptr;
  std::byte* memory = block_.get() + counts_.used_bytes;
  counts_.used_bytes += size;
  return memory;
}

void* Pool::Allocate(size_t size, size_t alignment) {
  const std::lock_guard lock(mutex_);
  ++counts_.requests;
  // Nothing larger than the pool, so that rounding up cannot overflow.
  const bool possible = size <= counts_.capacity && alignment <= kAlignment;
  void* memory = nullptr;
  if (possible) {
    const SizeClass size_class = ClassOf(size);
    FreeBlock*& head = free_[size_class.index];
    if (head != nullptr) {
      memory = head;
      head = head->next;
    } else {
      memory = Carve(size_class.size);
    }
  }
  if (memory == nullptr) {
    ++counts_.refusals;
    return nullptr;
  }
  ++counts_.live_blocks;
  counts_.live_bytes += size;
  counts_.peak_bytes = std::max(counts_.peak_bytes, counts_.live_bytes);
  return memory;
}

void Pool::Deallocate(void* memory, size_t size, size_t) {
  if (memory == nullptr) return;
  const std::lock_guard lock(mutex_);
  FreeBlock*& head = free_[ClassOf(size).index];
  head = new (memory) FreeBlock{head};
  --counts_.live_blocks;
  counts_.live_bytes -= size;
}

baleen_allocator Pool::hooks() {
  baleen_allocator hooks = {};
  hooks.struct_size = sizeof hooks;
  hooks.user_data = this;
  hooks.allocate = [](void* self, size_t size, size_t alignment) {
    return static_cast<Pool*>(self)->Allocate(size, alignment);
  };
  hooks.deallocate = [](void* self, void* memory, size_t size,
                        size_t alignment) {
    static_cast<Pool*>(self)->Deallocate(memory, size, alignment);
  };
  return hooks;
}

Pool::Counts Pool::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace game
