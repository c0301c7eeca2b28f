// Finds stop texts in an answer that comes in pieces, and holds back what may be
// the beginning of one.
#pragma once

#include <span>
#include <string_view>

#include "base/memory.h"

namespace baleen {

class StopFilter {
 public:
  // `stops` are lent; empty ones never match.
  StopFilter(std::span<const char* const> stops, Memory* memory)
      : stops_(stops), held_(memory) {}

  // Appends to *out what is certainly not part of a stop text.  True if one is
  // complete: what follows it is dropped.
  bool Add(std::string_view text, String* out);

  // Appends what was held back: no stop text came of it.
  void Flush(String* out);

 private:
  std::span<const char* const> stops_;
  String held_;
};

}  // namespace baleen
