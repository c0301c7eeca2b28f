#include "base/checksum.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace baleen {
namespace {

static_assert(std::endian::native == std::endian::little,
              "files are little-endian; a big-endian host would need swaps");

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87u;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Fu;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9u;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63u;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5u;

template <typename T>
T Read(const unsigned char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

uint64_t Round(uint64_t lane, uint64_t input) {
  return std::rotl(lane + input * kPrime2, 31) * kPrime1;
}

uint64_t Merge(uint64_t hash, uint64_t lane) {
  return (hash ^ Round(0, lane)) * kPrime1 + kPrime4;
}

}  // namespace

Checksum::Checksum() : lanes_{kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1} {}

void Checksum::Add(const void* data, size_t size) {
  const auto* in = static_cast<const unsigned char*>(data);
  total_ += size;
  const auto stripe = [this](const unsigned char* from) {
    for (size_t i = 0; i < 4; ++i) {
      lanes_[i] = Round(lanes_[i], Read<uint64_t>(from + 8 * i));
    }
  };
  if (rest_size_ > 0) {
    const size_t taken = std::min(size, kStripe - rest_size_);
    std::memcpy(rest_ + rest_size_, in, taken);
    rest_size_ += taken;
    in += taken;
    size -= taken;
    if (rest_size_ < kStripe) return;
    stripe(rest_);
    rest_size_ = 0;
  }
  for (; size >= kStripe; in += kStripe, size -= kStripe) stripe(in);
  if (size > 0) std::memcpy(rest_, in, size);
  rest_size_ = size;
}

uint64_t Checksum::Value() const {
  uint64_t hash = kPrime5;
  if (total_ >= kStripe) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) +
           std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
    for (const uint64_t lane : lanes_) hash = Merge(hash, lane);
  }
  hash += total_;
  const unsigned char* in = rest_;
  size_t size = rest_size_;
  for (; size >= 8; in += 8, size -= 8) {
    hash ^= Round(0, Read<uint64_t>(in));
    hash = std::rotl(hash, 27) * kPrime1 + kPrime4;
  }
  if (size >= 4) {
    hash ^= Read<uint32_t>(in) * kPrime1;
    hash = std::rotl(hash, 23) * kPrime2 + kPrime3;
    in += 4;
    size -= 4;
  }
  for (; size > 0; ++in, --size) {
    hash ^= *in * kPrime5;
    hash = std::rotl(hash, 11) * kPrime1;
  }
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

uint64_t ChecksumOf(const void* data, size_t size) {
  Checksum checksum;
  checksum.Add(data, size);
  return checksum.Value();
}

}  // namespace baleen
