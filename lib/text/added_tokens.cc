// The search for names: from byte to byte the range of those that still fit
// becomes narrower, until none does.
#include "text/added_tokens.h"

#include <algorithm>

namespace baleen {

bool AddedTokens::Build(const Vocabulary* vocabulary, std::string_view* name) {
  vocabulary_ = vocabulary;
  for (baleen_token id = 0; id < vocabulary->size(); ++id) {
    if (vocabulary->Has(id, Vocabulary::kAdded)) ids_.push_back(id);
  }
  std::sort(ids_.begin(), ids_.end(), [&](baleen_token a, baleen_token b) {
    return vocabulary->bytes(a) < vocabulary->bytes(b);
  });
  const auto twice = std::adjacent_find(
      ids_.begin(), ids_.end(), [&](baleen_token a, baleen_token b) {
        return vocabulary->bytes(a) == vocabulary->bytes(b);
      });
  if (twice != ids_.end()) {
    *name = vocabulary->bytes(*twice);
    return false;
  }
  for (const baleen_token id : ids_) {
    ++starts_[static_cast<unsigned char>(vocabulary->bytes(id)[0]) + 1u];
  }
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  return true;
}

// Whether a name begins `text`, and the longest that does.
bool AddedTokens::MatchAt(std::string_view text, Found* found) const {
  const auto first = static_cast<unsigned char>(text[0]);
  auto low = ids_.begin() + starts_[first];
  auto high = ids_.begin() + starts_[first + 1u];
  bool matched = false;
  // All names in the range begin with the `size` bytes seen so far; the
  // shortest, which sorts first, may be just them.
  for (size_t size = 1; low != high; ++size) {
    if (vocabulary_->bytes(*low).size() == size) {
      found->size = size;
      found->id = *low++;
      matched = true;
    }
    if (size == text.size()) break;
    const auto byte = static_cast<unsigned char>(text[size]);
    const auto at = [&](baleen_token id) {
      return static_cast<unsigned char>(vocabulary_->bytes(id)[size]);
    };
    low = std::partition_point(low, high,
                               [&](baleen_token id) { return at(id) < byte; });
    high = std::partition_point(
        low, high, [&](baleen_token id) { return at(id) == byte; });
  }
  return matched;
}

bool AddedTokens::FindNext(std::string_view text, size_t from,
                           Found* found) const {
  for (size_t i = from; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (starts_[byte] == starts_[byte + 1u]) continue;
    if (MatchAt(text.substr(i), found)) {
      found->begin = i;
      return true;
    }
  }
  return false;
}

baleen_token AddedTokens::Find(std::string_view name) const {
  const auto place = std::lower_bound(ids_.begin(), ids_.end(), name,
                                      [&](baleen_token id, std::string_view n) {
                                        return vocabulary_->bytes(id) < n;
                                      });
  return place != ids_.end() && vocabulary_->bytes(*place) == name ? *place
                                                                   : -1;
}

}  // namespace baleen
