// Memory of the operators' tests: pages between two that nobody may touch, so
// that a read or write past an end faults.
//
// Where the device under test is not the processor, its memory is another; then
// the test's device (BALEEN_TEST_SHARES_MEMORY) lets it read and write these
// pages where they lie, and the same tests run there.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#if defined(BALEEN_TEST_SHARES_MEMORY)
// Of the device: makes pages its own as well, or ends the process.
void BaleenTestShare(void* pages, size_t size);
void BaleenTestUnshare(void* pages);
#endif

namespace baleen {

class GuardedPages {
 public:
  // Room for `size` bytes, filled with `filler`: nobody may count on zeros.
  GuardedPages(size_t size, int filler) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    body_ = (size + page - 1) / page * page;
    mapped_ = body_ + 2 * page;
    void* const memory =
        mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<uint8_t*>(memory);
    begin_ = base_ + page;
    if (body_ == 0) return;
    if (mprotect(begin_, body_, PROT_READ | PROT_WRITE) != 0) {
      munmap(base_, mapped_);
      throw std::bad_alloc();
    }
    std::memset(begin_, filler, body_);
#if defined(BALEEN_TEST_SHARES_MEMORY)
    BaleenTestShare(begin_, body_);
#endif
  }
  ~GuardedPages() {
#if defined(BALEEN_TEST_SHARES_MEMORY)
    if (body_ != 0) BaleenTestUnshare(begin_);
#endif
    munmap(base_, mapped_);
  }
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

  // The page after this must not be touched.
  uint8_t* end() const { return begin_ + body_; }

 private:
  size_t body_;
  size_t mapped_;
  uint8_t* base_;
  uint8_t* begin_;
};

}  // namespace baleen
