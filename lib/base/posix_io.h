// What POSIX has no single call for: reads and writes of whole ranges, of which
// one call may move less than it was asked for, or be interrupted; and a new
// name that is still there after a power failure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baleen {

// False with errno set, or if the file ends before.
bool ReadAt(int descriptor, uint64_t offset, void* buffer, size_t size);
bool WriteAt(int descriptor, uint64_t offset, const void* buffer, size_t size);

// A file's name is on the disk only when its folder is.  True also where a folder
// cannot be synced at all: it may not be read, or its file system knows no such
// thing.  False with errno set if it failed.
bool SyncFolderOf(const char* path);

}  // namespace baleen
