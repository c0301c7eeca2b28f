// The host's allocator sees sizes and alignments as it must, and nothing leaks
// when it has no memory.
#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "unit/failing_memory.h"

namespace baleen {
namespace {

// A host's allocator that checks what it is given back.
struct CheckingHost {
  struct Header {
    size_t size;
    size_t alignment;
  };

  static void* Allocate(void* user_data, size_t size, size_t alignment) {
    auto* self = static_cast<CheckingHost*>(user_data);
    if (++self->calls == self->failing) return nullptr;
    ++self->outstanding;
    self->last = {size, alignment};
    return std::aligned_alloc(alignment,
                              (size + alignment - 1) / alignment * alignment);
  }
  static void Deallocate(void* user_data, void* memory, size_t size,
                         size_t alignment) {
    auto* self = static_cast<CheckingHost*>(user_data);
    --self->outstanding;
    EXPECT_EQ(size, self->last.size);
    EXPECT_EQ(alignment, self->last.alignment);
    std::free(memory);
  }

  baleen_allocator hooks = {sizeof(baleen_allocator), 0, this, Allocate,
                            Deallocate};
  int calls = 0;
  int failing = 0;
  int outstanding = 0;
  Header last = {};
};

TEST(HostMemoryTest, UsesTheHostsFunctions) {
  CheckingHost host;
  HostMemory memory(&host.hooks);
  void* block = memory.allocate(100, 64);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u);
  EXPECT_EQ(host.outstanding, 1);
  memory.deallocate(block, 100, 64);
  EXPECT_EQ(host.outstanding, 0);
  // A host never sees a size of 0.
  block = memory.allocate(0, 16);
  EXPECT_EQ(host.last.size, 1u);
  memory.deallocate(block, 0, 16);
  EXPECT_EQ(memory.hooks()->user_data, &host);
}

TEST(HostMemoryTest, ThrowsWhenTheHostHasNone) {
  CheckingHost host;
  HostMemory memory(&host.hooks);
  host.failing = 1;
  EXPECT_THROW(static_cast<void>(memory.allocate(1, 1)), std::bad_alloc);
  EXPECT_EQ(host.outstanding, 0);
}

TEST(HostMemoryTest, TheSystemsMemoryIsAligned) {
  HostMemory memory(nullptr);
  for (const size_t alignment : {1u, 8u, 16u, 32u, 64u, 4096u}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{1000}}) {
      void* block = memory.allocate(size, alignment);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
      std::memset(block, 1, size);
      memory.deallocate(block, size, alignment);
    }
  }
}

// Every allocation of a series fails once; nothing leaks.
TEST(HostMemoryTest, AnyAllocationMayFail) {
  int failures = 0;
  for (int64_t k = 1;; ++k) {
    FailingMemory memory(k);
    try {
      Vector<String> strings(&memory);
      for (int i = 0; i < 20; ++i) {
        strings.emplace_back("a string that does not fit into its object");
      }
      Block block(&memory, 100);
      const auto owned =
          MakeOwned<String>(&memory, "as long as the others are", &memory);
      EXPECT_EQ(owned->size(), 25u);
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    EXPECT_EQ(memory.outstanding(), 0);
    if (memory.allocations() < k) break;
  }
  EXPECT_GT(failures, 25);
}

struct Thrower {
  Thrower() { throw std::runtime_error("no"); }
};

TEST(MakeOwnedTest, GivesBackTheMemoryOfWhatCannotBeMade) {
  FailingMemory memory;
  EXPECT_THROW(MakeOwned<Thrower>(&memory), std::runtime_error);
  EXPECT_EQ(memory.allocations(), 1);
  EXPECT_EQ(memory.outstanding(), 0);
}

TEST(BlockTest, IsAlignedAndMoves) {
  FailingMemory memory;
  {
    Block none;
    EXPECT_EQ(none.data(), nullptr);
    EXPECT_EQ(none.size(), 0u);
    Block block(&memory, 1000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % Block::kAlignment,
              0u);
    EXPECT_EQ(block.size(), 1000u);
    void* data = block.data();
    Block moved = std::move(block);
    EXPECT_EQ(moved.data(), data);
    Block page(&memory, 1, 4096);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(page.data()) % 4096, 0u);
    page = std::move(moved);
    EXPECT_EQ(page.data(), data);
    Block empty(&memory, 0);
    EXPECT_EQ(empty.size(), 0u);
  }
  EXPECT_EQ(memory.outstanding(), 0);
}

}  // namespace
}  // namespace baleen
