// Reads tokenizer.json, the format of the Hugging Face tokenizers library.
//
// Of all that format can say, this takes what DeepSeek's files say and refuses
// the rest: a step that we passed over in silence would give other tokens than
// the model was trained on, and nobody would see why it talks nonsense.
#include <array>

#include "base/json.h"
#include "text/pretokenize.h"
#include "text/tokenizer_data.h"

namespace baleen {
namespace {

// The characters that stand for bytes in the file: those that print for
// themselves, U+0100 and up for the others (GPT-2's alphabet).
constexpr size_t kAlphabetEnd = 0x144;
constexpr std::array<int16_t, kAlphabetEnd> kByteOfCharacter = [] {
  std::array<int16_t, kAlphabetEnd> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  size_t other = 0x100;
  for (int16_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 33 && byte <= 126) ||
                        (byte >= 161 && byte <= 172) || byte >= 174;
    bytes[prints ? static_cast<size_t>(byte) : other++] = byte;
  }
  return bytes;
}();

// Appends the bytes that `text` (UTF-8) stands for; false if it holds other
// characters than those of the alphabet.
bool AppendBytes(std::string_view text, String* bytes) {
  for (size_t i = 0; i < text.size(); ++i) {
    size_t point = static_cast<unsigned char>(text[i]);
    if (point >= 0x80) {
      // All of the alphabet beyond ASCII takes two bytes.
      if (point >= 0xE0 || i + 1 == text.size()) return false;
      point = (point & 0x1F) << 6 | (static_cast<size_t>(text[++i]) & 0x3F);
    }
    if (point >= kAlphabetEnd || kByteOfCharacter[point] < 0) return false;
    *bytes += static_cast<char>(kByteOfCharacter[point]);
  }
  return true;
}

bool IsNothing(Json value) { return !value || value.IsNull(); }

bool IsText(Json value, std::string_view text) {
  return value.IsString() && value.text() == text;
}

bool IsFalseOrNothing(Json value) {
  return IsNothing(value) || value.Is(JsonType::kFalse);
}

class TokenizerReader {
 public:
  TokenizerReader(const char* name, TokenizerData* data)
      : name_(name), data_(data), scratch_(data->memory) {}

  Status Read(Json root) {
    if (!root.IsObject()) return Corrupt("%s is not a JSON object", name_);
    const Json model = root.Find("model");
    if (!model.IsObject()) return Missing("model");
    BALEEN_RETURN_IF_ERROR(CheckModel(model));
    BALEEN_RETURN_IF_ERROR(CheckNormalizer(root.Find("normalizer")));
    BALEEN_RETURN_IF_ERROR(CheckPreTokenizer(root.Find("pre_tokenizer")));
    BALEEN_RETURN_IF_ERROR(CheckByteLevel(root, "post_processor"));
    BALEEN_RETURN_IF_ERROR(CheckByteLevel(root, "decoder"));
    if (!root.Find("decoder")) return Missing("decoder");
    const Json added = root.Find("added_tokens");
    BALEEN_RETURN_IF_ERROR(ReadVocabulary(model.Find("vocab"), added));
    BALEEN_RETURN_IF_ERROR(ReadAddedTokens(added));
    BALEEN_RETURN_IF_ERROR(CheckNames());
    BALEEN_RETURN_IF_ERROR(CheckBytes());
    return ReadMerges(model.Find("merges"));
  }

 private:
  Status Missing(const char* key) const {
    return Corrupt("%s has no proper \"%s\"", name_, key);
  }

  Status CheckModel(Json model) const {
    const Json type = model.Find("type");
    if (!type.IsString()) return Missing("model.type");
    if (!IsText(type, "BPE")) {
      return Unsupported("%s has a model of type %.*s, not BPE", name_,
                         PrintLength(type.text()), type.text().data());
    }
    for (const char* key : {"dropout", "unk_token"}) {
      if (!IsNothing(model.Find(key))) return Option(key);
    }
    for (const char* key :
         {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const Json value = model.Find(key);
      if (!IsNothing(value) && !IsText(value, "")) return Option(key);
    }
    for (const char* key : {"fuse_unk", "byte_fallback", "ignore_merges"}) {
      if (!IsFalseOrNothing(model.Find(key))) return Option(key);
    }
    return Status();
  }

  Status Option(const char* key) const {
    return Unsupported("%s sets \"%s\" of its model, which is not supported",
                       name_, key);
  }

  Status CheckNormalizer(Json normalizer) const {
    if (IsNothing(normalizer)) return Status();
    const Json parts = normalizer.Find("normalizers");
    if (IsText(normalizer.Find("type"), "Sequence") && parts.IsArray() &&
        parts.size() == 0) {
      return Status();
    }
    return Unsupported("%s normalizes text, which is not supported", name_);
  }

  // Three splits, then bytes.
  static bool IsKnownStep(Json step, size_t number) {
    if (number == kPieceExpressions.size()) {
      return IsText(step.Find("type"), "ByteLevel") &&
             step.Find("add_prefix_space").Is(JsonType::kFalse) &&
             step.Find("use_regex").Is(JsonType::kFalse);
    }
    return IsText(step.Find("type"), "Split") &&
           IsText(step.Find("pattern").Find("Regex"),
                  kPieceExpressions[number]) &&
           IsText(step.Find("behavior"), "Isolated") &&
           step.Find("invert").Is(JsonType::kFalse);
  }

  Status CheckPreTokenizer(Json sequence) const {
    const Json steps = sequence.Find("pretokenizers");
    bool known = IsText(sequence.Find("type"), "Sequence") && steps.IsArray() &&
                 steps.size() == kPieceExpressions.size() + 1;
    size_t number = 0;
    for (auto it = steps.begin(); known && it != steps.end(); ++it) {
      known = IsKnownStep(*it, number);
      if (known) ++number;
    }
    if (known) return Status();
    return Unsupported(
        "%s has another \"pre_tokenizer\" than that of DeepSeek-V4 (step %zu)",
        name_, number);
  }

  Status CheckByteLevel(Json root, const char* key) const {
    const Json value = root.Find(key);
    if (IsNothing(value) || IsText(value.Find("type"), "ByteLevel")) {
      return Status();
    }
    return Unsupported("%s has a \"%s\" other than ByteLevel", name_, key);
  }

  // The id in `value`, or a Status that says which token's is none.
  Status ReadId(Json value, std::string_view token, baleen_token* id) const {
    int64_t number = -1;
    if (!value.GetInt64(&number) || number < 0 ||
        number >= static_cast<int64_t>(Vocabulary::kIdLimit)) {
      return Corrupt("%s gives token \"%.*s\" an id that is not below %zu",
                     name_, PrintLength(token), token.data(),
                     Vocabulary::kIdLimit);
    }
    *id = static_cast<baleen_token>(number);
    return Status();
  }

  Status CheckText(std::string_view token, baleen_token id) const {
    if (token.empty()) {
      return Corrupt("%s has an empty token, %d", name_, id);
    }
    if (token.size() > Vocabulary::kLengthLimit) {
      return Unsupported("%s has a token of %zu bytes, %d", name_, token.size(),
                         id);
    }
    return Status();
  }

  Status ReadVocabulary(Json tokens, Json added) {
    if (!tokens.IsObject()) return Missing("model.vocab");
    Vocabulary& vocabulary = data_->vocabulary;
    vocabulary.Reserve(size_t{tokens.size()} + added.size(),
                       tokens.source().size());
    for (auto it = tokens.begin(); it != tokens.end(); ++it) {
      const std::string_view text = (*it).text();
      ++it;
      baleen_token id = -1;
      BALEEN_RETURN_IF_ERROR(ReadId(*it, text, &id));
      BALEEN_RETURN_IF_ERROR(CheckText(text, id));
      if (vocabulary.Has(id, Vocabulary::kKnown)) {
        return Corrupt("%s gives two tokens the id %d", name_, id);
      }
      scratch_.clear();
      if (!AppendBytes(text, &scratch_)) {
        // A name, which must be among the added tokens: CheckNames.
        vocabulary.Add(id, text);
        continue;
      }
      vocabulary.Add(id, scratch_);
      if (!vocabulary.Index(id)) {
        return Corrupt("%s has token \"%.*s\" twice", name_, PrintLength(text),
                       text.data());
      }
    }
    return Status();
  }

  Status ReadAddedTokens(Json tokens) {
    if (IsNothing(tokens)) return Status();
    if (!tokens.IsArray()) return Missing("added_tokens");
    for (const Json token : tokens) {
      const Json content = token.Find("content");
      if (!content.IsString()) return Missing("added_tokens[].content");
      const std::string_view text = content.text();
      baleen_token id = -1;
      BALEEN_RETURN_IF_ERROR(ReadId(token.Find("id"), text, &id));
      BALEEN_RETURN_IF_ERROR(CheckText(text, id));
      for (const char* key : {"single_word", "lstrip", "rstrip"}) {
        if (IsFalseOrNothing(token.Find(key))) continue;
        return Unsupported("%s sets \"%s\" of token \"%.*s\"", name_, key,
                           PrintLength(text), text.data());
      }
      Vocabulary& vocabulary = data_->vocabulary;
      if (!vocabulary.Has(id, Vocabulary::kKnown)) {
        vocabulary.Add(id, text);
      } else if (vocabulary.Has(id, Vocabulary::kAdded) ||
                 vocabulary.bytes(id) != text) {
        return Corrupt("%s gives two tokens the id %d", name_, id);
      }
      bool special = false;
      token.Find("special").GetBool(&special);
      vocabulary.AddFlags(id, special
                                  ? Vocabulary::kAdded | Vocabulary::kSpecial
                                  : Vocabulary::kAdded);
    }
    std::string_view twice;
    if (!data_->added.Build(&data_->vocabulary, &twice)) {
      return Corrupt("%s has the added token \"%.*s\" twice", name_,
                     PrintLength(twice), twice.data());
    }
    return Status();
  }

  // Merging makes tokens of bytes only, so others must be reached by name.
  Status CheckNames() const {
    const Vocabulary& vocabulary = data_->vocabulary;
    for (baleen_token id = 0; id < vocabulary.size(); ++id) {
      if (!vocabulary.Has(id, Vocabulary::kKnown) ||
          vocabulary.Has(id, Vocabulary::kAdded | Vocabulary::kIndexed)) {
        continue;
      }
      const std::string_view text = vocabulary.bytes(id);
      return Unsupported("%s has token \"%.*s\", which is not of bytes", name_,
                         PrintLength(text), text.data());
    }
    return Status();
  }

  Status CheckBytes() {
    for (int i = 0; i < 256; ++i) {
      const char byte = static_cast<char>(i);
      const baleen_token id =
          data_->vocabulary.Find(std::string_view(&byte, 1));
      if (id < 0) return Corrupt("%s has no token for byte %d", name_, i);
      data_->bpe.SetByte(static_cast<unsigned char>(i), id);
    }
    return Status();
  }

  // Both ways of writing a merge, "a b" and ["a", "b"]: its two texts.
  static bool Halves(Json merge, std::string_view* left,
                     std::string_view* right) {
    if (merge.IsString()) {
      const std::string_view text = merge.text();
      const size_t space = text.find(' ');
      if (space == std::string_view::npos) return false;
      *left = text.substr(0, space);
      *right = text.substr(space + 1);
      return true;
    }
    if (!merge.IsArray() || merge.size() != 2) return false;
    const Json first = *merge.begin();
    *left = first.text();
    *right = first.Next().text();
    return first.IsString() && first.Next().IsString();
  }

  // The token of these bytes.  Training numbers tokens in the order of their
  // merges, so the guess nearly always saves a search through cold memory.
  baleen_token FindMerged(std::string_view bytes) {
    const Vocabulary& vocabulary = data_->vocabulary;
    const baleen_token guess = last_merged_ + 1;
    last_merged_ = vocabulary.Has(guess, Vocabulary::kIndexed) &&
                           vocabulary.bytes(guess) == bytes
                       ? guess
                       : vocabulary.Find(bytes);
    return last_merged_;
  }

  Status ReadMerges(Json merges) {
    if (!merges.IsArray()) return Missing("model.merges");
    if (merges.size() > Bpe::kMergeLimit) {
      return Unsupported("%s has %u merges, more than %zu", name_,
                         merges.size(), Bpe::kMergeLimit);
    }
    data_->bpe.Reserve(merges.size());
    const Vocabulary& vocabulary = data_->vocabulary;
    uint32_t number = 0;
    for (const Json merge : merges) {
      std::string_view left;
      std::string_view right;
      scratch_.clear();
      if (!Halves(merge, &left, &right) || left.empty() || right.empty()) {
        return Corrupt("%s: merge %u is not a pair of tokens", name_, number);
      }
      const bool left_known = AppendBytes(left, &scratch_);
      const size_t middle = scratch_.size();
      const bool known = left_known && AppendBytes(right, &scratch_);
      const std::string_view both = scratch_;
      const baleen_token tokens[3] = {
          known ? vocabulary.Find(both.substr(0, middle)) : -1,
          known ? vocabulary.Find(both.substr(middle)) : -1,
          known ? FindMerged(both) : -1};
      if (tokens[0] < 0 || tokens[1] < 0 || tokens[2] < 0) {
        return Corrupt(
            "%s: merge %u names an unknown token (\"%.*s\", \"%.*s\")", name_,
            number, PrintLength(left), left.data(), PrintLength(right),
            right.data());
      }
      data_->bpe.AddMerge(tokens[0], tokens[1], tokens[2]);
      ++number;
    }
    data_->bpe.MarkWhole(&data_->vocabulary, data_->memory);
    return Status();
  }

  const char* name_;
  TokenizerData* data_;
  String scratch_;
  baleen_token last_merged_ = -1;
};

}  // namespace

Status ReadTokenizerFile(std::string_view json, const char* name,
                         TokenizerData* data) {
  BALEEN_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse(json, name, data->memory));
  return TokenizerReader(name, data).Read(document.root());
}

}  // namespace baleen
