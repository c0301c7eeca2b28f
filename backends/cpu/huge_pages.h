// Huge pages for packed weights, where the system allows them to those who ask.
//
// A decoded token reads gigabytes in order; with pages of 4 KiB a core waits
// for address tables often enough to lose a third of what it could read.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstdint>

namespace baleen::cpu {

// To be called before the memory is first written.
inline void AskForHugePages(void* memory, uint64_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin =
      (reinterpret_cast<uintptr_t>(memory) + page - 1) & ~(page - 1);
  const auto end = (reinterpret_cast<uintptr_t>(memory) + size) & ~(page - 1);
  // Without them everything works as well, only slower.
  if (begin < end) {
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  }
#else
  static_cast<void>(memory);
  static_cast<void>(size);
#endif
}

}  // namespace baleen::cpu
