#include "ops/trace.h"

namespace baleen {

uint64_t Trace::TotalNanoseconds() const {
  uint64_t sum = copies.nanoseconds;
  for (const Entry& entry : operators) sum += entry.nanoseconds;
  return sum;
}

}  // namespace baleen
