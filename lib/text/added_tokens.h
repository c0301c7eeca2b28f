// Finds the names of added tokens ("<｜User｜>") in a text, leftmost-longest.
//
// The names are kept sorted: those that begin like the text at hand are a
// range, which every further byte narrows.  Of 1,283 names two bytes begin one, so the
// rest of a text is passed by at one table look-up a byte.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/memory.h"
#include "text/vocabulary.h"

namespace baleen {

class AddedTokens {
 public:
  struct Found {
    size_t begin;
    size_t size;
    baleen_token id;
  };

  explicit AddedTokens(Memory* memory) : ids_(memory) {}

  // Takes all added tokens of the vocabulary, which must stay where it is.
  // False if two have the same name, which *name then is.
  bool Build(const Vocabulary* vocabulary, std::string_view* name);

  // The first name in `text` at or behind `from`; of those that begin there the
  // longest.  False if there is none.
  bool FindNext(std::string_view text, size_t from, Found* found) const;

  // The token with exactly this name, or -1.
  baleen_token Find(std::string_view name) const;

 private:
  bool MatchAt(std::string_view text, Found* found) const;

  const Vocabulary* vocabulary_ = nullptr;
  Vector<baleen_token> ids_;  // In the order of their names.
  // Names that begin with byte b: starts_[b] .. starts_[b + 1].
  std::array<uint32_t, 257> starts_{};
};

}  // namespace baleen
