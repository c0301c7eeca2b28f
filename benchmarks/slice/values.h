// Random numbers as weights and states store them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace baleen::slice {

// 64 random bits at a time (Steele, Lea and Flood's SplitMix64): any seed will
// do, so each part of a tensor has its own and can be made by any thread.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// A distribution as a table of its quantiles, equally likely: an element costs
// one look-up, 1.5 GB a second on one thread, where converting normal numbers
// would take minutes for a slice.
class ValueTable {
 public:
  static constexpr size_t kSize = 4096;

  // Normal numbers.
  static ValueTable F32(double mean, double deviation);
  static ValueTable Bf16(double mean, double deviation);
  static ValueTable Fp8(double deviation);
  static ValueTable Fp4(double deviation);  // Two in a byte.
  // E8M0: raised[i] of all are 2^(exponent + 1 + i), the rest 2^exponent.
  static ValueTable Scales(int exponent, std::span<const double> raised);

  // REQUIRES: size is a multiple of the element's
  void Fill(uint64_t seed, size_t size, unsigned char* out) const;

 private:
  template <typename Element>
  explicit ValueTable(const std::vector<Element>& elements);
  template <typename Element>
  void FillElements(uint64_t seed, size_t count, unsigned char* out) const;

  size_t element_size_;
  std::vector<unsigned char> bytes_;
};

// Fills [rows, columns] with numbers below `limit`, those of a row distinct:
// the experts of hash-routed tokens.  REQUIRES: columns <= limit
void FillDistinct(uint64_t seed, int64_t rows, int64_t columns, int64_t limit,
                  int64_t* out);

}  // namespace baleen::slice
