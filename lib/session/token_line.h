// A session's tokens, which other sessions look at to find beginnings that they
// share.
//
// The session's own thread reads them freely, and changes them with the index's
// mutex held, which other threads hold while they look (session/prefix_index.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <span>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "format/token_chain.h"

namespace baleen {

class TokenLine {
 public:
  TokenLine(std::mutex* mutex, Memory* memory)
      : mutex_(mutex), tokens_(memory), chain_(memory) {}

  size_t size() const { return tokens_.size(); }
  bool empty() const { return tokens_.empty(); }
  baleen_token back() const { return tokens_.back(); }
  std::span<const baleen_token> span() const { return tokens_; }
  operator std::span<const baleen_token>() const { return tokens_; }

  // So that `count` more can be added without failing; by doubling, so that a
  // million steps do not copy a million times.
  void Reserve(size_t count) {
    const size_t needed = tokens_.size() + count;
    if (needed <= tokens_.capacity() &&
        needed / kChainBlock <= chain_.capacity()) {
      return;
    }
    const std::lock_guard<std::mutex> lock(*mutex_);
    const size_t room = std::max(needed, 2 * tokens_.size());
    tokens_.reserve(room);
    chain_.reserve(room / kChainBlock + 1);
  }

  // REQUIRES: room from Reserve.
  void Add(std::span<const baleen_token> tokens) {
    const std::lock_guard<std::mutex> lock(*mutex_);
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    ExtendChain(tokens_, &chain_);
  }

  void Truncate(size_t keep) {
    const std::lock_guard<std::mutex> lock(*mutex_);
    tokens_.resize(keep);
    chain_.resize(keep / kChainBlock);
    unchanged_ = std::min(unchanged_, keep);
  }

  void Assign(std::span<const baleen_token> tokens) {
    Vector<baleen_token> copy(tokens.begin(), tokens.end(),
                              tokens_.get_allocator().resource());
    Vector<uint64_t> chain(copy.get_allocator().resource());
    ExtendChain(copy, &chain);
    const std::lock_guard<std::mutex> lock(*mutex_);
    tokens_.swap(copy);
    chain_.swap(chain);
    unchanged_ = 0;
  }

  // How many first tokens `tokens`, whose hashes are `chain`, has in common with
  // this line.  REQUIRES: the mutex is held.
  size_t CommonWith(std::span<const baleen_token> tokens,
                    std::span<const uint64_t> chain) const {
    const size_t likely = CommonChain(chain_, chain) * kChainBlock;
    const std::span<const baleen_token> own(tokens_);
    if (!std::equal(tokens.begin(),
                    tokens.begin() + static_cast<ptrdiff_t>(likely),
                    own.begin())) {
      return 0;  // Two hashes met; nothing is lost but time.
    }
    const auto rest = own.subspan(likely);
    const auto wanted = tokens.subspan(likely);
    const auto end =
        std::mismatch(wanted.begin(), wanted.end(), rest.begin(), rest.end());
    return likely + static_cast<size_t>(end.first - wanted.begin());
  }

  // How many first tokens are as they were when MarkUnchanged was last called.
  size_t unchanged() const { return unchanged_; }
  void MarkUnchanged() { unchanged_ = tokens_.size(); }

 private:
  std::mutex* mutex_;
  Vector<baleen_token> tokens_;
  Vector<uint64_t> chain_;
  size_t unchanged_ = 0;
};

}  // namespace baleen
