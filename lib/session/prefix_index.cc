#include "session/prefix_index.h"

namespace baleen {

void PrefixIndex::Add(Entry* entry) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.Add(entry);
}

void PrefixIndex::Remove(Entry* entry) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.Remove(entry);
  *entry = {};
}

void PrefixIndex::Show(Entry* entry, SessionState* state) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entry->state = state;
}

Result<PrefixMatch> PrefixIndex::Find(const Entry& asker,
                                      std::span<const baleen_token> tokens,
                                      std::span<const uint64_t> chain,
                                      int64_t least) {
  PrefixMatch match;
  if (tokens.empty()) return match;
  const auto most = static_cast<int64_t>(tokens.size()) - 1;
  const std::lock_guard<std::mutex> lock(mutex_);
  const Entry* best = nullptr;
  int64_t best_length = 0;
  for (const Entry* entry = entries_.first(); entry != nullptr;
       entry = entries_.Next(entry)) {
    if (entry == &asker || entry->state == nullptr ||
        entry->mode != asker.mode) {
      continue;
    }
    const auto common =
        static_cast<int64_t>(entry->tokens->CommonWith(tokens, chain));
    const int64_t length = std::min(common, most);
    if (length <= least) continue;
    const int64_t from = entry->state->ReplayOfFork(length);
    if (from <= least) continue;
    least = from;
    best = entry;
    best_length = length;
  }
  if (best == nullptr) return match;
  BALEEN_ASSIGN_OR_RETURN(match.state,
                          best->state->ForkAt(best_length, &match.replay_from));
  match.length = static_cast<size_t>(match.state->length());
  return match;
}

}  // namespace baleen
