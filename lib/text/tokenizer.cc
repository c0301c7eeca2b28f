// How the parts of the tokenizer come together: parts of text are joined, names
// found, and what lies between them cut into pieces and merged.
#include "text/tokenizer.h"

#include "text/pretokenize.h"
#include "text/tokenizer_data.h"

namespace baleen {
namespace {

// Text between added tokens: pieces, each a token or merged.
void EncodeText(const TokenizerData& data, std::string_view text,
                Vector<baleen_token>* tokens) {
  PieceScanner scanner(text);
  std::string_view piece;
  while (scanner.Next(&piece)) {
    const baleen_token whole = data.vocabulary.Find(piece);
    if (data.vocabulary.Has(whole, Vocabulary::kWhole)) {
      tokens->push_back(whole);
    } else {
      data.bpe.Encode(piece, data.memory, tokens);
    }
  }
}

// The parts as one text, and which stretches of it are special.
class JoinedParts {
 public:
  struct Stretch {
    size_t begin;
    size_t end;
  };

  JoinedParts(std::span<const TextPart> parts, Memory* memory)
      : joined_(memory), special_(memory) {
    size_t size = 0;
    for (const TextPart& part : parts) size += part.text.size();
    // One part needs no copy.
    if (parts.size() == 1) {
      text_ = parts[0].text;
    } else {
      joined_.reserve(size);
      for (const TextPart& part : parts) joined_.append(part.text);
      text_ = joined_;
    }
    size_t begin = 0;
    for (const TextPart& part : parts) {
      const size_t end = begin + part.text.size();
      if (part.special) AddSpecial(begin, end);
      begin = end;
    }
  }
  JoinedParts(const JoinedParts&) = delete;
  JoinedParts& operator=(const JoinedParts&) = delete;

  std::string_view text() const { return text_; }
  const Vector<Stretch>& special() const { return special_; }

 private:
  // Neighbors become one stretch: a name may lie across them.
  void AddSpecial(size_t begin, size_t end) {
    if (!special_.empty() && special_.back().end == begin) {
      special_.back().end = end;
    } else {
      special_.push_back({begin, end});
    }
  }

  String joined_;
  std::string_view text_;
  Vector<Stretch> special_;
};

}  // namespace

Tokenizer::Tokenizer(Owned<TokenizerData> data) : data_(std::move(data)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::Parse(std::string_view json, const char* name,
                                   Memory* memory) {
  auto data = MakeOwned<TokenizerData>(memory, memory);
  BALEEN_RETURN_IF_ERROR(ReadTokenizerFile(json, name, data.get()));
  return Tokenizer(std::move(data));
}

void Tokenizer::Encode(std::span<const TextPart> parts,
                       Vector<baleen_token>* tokens) const {
  const JoinedParts joined(parts, data_->memory);
  const std::string_view text = joined.text();
  size_t done = 0;
  for (const JoinedParts::Stretch& stretch : joined.special()) {
    AddedTokens::Found found;
    size_t from = stretch.begin;
    while (data_->added.FindNext(text.substr(0, stretch.end), from, &found)) {
      EncodeText(*data_, text.substr(done, found.begin - done), tokens);
      tokens->push_back(found.id);
      from = found.begin + found.size;
      done = from;
    }
  }
  EncodeText(*data_, text.substr(done), tokens);
}

void Tokenizer::Decode(baleen_token token, bool special, String* text) const {
  if (IsAdded(token) && !special) return;
  text->append(data_->vocabulary.bytes(token));
}

baleen_token Tokenizer::Find(std::string_view name) const {
  const baleen_token added = data_->added.Find(name);
  return added >= 0 ? added : data_->vocabulary.Find(name);
}

int32_t Tokenizer::size() const { return data_->vocabulary.size(); }

bool Tokenizer::IsKnown(baleen_token token) const {
  return data_->vocabulary.Has(token, Vocabulary::kKnown);
}

bool Tokenizer::IsAdded(baleen_token token) const {
  return data_->vocabulary.Has(token, Vocabulary::kAdded);
}

bool Tokenizer::IsSpecial(baleen_token token) const {
  return data_->vocabulary.Has(token, Vocabulary::kSpecial);
}

}  // namespace baleen
