#include "session/lookup.h"

#include <algorithm>

namespace baleen {
namespace {

// Far enough for a long document, near enough to be searched in microseconds.
constexpr size_t kReach = size_t{1} << 16;
constexpr size_t kLongest = 8;

}  // namespace

LookupMatch FindEarlier(std::span<const baleen_token> tokens, size_t least) {
  LookupMatch best;
  if (tokens.size() < 2) return best;
  const size_t last = tokens.size() - 1;
  const size_t reach = std::min(last, kReach);
  for (size_t i = last; i-- > last - reach;) {
    if (tokens[i] != tokens[last]) continue;
    size_t length = 1;
    while (length < kLongest && length <= i &&
           tokens[i - length] == tokens[last - length]) {
      ++length;
    }
    if (length < least || length <= best.length) continue;
    best.length = length;
    best.next = tokens.subspan(i + 1);
    if (length == kLongest) break;
  }
  return best;
}

}  // namespace baleen
