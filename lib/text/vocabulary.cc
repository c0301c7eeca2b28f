// The hash of a piece, which is most of what looking one up costs, and the rest
// of the vocabulary.
#include "text/vocabulary.h"

#include <cstring>

namespace baleen {
namespace {

// Odd constants without structure (from the golden ratio and from pi).
constexpr uint64_t kFirstFactor = 0x9E3779B97F4A7C15;
constexpr uint64_t kSecondFactor = 0x243F6A8885A308D3;

template <typename Integer>
uint64_t Load(const char* from) {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

uint64_t Mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * kFirstFactor;
  return hash ^ hash >> 32;
}

// Reads words that may overlap, so that no length needs a loop over bytes.
uint64_t Hash(std::string_view bytes) {
  const char* data = bytes.data();
  const size_t size = bytes.size();
  uint64_t hash = size * kSecondFactor;
  if (size >= 8) {
    for (size_t i = 0; i + 8 < size; i += 8) {
      hash = Mix(hash, Load<uint64_t>(data + i));
    }
    hash = Mix(hash, Load<uint64_t>(data + size - 8));
  } else if (size >= 4) {
    hash =
        Mix(hash, Load<uint32_t>(data) | Load<uint32_t>(data + size - 4) << 32);
  } else if (size > 0) {
    hash = Mix(hash, Load<uint8_t>(data) | Load<uint8_t>(data + size / 2) << 8 |
                         Load<uint8_t>(data + size - 1) << 16);
  }
  return hash * kSecondFactor;
}

}  // namespace

void Vocabulary::Reserve(size_t count, size_t byte_count) {
  ids_.Reserve(count);
  tokens_.reserve(count);
  bytes_.reserve(byte_count);
}

void Vocabulary::Add(baleen_token id, std::string_view bytes) {
  const auto index = static_cast<size_t>(id);
  if (index >= tokens_.size()) tokens_.resize(index + 1);
  Token& token = tokens_[index];
  token.offset = static_cast<uint32_t>(bytes_.size());
  token.length = static_cast<uint16_t>(bytes.size());
  token.flags = kKnown;
  bytes_.append(bytes);
}

bool Vocabulary::Index(baleen_token id) {
  const std::string_view text = bytes(id);
  if (Find(text) >= 0) return false;
  ids_.Put(Hash(text), static_cast<uint32_t>(id),
           [](uint32_t) { return false; });
  AddFlags(id, kIndexed);
  return true;
}

baleen_token Vocabulary::Find(std::string_view text) const {
  return ids_.Find(Hash(text), [&](uint32_t id) {
    return bytes(static_cast<baleen_token>(id)) == text;
  });
}

}  // namespace baleen
