// The emulated device with a setting.
#pragma once

#include <cstring>

#include "cuda/cuda_model.h"

namespace baleen::test {

// The C interface has room for nothing but globals.
inline const char* set_name;
inline const char* set_value;
inline baleen_host set_host;
inline baleen_backend set_backend;

inline const baleen_backend* SetEntry(const baleen_host* host) {
  set_backend = *baleen_cuda_emulated_entry(host);
  set_backend.device_open = [](const baleen_host* given, uint32_t index,
                               baleen_device** device,
                               const baleen_device_table** table) {
    set_host = *given;
    set_host.setting = [](void*, const char* name) -> const char* {
      return std::strcmp(name, set_name) == 0 ? set_value : nullptr;
    };
    return baleen_cuda_emulated_entry(given)->device_open(&set_host, index,
                                                          device, table);
  };
  return &set_backend;
}

inline baleen_backend_entry_fn EntryWith(const char* name, const char* value) {
  set_name = name;
  set_value = value;
  return SetEntry;
}

}  // namespace baleen::test
