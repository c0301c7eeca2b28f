// The memory that the game sets aside for the engine.
//
// One block is taken when the game starts and nothing after it, as on a console
// where each part of a game has its share.  Sizes are rounded up to classes,
// four to each power of two; a class keeps what was given back for its next.
// The engine asks for most of its memory while the model loads and for a little
// as a conversation grows, always in the same sizes, so nothing need be merged.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include <baleen/baleen.h>

namespace game {

class Pool {
 public:
  explicit Pool(size_t capacity);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // nullptr if the pool has no room.  Thread-safe, as is Deallocate.
  void* Allocate(size_t size, size_t alignment);
  void Deallocate(void* memory, size_t size, size_t alignment);

  // The same for the engine.
  baleen_allocator hooks();

  struct Counts {
    size_t capacity;
    size_t live_bytes;  // As asked for.
    size_t peak_bytes;
    size_t used_bytes;  // Of the block, gaps and what was given back included.
    uint64_t live_blocks;
    uint64_t requests;
    uint64_t refusals;
  };
  Counts counts() const;

 private:
  struct FreeBlock {
    FreeBlock* next;
  };
  static constexpr size_t kClassCount = 256;

  void* Carve(size_t size);

  struct Unmap {
    size_t size;
    void operator()(std::byte* block) const;
  };

  mutable std::mutex mutex_;
  std::unique_ptr<std::byte, Unmap> block_;
  std::array<FreeBlock*, kClassCount> free_ = {};
  Counts counts_ = {};
};

}  // namespace game
