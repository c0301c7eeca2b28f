// Which beginnings two lists of tokens have in common, without looking at most
// of them: a hash for each 256 tokens, made of the one before and the block.  Two
// lists with the same k-th hash have the same first 256 (k + 1) tokens, as far as
// 64 bits can say; whoever relies on it compares the tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/checksum.h"
#include "base/memory.h"

namespace baleen {

inline constexpr size_t kChainBlock = 256;

// Makes *chain that of `tokens`, of which it has the first hashes already.
inline void ExtendChain(std::span<const baleen_token> tokens,
                        Vector<uint64_t>* chain) {
  chain->reserve(tokens.size() / kChainBlock);
  while ((chain->size() + 1) * kChainBlock <= tokens.size()) {
    Checksum sum;
    if (!chain->empty()) sum.Add(&chain->back(), sizeof chain->back());
    const auto block = tokens.subspan(chain->size() * kChainBlock, kChainBlock);
    sum.Add(block.data(), block.size_bytes());
    chain->push_back(sum.Value());
  }
}

// How many first hashes are the same.  Since each stands for all before it,
// halving finds it.
inline size_t CommonChain(std::span<const uint64_t> a,
                          std::span<const uint64_t> b) {
  size_t same = 0;
  size_t most = std::min(a.size(), b.size());
  while (same < most) {
    const size_t middle = (same + most + 1) / 2;
    if (a[middle - 1] == b[middle - 1]) {
      same = middle;
    } else {
      most = middle - 1;
    }
  }
  return same;
}

}  // namespace baleen
