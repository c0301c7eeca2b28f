// JSON as a read-only tree, for configurations, tokenizers, checkpoint headers
// and tool calls.
//
// Ours rather than nlohmann-json's (which the tests use as an oracle) for four
// reasons: memory comes from the host's allocator, numbers keep the text they
// were written with (a big integer survives a round trip), no exceptions, and
// the official tokenizer's 6.4 MB take 15 ms, not 130.
//
// The document is one array of nodes in the order of the text; a Json is a
// place in it.  Strings without escapes are views of the text, so the text must
// outlive the document.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/memory.h"
#include "base/status.h"

namespace baleen {

enum class JsonType : uint8_t {
  kNull,
  kFalse,
  kTrue,
  kNumber,
  kString,
  kArray,
  kObject
};

class JsonDocument;

// A value of a document, or nothing (a missing member).
class Json {
 public:
  Json() = default;

  explicit operator bool() const { return document_ != nullptr; }
  JsonType type() const;  // REQUIRES: not nothing
  bool Is(JsonType type) const { return *this && this->type() == type; }
  bool IsNull() const { return Is(JsonType::kNull); }
  bool IsBool() const { return Is(JsonType::kFalse) || Is(JsonType::kTrue); }
  bool IsNumber() const { return Is(JsonType::kNumber); }
  bool IsString() const { return Is(JsonType::kString); }
  bool IsArray() const { return Is(JsonType::kArray); }
  bool IsObject() const { return Is(JsonType::kObject); }

  // Of a string: its characters.  Of a number: as it was written.
  std::string_view text() const;
  // The whole value as it stands in the text.
  std::string_view source() const;

  // Numbers.  False, and *value untouched, if this is none or does not fit.
  bool GetInt64(int64_t* value) const;
  bool GetUint64(uint64_t* value) const;
  bool GetDouble(double* value) const;
  bool GetBool(bool* value) const;

  // Of an array or object: how many elements or members.
  uint32_t size() const;

  // The member with this key; of several, the last.  Nothing if there is none
  // or this is not an object.  Linear.
  Json Find(std::string_view key) const;

  // Elements of an array; keys and values, alternating, of an object.
  class Iterator {
   public:
    Iterator(const JsonDocument* document, uint32_t node)
        : document_(document), node_(node) {}
    Json operator*() const { return Json(document_, node_); }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const {
      return node_ != other.node_;
    }

   private:
    const JsonDocument* document_;
    uint32_t node_;
  };
  Iterator begin() const;
  Iterator end() const;

  // The value right behind this one: of a key, its value.
  Json Next() const;

 private:
  friend class JsonDocument;
  Json(const JsonDocument* document, uint32_t node)
      : document_(document), node_(node) {}

  const JsonDocument* document_ = nullptr;
  uint32_t node_ = 0;
};

class JsonDocument {
 public:
  static constexpr uint32_t kDepthLimit = 128;

  // `name` is what messages call the text.  Strict JSON (RFC 8259), valid UTF-8
  // required; with `python`, also the NaN and Infinity that Python writes.
  static Result<JsonDocument> Parse(std::string_view text, const char* name,
                                    Memory* memory, bool python = false);

  Json root() const { return Json(this, 0); }

 private:
  friend class Json;
  friend class JsonParser;
  struct Node {
    JsonType type;
    bool decoded;    // The string's characters lie in `decoded_`.
    uint32_t count;  // Children: elements, or keys and values.
    uint32_t end;    // The node behind this one and all inside it.
    uint32_t begin;  // The value in the text, with its quotes.
    uint32_t stop;
    uint32_t offset;  // Of its characters, and how many.
    uint32_t length;
  };
  explicit JsonDocument(Memory* memory) : nodes_(memory), decoded_(memory) {}

  std::string_view text_;
  Vector<Node> nodes_;
  String decoded_;
};

}  // namespace baleen
