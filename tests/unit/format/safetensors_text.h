// Writes files of the safetensors format for tests.
#pragma once

#include <string>

namespace baleen {

// A file with this header and data.
inline std::string Safetensors(const std::string& header,
                               const std::string& data) {
  std::string file;
  for (int i = 0; i < 8; ++i) {
    file += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  }
  return file + header + data;
}

}  // namespace baleen
