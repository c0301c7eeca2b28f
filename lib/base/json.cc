#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/utf8.h"

namespace baleen {
namespace {

// The room made before reading: a node for 16 bytes, as the official tokenizer
// has, and no more than 32 MB.
constexpr size_t kBytesOfANode = 16;
constexpr size_t kMostNodesAtOnce = size_t{1} << 20;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

// Goes through the text once.  Open arrays and objects lie on a stack of fixed
// depth, so that no text, however nested, can exhaust the thread's.
class JsonParser {
 public:
  JsonParser(JsonDocument* document, const char* name, bool python)
      : document_(document),
        name_(name),
        python_(python),
        begin_(document->text_.data()),
        at_(begin_),
        end_(begin_ + document->text_.size()) {}

  Status Parse() {
    for (;;) {
      SkipSpace();
      BALEEN_RETURN_IF_ERROR(Value());
      bool done = false;
      BALEEN_RETURN_IF_ERROR(AfterValue(&done));
      if (done) return Status();
    }
  }

 private:
  using Node = JsonDocument::Node;

  Status Fail(const char* what) const {
    size_t line = 1;
    const char* start = begin_;
    for (const char* c = begin_; c < at_; ++c) {
      if (*c == '\n') {
        ++line;
        start = c + 1;
      }
    }
    return Corrupt("%s is not valid JSON: %s at line %zu, column %zu", name_,
                   what, line, static_cast<size_t>(at_ - start) + 1);
  }

  void SkipSpace() {
    while (at_ < end_ &&
           (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) {
      ++at_;
    }
  }

  bool Take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  uint32_t Offset(const char* place) const {
    return static_cast<uint32_t>(place - begin_);
  }

  // Adds a node; those of one parent are counted there.
  Node& Add(JsonType type, const char* begin) {
    Node node = {};
    node.type = type;
    node.begin = Offset(begin);
    document_->nodes_.push_back(node);
    if (depth_ > 0) ++document_->nodes_[open_[depth_ - 1]].count;
    return document_->nodes_.back();
  }

  void Close(Node& node) {
    node.end = static_cast<uint32_t>(document_->nodes_.size());
    node.stop = Offset(at_);
  }

  Status Value() {
    // Objects and arrays open until there is a value that stands by itself.
    for (;;) {
      if (at_ == end_) return Fail("the text ends where a value should be");
      const char* begin = at_;
      if (*at_ == '{' || *at_ == '[') {
        const bool object = *at_ == '{';
        if (depth_ == JsonDocument::kDepthLimit) {
          return Fail("values nested too deeply");
        }
        const auto node = static_cast<uint32_t>(document_->nodes_.size());
        Add(object ? JsonType::kObject : JsonType::kArray, begin);
        open_[depth_++] = node;
        ++at_;
        SkipSpace();
        if (Take(object ? '}' : ']')) {
          Close(document_->nodes_[open_[--depth_]]);
          return Status();
        }
        if (object) BALEEN_RETURN_IF_ERROR(Key());
        continue;
      }
      if (*at_ == '"') return StringValue();
      if (IsDigit(*at_) || *at_ == '-') return Number();
      if (TakeWord("null")) return Word(JsonType::kNull, begin);
      if (TakeWord("true")) return Word(JsonType::kTrue, begin);
      if (TakeWord("false")) return Word(JsonType::kFalse, begin);
      if (python_ && (TakeWord("NaN") || TakeWord("Infinity"))) {
        return NumberFrom(begin);
      }
      return Fail("no value");
    }
  }

  // Separators and closing brackets until the next value.
  Status AfterValue(bool* done) {
    for (;;) {
      SkipSpace();
      if (depth_ == 0) {
        if (at_ != end_) return Fail("more text after the value");
        *done = true;
        return Status();
      }
      Node& parent = document_->nodes_[open_[depth_ - 1]];
      const bool object = parent.type == JsonType::kObject;
      if (Take(object ? '}' : ']')) {
        Close(parent);
        --depth_;
        continue;
      }
      if (!Take(',')) return Fail("no comma and no end");
      SkipSpace();
      return object ? Key() : Status();
    }
  }

  Status Key() {
    if (at_ == end_ || *at_ != '"') return Fail("no key");
    BALEEN_RETURN_IF_ERROR(StringValue());
    SkipSpace();
    if (!Take(':')) return Fail("no colon after a key");
    SkipSpace();
    return Status();
  }

  bool TakeWord(std::string_view word) {
    if (std::string_view(at_, static_cast<size_t>(end_ - at_))
            .substr(0, word.size()) != word) {
      return false;
    }
    at_ += word.size();
    return true;
  }

  Status Word(JsonType type, const char* begin) {
    Close(Add(type, begin));
    return Status();
  }

  Status NumberFrom(const char* begin) {
    Node& node = Add(JsonType::kNumber, begin);
    node.offset = node.begin;
    node.length = static_cast<uint32_t>(at_ - begin);
    Close(node);
    return Status();
  }

  bool Digits() {
    if (at_ == end_ || !IsDigit(*at_)) return false;
    while (at_ < end_ && IsDigit(*at_)) ++at_;
    return true;
  }

  Status Number() {
    const char* begin = at_;
    Take('-');
    if (python_ && TakeWord("Infinity")) return NumberFrom(begin);
    if (!Take('0') && !Digits()) return Fail("no digit");
    if (Take('.') && !Digits()) return Fail("no digit after the point");
    if (Take('e') || Take('E')) {
      if (!Take('-')) Take('+');
      if (!Digits()) return Fail("no digit in the exponent");
    }
    return NumberFrom(begin);
  }

  Status StringValue() {
    const char* quote = at_++;
    const char* first = at_;
    bool decoded = false;
    const size_t start = document_->decoded_.size();
    for (;;) {
      const char* run = at_;
      while (at_ < end_ && *at_ != '"' && *at_ != '\\') {
        const auto byte = static_cast<unsigned char>(*at_);
        if (byte < 0x20) return Fail("a control character in a string");
        size_t length = 1;
        if (byte >= 0x80 && ReadUtf8(at_, end_, &length) != Utf8::kCharacter) {
          return Fail("a string that is not UTF-8");
        }
        at_ += length;
      }
      if (at_ == end_) return Fail("a string without an end");
      if (*at_ == '\\' && !decoded) {
        decoded = true;
        document_->decoded_.append(first, at_);
      } else if (decoded) {
        document_->decoded_.append(run, at_);
      }
      if (*at_ == '"') break;
      BALEEN_RETURN_IF_ERROR(Escape());
    }
    const char* last = at_++;
    Node& node = Add(JsonType::kString, quote);
    node.decoded = decoded;
    node.offset = decoded ? static_cast<uint32_t>(start) : Offset(first);
    node.length =
        decoded ? static_cast<uint32_t>(document_->decoded_.size() - start)
                : static_cast<uint32_t>(last - first);
    Close(node);
    return Status();
  }

  bool Hex4(uint32_t* value) {
    if (end_ - at_ < 4) return false;
    const auto result = std::from_chars(at_, at_ + 4, *value, 16);
    if (result.ptr != at_ + 4) return false;
    at_ += 4;
    return true;
  }

  Status Escape() {
    ++at_;
    if (at_ == end_) return Fail("a string without an end");
    String* out = &document_->decoded_;
    switch (*at_++) {
      case '"':
        *out += '"';
        return Status();
      case '\\':
        *out += '\\';
        return Status();
      case '/':
        *out += '/';
        return Status();
      case 'b':
        *out += '\b';
        return Status();
      case 'f':
        *out += '\f';
        return Status();
      case 'n':
        *out += '\n';
        return Status();
      case 'r':
        *out += '\r';
        return Status();
      case 't':
        *out += '\t';
        return Status();
      case 'u':
        break;
      default:
        return Fail("an unknown escape");
    }
    uint32_t point = 0;
    if (!Hex4(&point)) return Fail("a \\u without four digits");
    if (point >= 0xDC00 && point < 0xE000) return Fail("half a surrogate pair");
    if (point >= 0xD800 && point < 0xDC00) {
      uint32_t low = 0;
      if (!Take('\\') || !Take('u') || !Hex4(&low) || low < 0xDC00 ||
          low >= 0xE000) {
        return Fail("half a surrogate pair");
      }
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    }
    AppendUtf8(point, out);
    return Status();
  }

  JsonDocument* document_;
  const char* name_;
  bool python_;
  const char* begin_;
  const char* at_;
  const char* end_;
  uint32_t depth_ = 0;
  uint32_t open_[JsonDocument::kDepthLimit];
};

Result<JsonDocument> JsonDocument::Parse(std::string_view text,
                                         const char* name, Memory* memory,
                                         bool python) {
  if (text.size() >= std::numeric_limits<uint32_t>::max()) {
    return Corrupt("%s is too large for JSON", name);
  }
  JsonDocument document(memory);
  document.text_ = text;
  // Growing from nothing would move the nodes of a large text twice over.
  document.nodes_.reserve(
      std::min(text.size() / kBytesOfANode + 1, kMostNodesAtOnce));
  BALEEN_RETURN_IF_ERROR(JsonParser(&document, name, python).Parse());
  return document;
}

JsonType Json::type() const { return document_->nodes_[node_].type; }

std::string_view Json::text() const {
  if (document_ == nullptr) return {};
  const JsonDocument::Node& node = document_->nodes_[node_];
  const std::string_view from =
      node.decoded ? std::string_view(document_->decoded_) : document_->text_;
  return from.substr(node.offset, node.length);
}

std::string_view Json::source() const {
  if (document_ == nullptr) return {};
  const JsonDocument::Node& node = document_->nodes_[node_];
  return document_->text_.substr(node.begin, node.stop - node.begin);
}

namespace {

template <typename Integer>
bool GetInteger(std::string_view text, Integer* value) {
  Integer parsed = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, parsed);
  if (result.ec != std::errc() || result.ptr != end) return false;
  *value = parsed;
  return true;
}

}  // namespace

bool Json::GetInt64(int64_t* value) const {
  return IsNumber() && GetInteger(text(), value);
}

bool Json::GetUint64(uint64_t* value) const {
  return IsNumber() && GetInteger(text(), value);
}

namespace {

// Whether a number that is no double is so for being too large, not too small:
// the decimal place of its first digit other than 0 says so.
bool IsLarge(std::string_view number) {
  int64_t place = 0;
  bool fraction = false;
  bool found = false;
  size_t i = 0;
  for (; i < number.size() && (number[i] | 0x20) != 'e'; ++i) {
    if (number[i] == '.') fraction = true;
    if (!IsDigit(number[i])) continue;
    found = found || number[i] != '0';
    if (found && !fraction) ++place;
    if (!found && fraction) --place;
  }
  if (i == number.size()) return place > 0;
  ++i;
  if (number[i] == '+') ++i;
  int64_t exponent = 0;
  const std::string_view text = number.substr(i);
  if (!GetInteger(text, &exponent)) return text.front() != '-';
  return exponent > -place;
}

}  // namespace

bool Json::GetDouble(double* value) const {
  if (!IsNumber()) return false;
  const std::string_view number = text();
  const char* end = number.data() + number.size();
  double parsed = 0;
  const auto result = std::from_chars(number.data(), end, parsed);
  if (result.ptr != end) return false;
  if (result.ec == std::errc::result_out_of_range) {
    parsed = IsLarge(number) ? HUGE_VAL : 0.0;
    if (number.front() == '-') parsed = -parsed;
  } else if (result.ec != std::errc()) {
    return false;
  }
  *value = parsed;
  return true;
}

bool Json::GetBool(bool* value) const {
  if (!IsBool()) return false;
  *value = type() == JsonType::kTrue;
  return true;
}

uint32_t Json::size() const {
  if (document_ == nullptr) return 0;
  const JsonDocument::Node& node = document_->nodes_[node_];
  return node.type == JsonType::kObject ? node.count / 2 : node.count;
}

Json Json::Find(std::string_view key) const {
  Json found;
  if (!IsObject()) return found;
  for (auto it = begin(); it != end(); ++it) {
    const Json name = *it;
    ++it;
    if (name.text() == key) found = *it;
  }
  return found;
}

Json::Iterator& Json::Iterator::operator++() {
  node_ = document_->nodes_[node_].end;
  return *this;
}

Json::Iterator Json::begin() const {
  const bool inside = IsArray() || IsObject();
  return Iterator(document_, inside ? node_ + 1 : node_);
}

Json::Iterator Json::end() const {
  const bool inside = IsArray() || IsObject();
  return Iterator(document_, inside ? document_->nodes_[node_].end : node_);
}

Json Json::Next() const {
  return Json(document_, document_->nodes_[node_].end);
}

}  // namespace baleen
