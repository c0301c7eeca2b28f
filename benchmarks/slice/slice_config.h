// The configuration of a slice: that of a published model, made smaller.
#pragma once

#include <string>

namespace baleen::slice {

// The text of config.json.  Throws std::runtime_error for an unknown kind.
std::string SliceConfig(const std::string& kind);

// That of generation_config.json.
std::string SliceGenerationConfig();

}  // namespace baleen::slice
