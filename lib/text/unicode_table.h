// The classes of Unicode 14 that the tokenizer's regular expressions speak of.
//
// Fixed at that version on purpose: a newer one would split texts otherwise
// than the model was trained on.  16 KB in three levels (a flat table of
// nibbles would take 544); lib/text/make_unicode_table.py writes it from the
// golden data.
#pragma once

#include <cstdint>

namespace baleen {

enum class CharacterClass : uint8_t {
  kOther,  // Controls, unassigned, private.
  kNumber,
  kLetter,
  kMark,
  kPunctuation,
  kSymbol,
  kSpace  // White_Space, not the general category Z.
};

namespace unicode_table {
#include "text/unicode_table.inc"
}  // namespace unicode_table

// REQUIRES: point <= 0x10FFFF
constexpr CharacterClass ClassOf(uint32_t point) {
  const uint32_t group = unicode_table::kGroups[point / 2048];
  const uint32_t block = unicode_table::kBlocks[group * 16 + point / 128 % 16];
  const uint64_t word = unicode_table::kWords[block * 8 + point / 16 % 8];
  return static_cast<CharacterClass>(word >> (point % 16 * 4) & 15);
}

}  // namespace baleen
