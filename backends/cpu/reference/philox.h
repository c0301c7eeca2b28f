// Philox4x32-10, a counter-based random number generator (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// A generator without state: the number for a seed and a position is the same
// whatever was drawn before, on every device.
#pragma once

#include <array>
#include <cstdint>

namespace baleen::cpu {

inline std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter,
                                      std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53u;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57u;
  constexpr uint32_t kWeyl0 = 0x9E3779B9u;
  constexpr uint32_t kWeyl1 = 0xBB67AE85u;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// The two numbers in [0, 1) of a row: to choose a token, and to accept a draft.
struct RowUniforms {
  double choice;
  double acceptance;
};

// Streams are for different purposes at one position.
inline RowUniforms UniformsAt(uint64_t seed, uint64_t position,
                              uint32_t stream) {
  const std::array<uint32_t, 4> words =
      Philox({static_cast<uint32_t>(position),
              static_cast<uint32_t>(position >> 32), stream, 0},
             {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  // 53 bits, as many as a double in [0.5, 1) has.
  const auto uniform = [](uint32_t high, uint32_t low) {
    const uint64_t bits = (static_cast<uint64_t>(high) << 32 | low) >> 11;
    return static_cast<double>(bits) * 0x1p-53;
  };
  return {uniform(words[0], words[1]), uniform(words[2], words[3])};
}

}  // namespace baleen::cpu
