#include "session/stop_filter.h"

#include <algorithm>

namespace baleen {

bool StopFilter::Add(std::string_view text, String* out) {
  held_ += text;
  const std::string_view held = held_;
  size_t first = std::string_view::npos;
  size_t beginning = held.size();  // Of what may become a stop text.
  for (const std::string_view stop : stops_) {
    if (stop.empty()) continue;
    first = std::min(first, held.find(stop));
    const size_t most = std::min(held.size(), stop.size() - 1);
    for (size_t length = most; length > 0; --length) {
      if (held.substr(held.size() - length) == stop.substr(0, length)) {
        beginning = std::min(beginning, held.size() - length);
        break;
      }
    }
  }
  const bool found = first != std::string_view::npos;
  const size_t end = found ? first : beginning;
  *out += held.substr(0, end);
  held_.erase(0, found ? held_.size() : end);
  return found;
}

void StopFilter::Flush(String* out) {
  *out += held_;
  held_.clear();
}

}  // namespace baleen
