// Settings of a CUDA device, as cuda.* name them.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

namespace baleen::cuda {

// Operators, a bit for each BALEEN_OP_*.
using OperatorSet = uint32_t;

struct Settings {
  bool graph = true;             // cuda.graph
  OperatorSet early_launch = 0;  // cuda.early_launch
  OperatorSet bulk_copies = 0;   // cuda.bulk_copies
};

// Reads them; fails for values there are not.
baleen_status ReadSettings(const baleen_host& host, Settings* settings);

}  // namespace baleen::cuda
