// Guesses from what the session has already said: texts quote themselves.
#pragma once

#include <cstddef>
#include <span>

#include <baleen/baleen.h>

namespace baleen {

struct LookupMatch {
  size_t length = 0;  // Of the tokens at the end that occurred before; 0: none.
  std::span<const baleen_token> next;  // What followed there.
};

// The last place among the latest 65,536 tokens where the longest run of up to
// 8 final tokens stood before; runs shorter than `least` do not count.
LookupMatch FindEarlier(std::span<const baleen_token> tokens, size_t least);

}  // namespace baleen
