// Merging in short arrays and in long lists, and which tokens need none because
// their bytes always merge to just them.
#include "text/bpe.h"

#include <algorithm>
#include <functional>

namespace baleen {
namespace {

// Up to here the search through all pairs costs less than a heap.
constexpr size_t kShortPiece = 64;
// Places in a long piece have 32 bits.  What is longer than this, and so than
// any context, is merged in parts.
constexpr size_t kLongestPiece = size_t{1} << 30;

// The factor is the golden ratio's, which spreads consecutive numbers.
uint64_t Hash(baleen_token left, baleen_token right) {
  const uint64_t pair = uint64_t{static_cast<uint32_t>(left)} << 32 |
                        static_cast<uint32_t>(right);
  return (pair ^ pair >> 29) * 0x9E3779B97F4A7C15;
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
  merges_.reserve(count);
  ranks_.Reserve(count);
}

void Bpe::AddMerge(baleen_token left, baleen_token right, baleen_token merged) {
  const auto rank = static_cast<uint32_t>(merges_.size());
  const int32_t before = ranks_.Put(Hash(left, right), rank, [&](uint32_t r) {
    return merges_[r].left == left && merges_[r].right == right;
  });
  repeated_ = repeated_ || before >= 0;
  merges_.push_back({left, right, merged});
}

Bpe::Merge Bpe::Find(baleen_token left, baleen_token right) const {
  const int32_t rank = ranks_.Find(Hash(left, right), [&](uint32_t r) {
    return merges_[r].left == left && merges_[r].right == right;
  });
  if (rank < 0) return {};
  return {rank, merges_[static_cast<size_t>(rank)].merged};
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

// What MarkWhole knows: which merge makes a token.
class Bpe::Training {
 public:
  Training(const Bpe& bpe, int32_t token_count, Memory* memory)
      : bpe_(bpe), rank_of_(static_cast<size_t>(token_count), -1, memory) {}

  // True if the merges are as training makes them: each makes a token of its
  // own, from tokens made before.  Then merging a text means going through the
  // ranks once, upwards.
  bool Read() {
    if (bpe_.repeated_) return false;
    int32_t rank = 0;
    for (const Rule& rule : bpe_.merges_) {
      int32_t& made = rank_of_[static_cast<size_t>(rule.merged)];
      if (made >= 0) return false;
      made = rank++;
    }
    rank = 0;
    for (const Rule& rule : bpe_.merges_) {
      if (RankOf(rule.left) >= rank || RankOf(rule.right) >= rank) return false;
      ++rank;
    }
    return true;
  }

  // Whether merging the bytes of `left` and `right` side by side, which alone
  // give just these two, joins across the border before both are there.  Goes
  // back in time: of the two tokens at the border the one made later is taken
  // apart, and the pair that stood there before is looked up.  A merge of that
  // pair came first if its rank is below that of the merge taken back; at the
  // same rank, the one further left.
  bool Crosses(baleen_token left, baleen_token right) const {
    for (;;) {
      const int32_t left_rank = RankOf(left);
      const int32_t right_rank = RankOf(right);
      if (left_rank < 0 && right_rank < 0) return false;
      if (left_rank > right_rank) {
        left = bpe_.merges_[static_cast<size_t>(left_rank)].right;
        if (bpe_.Find(left, right).rank < left_rank) return true;
      } else {
        right = bpe_.merges_[static_cast<size_t>(right_rank)].left;
        if (bpe_.Find(left, right).rank <= right_rank) return true;
      }
    }
  }

 private:
  int32_t RankOf(baleen_token token) const {
    return rank_of_[static_cast<size_t>(token)];
  }

  const Bpe& bpe_;
  // By token, the rank of the merge that makes it; -1 if none does.
  Vector<int32_t> rank_of_;
};

void Bpe::MarkWhole(Vocabulary* vocabulary, Memory* memory) const {
  for (const baleen_token byte : bytes_) {
    vocabulary->AddFlags(byte, Vocabulary::kWhole);
  }
  Training training(*this, vocabulary->size(), memory);
  if (!training.Read()) return;
  for (const Rule& rule : merges_) {
    if (vocabulary->Has(rule.left, Vocabulary::kWhole) &&
        vocabulary->Has(rule.right, Vocabulary::kWhole) &&
        !training.Crosses(rule.left, rule.right)) {
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
