// Fills the caller's output buffers.
#pragma once

#include <cstring>
#include <span>
#include <type_traits>

#include <baleen/baleen.h>

#include "base/status.h"

namespace baleen {

inline Status BufferTooSmall(const char* name, size_t needed, size_t capacity) {
  return Status::Error(BALEEN_BUFFER_TOO_SMALL,
                       "%s has room for %zu, but %zu are needed", name,
                       capacity, needed);
}

// All of `items` or none.  *count is how many there are, also if they do not
// fit.  REQUIRES: `count` is not NULL.
template <typename T>
Status FillBuffer(std::span<const T> items, const char* name, T* buffer,
                  size_t capacity, size_t* count) {
  static_assert(std::is_trivially_copyable_v<T>);
  *count = items.size();
  if (items.size() > capacity) {
    return BufferTooSmall(name, items.size(), capacity);
  }
  if (!items.empty()) {
    std::memcpy(buffer, items.data(), items.size() * sizeof(T));
  }
  return Status();
}

}  // namespace baleen
