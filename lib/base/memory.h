// Host memory as the standard library's containers want it, from the host's
// allocator (baleen_allocator) or, by default, from the system.
//
// Everything the library keeps lives in memory of the context's HostMemory:
// std::pmr containers are given it by their makers.  An allocation that fails
// throws std::bad_alloc, which only lib/api catches; so whatever allocates must
// leave its objects usable when it is left by an exception.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

#include <baleen/baleen.h>

namespace baleen {

constexpr uint64_t AlignUp(uint64_t size, uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

using Memory = std::pmr::memory_resource;
using String = std::pmr::string;
template <typename T>
using Vector = std::pmr::vector<T>;

class HostMemory final : public std::pmr::memory_resource {
 public:
  // `hooks` may be NULL: the system's memory.
  explicit HostMemory(const baleen_allocator* hooks);

  const baleen_allocator* hooks() const { return &hooks_; }

 private:
  void* do_allocate(size_t size, size_t alignment) override;
  void do_deallocate(void* memory, size_t size, size_t alignment) override;
  bool do_is_equal(const memory_resource& other) const noexcept override;

  baleen_allocator hooks_;
};

// Returns an object to the memory it came from.
template <typename T>
class Deleter {
 public:
  Deleter() = default;
  explicit Deleter(Memory* memory) : memory_(memory) {}
  void operator()(T* object) const {
    object->~T();
    memory_->deallocate(object, sizeof(T), alignof(T));
  }

 private:
  Memory* memory_ = nullptr;
};

template <typename T>
using Owned = std::unique_ptr<T, Deleter<T>>;

template <typename T, typename... Arguments>
Owned<T> MakeOwned(Memory* memory, Arguments&&... arguments) {
  void* place = memory->allocate(sizeof(T), alignof(T));
  try {
    return Owned<T>(new (place) T(std::forward<Arguments>(arguments)...),
                    Deleter<T>(memory));
  } catch (...) {
    memory->deallocate(place, sizeof(T), alignof(T));
    throw;
  }
}

// A block of bytes that is given back with it.
class Block {
 public:
  static constexpr size_t kAlignment = 64;

  Block() = default;
  Block(Memory* memory, size_t size, size_t alignment = kAlignment);
  Block(Block&& other) noexcept { *this = std::move(other); }
  Block& operator=(Block&& other) noexcept;
  ~Block();

  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  Memory* memory_ = nullptr;
  void* data_ = nullptr;
  size_t size_ = 0;
  size_t alignment_ = kAlignment;
};

}  // namespace baleen
