// The tokens of a tokenizer: their bytes by id, and their ids by bytes.
//
// Encoding looks most pieces up here once (in English nine of ten are a token),
// so the way there is short: a multiplicative hash, one probe, one comparison.
#pragma once

#include <cstdint>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "text/number_table.h"

namespace baleen {

class Vocabulary {
 public:
  static constexpr size_t kIdLimit = NumberTable::kLimit;
  static constexpr size_t kLengthLimit = 65535;

  enum Flag : uint8_t {
    kKnown = 1 << 0,
    kAdded = 1 << 1,    // Has a name: read literally, not by merging.
    kSpecial = 1 << 2,  // The file's flag of that name.
    kIndexed = 1 << 3,  // Find finds it.
    // Merging its bytes, with nothing around them, gives this token.
    kWhole = 1 << 4
  };

  explicit Vocabulary(Memory* memory)
      : tokens_(memory), bytes_(memory), ids_(memory) {}

  // Makes room for finding `count` tokens by their bytes.  REQUIRES: called
  // once, first.
  void Reserve(size_t count, size_t byte_count);

  // REQUIRES: 0 <= id < kIdLimit, not known; bytes.size() <= kLengthLimit
  void Add(baleen_token id, std::string_view bytes);
  void AddFlags(baleen_token id, uint8_t flags) {
    tokens_[static_cast<size_t>(id)].flags |= flags;
  }
  // From now on Find finds this token by its bytes; false if it finds another.
  bool Index(baleen_token id);

  // The indexed token of these bytes, or -1.
  baleen_token Find(std::string_view bytes) const;

  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
  // Whether it has any of these flags; false for ids there are not.
  bool Has(baleen_token id, uint8_t flags) const {
    return id >= 0 && id < size() &&
           (tokens_[static_cast<size_t>(id)].flags & flags) != 0;
  }
  // REQUIRES: id < size(); nothing for ids not known
  std::string_view bytes(baleen_token id) const {
    const Token& token = tokens_[static_cast<size_t>(id)];
    return std::string_view(bytes_).substr(token.offset, token.length);
  }

 private:
  struct Token {
    uint32_t offset = 0;
    uint16_t length = 0;
    uint8_t flags = 0;
  };
  Vector<Token> tokens_;
  String bytes_;
  NumberTable ids_;  // By their bytes.
};

}  // namespace baleen
