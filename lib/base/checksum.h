// XXH64, the checksum of saved states and packed files: 64 bits, several
// gigabytes a second without special instructions, and a published algorithm, so
// that other programs can check our files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baleen {

// Of bytes that come in pieces.  Any cut into pieces gives the same value.
class Checksum {
 public:
  Checksum();
  void Add(const void* data, size_t size);
  uint64_t Value() const;

 private:
  static constexpr size_t kStripe = 32;

  uint64_t lanes_[4];
  uint64_t total_ = 0;
  unsigned char rest_[kStripe];
  size_t rest_size_ = 0;
};

uint64_t ChecksumOf(const void* data, size_t size);

}  // namespace baleen
