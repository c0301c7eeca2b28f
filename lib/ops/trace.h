// Where the time of steps goes, by operator.  Collected only when asked for,
// because each operator is then waited for.
#pragma once

#include <cstdint>

#include <baleen/backend.h>

namespace baleen {

struct Trace {
  struct Entry {
    uint64_t calls = 0;
    uint64_t nanoseconds = 0;
  };
  Entry operators[BALEEN_OP_COUNT];
  Entry copies;  // Between devices.

  // Of all of them.
  uint64_t TotalNanoseconds() const;
};

}  // namespace baleen
