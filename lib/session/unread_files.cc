// See unread_files.h.
#include "session/unread_files.h"

#include <sys/mman.h>

namespace baleen {
namespace {

int32_t Reserve(void*, void*, uint64_t, size_t size, const void** memory) {
  // Pages that are only read are all the system's one page of zeros.
  void* start = mmap(nullptr, size, PROT_READ,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) return 1;
  *memory = start;
  return 0;
}

void Free(void*, void*, const void* memory, size_t size) {
  munmap(const_cast<void*>(memory), size);
}

}  // namespace

FileSystem UnreadFiles(const FileSystem& files) {
  // The host's functions get the host's user_data; these two need none.
  baleen_files hooks = files.hooks();
  hooks.map = Reserve;
  hooks.unmap = Free;
  return FileSystem(&hooks, files.memory());
}

}  // namespace baleen
