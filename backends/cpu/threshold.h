// Finds how far down a list must be taken, from the highest score on, to get a
// wanted amount: of entries, or of probability.
//
// Scores become integers of the same order, and three passes count them by
// digits of 11, 11 and 10 bits, the later ones only those that share the digits
// found so far.  So the time is proportional to the scores, whatever they are,
// and no memory is needed besides the counts.  A heap would be fewer lines, but
// at a million positions there are 262,144 scores and 512 to keep.
#pragma once

#include <cstdint>

#include "numeric/e8m0.h"

namespace baleen::cpu {

// Larger where the score is; NaN is the lowest, zeros are equal whatever their
// sign.
inline uint32_t ScoreOrder(float score) {
  if (score != score) return 0;
  const uint32_t bits = BitsOfFloat(score + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

template <typename Amount>
struct Threshold {
  uint32_t order;  // Of the last score that is taken: all higher ones are.
  Amount rest;     // What must come from those equal to it.
};

// `order_at(i)` and `amount_at(i)` for i in [0, count).  If all of them are less
// than wanted, all are taken.
template <typename Amount, typename OrderAt, typename AmountAt>
Threshold<Amount> FindThreshold(int64_t count, Amount wanted,
                                const OrderAt& order_at,
                                const AmountAt& amount_at) {
  struct Digit {
    int shift;
    int bits;
  };
  constexpr Digit kDigits[] = {{21, 11}, {10, 11}, {0, 10}};
  uint32_t prefix = 0;
  uint32_t prefix_mask = 0;
  for (const Digit& digit : kDigits) {
    const uint32_t mask = (1u << digit.bits) - 1;
    Amount amounts[1 << 11] = {};
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t order = order_at(i);
      if ((order & prefix_mask) == prefix) {
        amounts[(order >> digit.shift) & mask] += amount_at(i);
      }
    }
    uint32_t bucket = mask;
    while (bucket > 0 && amounts[bucket] < wanted) wanted -= amounts[bucket--];
    prefix |= bucket << digit.shift;
    prefix_mask |= mask << digit.shift;
  }
  return {prefix, wanted};
}

}  // namespace baleen::cpu
