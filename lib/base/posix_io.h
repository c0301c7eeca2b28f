// Reads and writes of whole ranges, however many calls of the system they take:
// one call may move less than it was asked for, or be interrupted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baleen {

// False with errno set, or if the file ends before.
bool ReadAt(int descriptor, uint64_t offset, void* buffer, size_t size);
bool WriteAt(int descriptor, uint64_t offset, const void* buffer, size_t size);

}  // namespace baleen
