// Text of a reply that a grammar has not taken yet, and a hash of what it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/memory.h"

namespace baleen {

class PendingText {
 public:
  explicit PendingText(Memory* memory) : text_(memory) {}

  void Append(std::string_view text) {
    // What was taken goes when it is most of it: a turn then costs time in
    // proportion to its length.
    if (taken_ * 2 >= text_.size()) {
      text_.erase(0, taken_);
      taken_ = 0;
    }
    text_.append(text);
  }

  // Lent until the next Append.
  std::string_view rest() const {
    return std::string_view(text_).substr(taken_);
  }

  void Take(size_t size) {
    for (const char c : rest().substr(0, size)) {  // FNV-1a
      hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    }
    taken_ += size;
  }

  // Of all that was taken, in whatever parts.
  uint64_t hash() const { return hash_; }

 private:
  String text_;
  size_t taken_ = 0;
  uint64_t hash_ = 0xCBF29CE484222325u;
};

// How a text begins with what is expected.
enum class Match { kNo, kPartial, kFull };

inline Match MatchBegin(std::string_view text, std::string_view expected) {
  if (text.starts_with(expected)) return Match::kFull;
  return expected.starts_with(text) ? Match::kPartial : Match::kNo;
}

}  // namespace baleen
