// A device of a backend, as the rest of the library sees it.
#pragma once

#include <baleen/backend.h>

namespace baleen {

// Lent by the context, which opened it and closes it.
struct Device {
  baleen_device* handle = nullptr;
  const baleen_device_table* table = nullptr;
  const char* backend = "";  // "cpu", ...
  uint32_t index = 0;        // In the context.
  bool unified_memory = false;
  // What the backend said last through the host's `fail`, on this thread.
  const char* (*last_failure)(const Device& device) = nullptr;
  const baleen_host* host = nullptr;
};

}  // namespace baleen
