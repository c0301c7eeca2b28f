// Byte-pair merging: a piece of text, byte by byte, into tokens (text.md §3.2).
//
// Of all neighbors that a merge is listed for, those with the lowest rank
// become one token, the leftmost first, until there are none.  Short pieces,
// which are nearly all, are done in small arrays on the stack.  Long ones, such
// as a megabyte of one letter, are a linked list with a heap of its pairs: O(n
// log n) whatever the text, 0.15 to 0.4 seconds a megabyte.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "text/number_table.h"
#include "text/vocabulary.h"

namespace baleen {

class Bpe {
 public:
  explicit Bpe(Memory* memory) : merges_(memory), ranks_(memory) {}

  // The tokens of the 256 bytes.
  void SetByte(unsigned char byte, baleen_token id) { bytes_[byte] = id; }

  // Makes room for `count` merges.  REQUIRES: called once, before AddMerge, and
  // count <= kMergeLimit
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

  static constexpr size_t kMergeLimit = NumberTable::kLimit;
  static constexpr int32_t kNoRank = INT32_MAX;
  struct Merge {
    int32_t rank = kNoRank;
    baleen_token merged = -1;
  };
  Merge Find(baleen_token left, baleen_token right) const;

 private:
  struct Rule {
    baleen_token left;
    baleen_token right;
    baleen_token merged;
  };
  class Training;

  void EncodeShort(std::string_view piece, Vector<baleen_token>* tokens) const;

  std::array<baleen_token, 256> bytes_{};
  Vector<Rule> merges_;  // By rank.
  NumberTable ranks_;    // By pair.
  // Of the same pair a later merge took the place of another.
  bool repeated_ = false;
};

}  // namespace baleen
