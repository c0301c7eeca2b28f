// Byte-pair merging: a piece of text, byte by byte, into tokens (text.md §3.2).
//
// Of all neighbours that a merge is listed for, those with the lowest rank
// become one token, the leftmost first, until there are none.  Short pieces,
// which are nearly all, are done in small arrays on the stack.  Long ones, such
// as a megabyte of one letter, are a linked list with a heap of its pairs: O(n
// log n) whatever the text, 0.15 to 0.3 seconds a megabyte.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "text/vocabulary.h"

namespace baleen {

class Bpe {
 public:
  explicit Bpe(Memory* memory) : slots_(memory) {}

  // The tokens of the 256 bytes.
  void SetByte(unsigned char byte, baleen_token id) { bytes_[byte] = id; }

  // Makes room for `count` merges.  REQUIRES: called once, before AddMerge.
  void Reserve(size_t count);
  // Merges are added in the order of their ranks, from 0.  Of the same pair the
  // last counts.
  void AddMerge(baleen_token left, baleen_token right, baleen_token merged);

  // Marks the tokens that merging gives for their own bytes (kWhole), as far as
  // that is cheap to know: all of a trained vocabulary, the bytes of any.
  void MarkWhole(Vocabulary* vocabulary, Memory* memory) const;

  // Appends the tokens of a piece.  `memory` is for what a long piece needs.
  void Encode(std::string_view piece, Memory* memory,
              Vector<baleen_token>* tokens) const;

  static constexpr int32_t kNoRank = INT32_MAX;
  struct Merge {
    int32_t rank = kNoRank;
    baleen_token merged = -1;
  };
  Merge Find(baleen_token left, baleen_token right) const;

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t pair = kFree;
    Merge merge;
  };
  struct Rules;

  size_t FindSlot(uint64_t pair) const;
  bool ReadRules(Rules* rules) const;
  bool Crosses(const Rules& rules, baleen_token left, baleen_token right) const;
  void EncodeShort(std::string_view piece, Vector<baleen_token>* tokens) const;

  std::array<baleen_token, 256> bytes_{};
  // Open addressing, at most half full; a power of two.
  Vector<Slot> slots_;
  int slot_shift_ = 0;
  int32_t merge_count_ = 0;
};

}  // namespace baleen
