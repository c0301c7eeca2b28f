#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace baleen {
namespace {

// Up to here the search through all pairs costs less than a heap.
constexpr size_t kShortPiece = 64;
// Places in a long piece have 32 bits.  What is longer than this, and so than
// any context, is merged in parts.
constexpr size_t kLongestPiece = size_t{1} << 30;

uint64_t Pair(baleen_token left, baleen_token right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 |
         static_cast<uint32_t>(right);
}

// A piece as a linked list of tokens, and a heap of the pairs that may merge.
// A pair that is no more what it was when it was put there is passed over.
class LongPiece {
 public:
  LongPiece(const Bpe& bpe, std::string_view piece,
            const std::array<baleen_token, 256>& bytes, Memory* memory)
      : bpe_(bpe), symbols_(memory), heap_(memory) {
    const auto size = static_cast<uint32_t>(piece.size());
    symbols_.reserve(size);
    heap_.reserve(size);
    for (uint32_t i = 0; i < size; ++i) {
      const baleen_token token = bytes[static_cast<unsigned char>(piece[i])];
      symbols_.push_back({token, i - 1, i + 1});
    }
    for (uint32_t i = 0; i + 1 < size; ++i) AddPair(i);
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void Merge(Vector<baleen_token>* tokens) {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const uint64_t pair = heap_.back();
      heap_.pop_back();
      MergeAt(static_cast<uint32_t>(pair), static_cast<int32_t>(pair >> 32));
    }
    for (uint32_t i = 0; i < symbols_.size(); i = symbols_[i].next) {
      tokens->push_back(symbols_[i].token);
    }
  }

 private:
  static constexpr baleen_token kGone = -1;
  struct Symbol {
    baleen_token token;  // kGone: merged into one further left.
    uint32_t previous;
    uint32_t next;
  };

  // Puts the pair that begins at `place` behind the heap; false if no merge is
  // listed for it.  Pairs are ordered by rank, then by place.
  bool AddPair(uint32_t place) {
    const Symbol& left = symbols_[place];
    const Bpe::Merge merge = bpe_.Find(left.token, symbols_[left.next].token);
    if (merge.rank == Bpe::kNoRank) return false;
    heap_.push_back(uint64_t{static_cast<uint32_t>(merge.rank)} << 32 | place);
    return true;
  }

  void PushPair(uint32_t place) {
    if (AddPair(place)) {
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    }
  }

  void MergeAt(uint32_t place, int32_t rank) {
    Symbol& left = symbols_[place];
    if (left.token == kGone || left.next == symbols_.size()) return;
    Symbol& right = symbols_[left.next];
    const Bpe::Merge merge = bpe_.Find(left.token, right.token);
    if (merge.rank != rank) return;
    left.token = merge.merged;
    left.next = right.next;
    right.token = kGone;
    if (place > 0) PushPair(left.previous);
    if (left.next != symbols_.size()) {
      symbols_[left.next].previous = place;
      PushPair(place);
    }
  }

  const Bpe& bpe_;
  Vector<Symbol> symbols_;
  Vector<uint64_t> heap_;
};

}  // namespace

void Bpe::Reserve(size_t count) {
  const size_t slot_count = std::bit_ceil(2 * count + 2);
  slots_.resize(slot_count);
  slot_shift_ = 64 - std::countr_zero(slot_count);
}

// The slot of the pair, or the free one where it would be.
size_t Bpe::FindSlot(uint64_t pair) const {
  const size_t mask = slots_.size() - 1;
  // The factor is the golden ratio's: it spreads consecutive numbers.
  size_t place = (pair ^ pair >> 29) * 0x9E3779B97F4A7C15 >> slot_shift_;
  while (slots_[place].pair != pair && slots_[place].pair != kFree) {
    place = (place + 1) & mask;
  }
  return place;
}

void Bpe::AddMerge(baleen_token left, baleen_token right, baleen_token merged) {
  const uint64_t pair = Pair(left, right);
  slots_[FindSlot(pair)] = {pair, {merge_count_++, merged}};
}

Bpe::Merge Bpe::Find(baleen_token left, baleen_token right) const {
  return slots_[FindSlot(Pair(left, right))].merge;
}

void Bpe::EncodeShort(std::string_view piece,
                      Vector<baleen_token>* tokens) const {
  // merges[i] is that of tokens i and i + 1.
  baleen_token symbols[kShortPiece];
  Merge merges[kShortPiece];
  size_t size = piece.size();
  for (size_t i = 0; i < size; ++i) {
    symbols[i] = bytes_[static_cast<unsigned char>(piece[i])];
  }
  for (size_t i = 0; i + 1 < size; ++i) {
    merges[i] = Find(symbols[i], symbols[i + 1]);
  }
  while (size > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < size; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == kNoRank) break;
    symbols[best] = merges[best].merged;
    std::copy(symbols + best + 2, symbols + size, symbols + best + 1);
    std::copy(merges + best + 2, merges + size, merges + best + 1);
    --size;
    if (best > 0) merges[best - 1] = Find(symbols[best - 1], symbols[best]);
    if (best + 1 < size) merges[best] = Find(symbols[best], symbols[best + 1]);
  }
  tokens->insert(tokens->end(), symbols, symbols + size);
}

// What MarkWhole knows of the merges: in the order of their ranks.
struct Bpe::Rules {
  struct Rule {
    baleen_token left = -1;
    baleen_token right = -1;
    baleen_token merged = -1;
  };
  Rules(size_t count, size_t token_count, Memory* memory)
      : rules(count, memory), rank_of(token_count, -1, memory) {}

  int32_t rank(baleen_token token) const {
    return rank_of[static_cast<size_t>(token)];
  }
  const Rule& of(baleen_token token) const {
    return rules[static_cast<size_t>(rank(token))];
  }

  Vector<Rule> rules;
  // By token, the rank of the merge that makes it; -1 if none does.
  Vector<int32_t> rank_of;
};

// Fills `rules`.  True if the merges are as training makes them: each makes a
// token of its own, from tokens made before.  Then merging a text means going
// through the ranks once, upwards.
bool Bpe::ReadRules(Rules* rules) const {
  for (const Slot& slot : slots_) {
    if (slot.pair == kFree) continue;
    rules->rules[static_cast<size_t>(slot.merge.rank)] = {
        static_cast<baleen_token>(slot.pair >> 32),
        static_cast<baleen_token>(slot.pair & UINT32_MAX), slot.merge.merged};
  }
  for (int32_t rank = 0; rank < merge_count_; ++rank) {
    const Rules::Rule& rule = rules->rules[static_cast<size_t>(rank)];
    if (rule.left < 0 || rules->rank(rule.merged) >= 0) return false;
    rules->rank_of[static_cast<size_t>(rule.merged)] = rank;
  }
  for (int32_t rank = 0; rank < merge_count_; ++rank) {
    const Rules::Rule& rule = rules->rules[static_cast<size_t>(rank)];
    if (rules->rank(rule.left) >= rank || rules->rank(rule.right) >= rank) {
      return false;
    }
  }
  return true;
}

// Whether merging the bytes of `left` and `right` side by side, which alone give
// just these two, joins across the border before both are there.  Goes back in
// time: of the two tokens at the border the one made later is taken apart, and
// the pair that stood there before is looked up.  A merge of that pair came
// first if its rank is below that of the merge taken back; at the same rank, the
// one further left.
bool Bpe::Crosses(const Rules& rules, baleen_token left,
                  baleen_token right) const {
  for (;;) {
    const int32_t left_rank = rules.rank(left);
    const int32_t right_rank = rules.rank(right);
    if (left_rank < 0 && right_rank < 0) return false;
    if (left_rank > right_rank) {
      left = rules.of(left).right;
      if (Find(left, right).rank < left_rank) return true;
    } else {
      right = rules.of(right).left;
      if (Find(left, right).rank <= right_rank) return true;
    }
  }
}

void Bpe::MarkWhole(Vocabulary* vocabulary, Memory* memory) const {
  for (const baleen_token byte : bytes_) {
    vocabulary->AddFlags(byte, Vocabulary::kWhole);
  }
  Rules rules(static_cast<size_t>(merge_count_),
              static_cast<size_t>(vocabulary->size()), memory);
  if (!ReadRules(&rules)) return;
  for (const Rules::Rule& rule : rules.rules) {
    if (vocabulary->Has(rule.left, Vocabulary::kWhole) &&
        vocabulary->Has(rule.right, Vocabulary::kWhole) &&
        !Crosses(rules, rule.left, rule.right)) {
      vocabulary->AddFlags(rule.merged, Vocabulary::kWhole);
    }
  }
}

void Bpe::Encode(std::string_view piece, Memory* memory,
                 Vector<baleen_token>* tokens) const {
  if (piece.size() <= kShortPiece) return EncodeShort(piece, tokens);
  while (!piece.empty()) {
    const std::string_view part = piece.substr(0, kLongestPiece);
    LongPiece(*this, part, bytes_, memory).Merge(tokens);
    piece.remove_prefix(part.size());
  }
}

}  // namespace baleen
