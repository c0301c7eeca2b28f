// How many tokens to guess ahead: as many as bring the most tokens a second, by
// what guessing, verifying and being wrong turned out to cost.
//
// With k guesses a pass of k + 1 rows brings 1 + a_1 + a_1 a_2 + ... tokens,
// where a_i is how often the i-th guess is right after those before it.  Both
// are averages of the last dozen steps or so.  A session begins with one guess,
// and makes twice as many where all come true.  Where no guess pays, one is
// still made now and then, ever less often: 1 step in 256 at the least.  If it
// comes true the next step makes one, too, so that a text that becomes
// predictable is noticed soon.
//
// What guesses cost is held against what they brought.  Once they have lost the
// time of a token, and of 1.25 % of all tokens, none is made that might lose
// more, whatever it promises: so no text is written much slower than without.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace baleen {

// Most guesses of a step: as many as a state undoes without computing again.
inline constexpr size_t kMostGuesses = 8;

// Seconds of a pass by its rows.
class PassTimes {
 public:
  void Learn(size_t rows, double seconds);
  // Of rows that were never seen, a guess from the closest.  0: knows nothing.
  double Of(size_t rows) const;

 private:
  std::array<double, kMostGuesses + 2> seconds_ = {};
};

class DraftPace {
 public:
  // `one_by_one`: each guess takes its time; else all take one together.
  explicit DraftPace(bool one_by_one);

  // For the next step.  At most `limit`.  `times` knows what a row alone costs.
  size_t Choose(const PassTimes& times, size_t limit);
  // What became of `guessed` tokens, which took so long to guess; 0: that is not
  // known.
  void Learn(const PassTimes& times, size_t guessed, size_t accepted,
             double seconds);
  // For how many more steps nothing will be guessed, as it looked when Choose was
  // last asked.
  uint32_t rest() const { return rest_; }

 private:
  // Steps that so many guesses take more than they bring if none comes true.
  double Cost(const PassTimes& times, size_t guesses) const;
  // Steps until so much may be lost.
  double StepsUntil(double cost) const;
  // Tokens a second with so many guesses.
  double Speed(const PassTimes& times, size_t guesses) const;
  // How often a guess's time is taken for so many.
  double Shares(size_t guesses) const {
    return one_by_one_ || guesses == 0 ? static_cast<double>(guesses) : 1;
  }

  bool one_by_one_;
  std::array<double, kMostGuesses> kept_;
  std::array<uint32_t, kMostGuesses> seen_ = {};  // How many each is made of.
  size_t reach_ = 1;  // Guesses that were worth a try.
  double guess_seconds_ = 0;
  uint32_t pause_;  // Steps without guesses before the next trial.
  uint32_t paused_ = 0;
  uint32_t rest_ = 0;
  // In steps without guesses: how many more all guesses took than they brought,
  // and tokens so far.
  double lost_ = 0;
  double tokens_ = 0;
};

}  // namespace baleen
