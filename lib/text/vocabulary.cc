#include "text/vocabulary.h"

#include <bit>
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
  const size_t slot_count = std::bit_ceil(2 * count + 2);
  slots_.resize(slot_count);
  slot_shift_ = 64 - std::countr_zero(slot_count);
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

// The slot of the token with these bytes, or the free one where it would be.
size_t Vocabulary::FindSlot(std::string_view text, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t place = hash >> slot_shift_;
  for (;;) {
    const Slot& slot = slots_[place];
    if (slot.id < 0) return place;
    if (slot.tag == static_cast<uint32_t>(hash) && bytes(slot.id) == text) {
      return place;
    }
    place = (place + 1) & mask;
  }
}

bool Vocabulary::Index(baleen_token id) {
  const std::string_view text = bytes(id);
  const uint64_t hash = Hash(text);
  Slot& slot = slots_[FindSlot(text, hash)];
  if (slot.id >= 0) return false;
  slot = {static_cast<uint32_t>(hash), id};
  AddFlags(id, kIndexed);
  return true;
}

baleen_token Vocabulary::Find(std::string_view text) const {
  return slots_[FindSlot(text, Hash(text))].id;
}

}  // namespace baleen
