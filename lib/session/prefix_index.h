// The sessions of a model whose beginnings other sessions may share.
//
// A session is found by its tokens, compared one by one after their hashes, and
// forked where they end to be the same: pages are shared by reference, and the
// window comes from the session's rings, from a window kept aside, or is computed
// again.  So the bits are those of a session that read the tokens itself.
//
// Order of locks: this index's mutex, then the one of the model's state.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>

#include <baleen/baleen.h>

#include "base/linked_list.h"
#include "base/status.h"
#include "models/model.h"
#include "session/token_line.h"

namespace baleen {

// A state that holds the first tokens of a session to be.
struct PrefixMatch {
  StatePointer state;  // NULL: nothing was found.
  size_t length = 0;   // Tokens that it holds.
  int64_t replay_from = 0;
};

class PrefixIndex {
 public:
  // What a session lets others see; a part of it.
  struct Entry : Linked<Entry> {
    baleen_mode mode = BALEEN_MODE_FAST;
    const TokenLine* tokens = nullptr;
    SessionState* state = nullptr;  // NULL: not to be shared now.
  };

  PrefixIndex() = default;
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  std::mutex* mutex() { return &mutex_; }

  void Add(Entry* entry);
  void Remove(Entry* entry);
  // Before an entry's state is changed by other means than steps, truncation
  // and forks, it is hidden; afterwards it is shown again.
  void Show(Entry* entry, SessionState* state);

  // The beginning of `tokens` that saves most, if more than `least` tokens need
  // not be computed.  All of them never match: the last one's logits are
  // wanted.
  Result<PrefixMatch> Find(const Entry& asker,
                           std::span<const baleen_token> tokens,
                           std::span<const uint64_t> chain, int64_t least);

 private:
  std::mutex mutex_;
  LinkedList<Entry> entries_;
};

}  // namespace baleen
