// How many tokens are guessed ahead, by costs and luck that are given here.
#include "session/draft_pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace baleen {
namespace {

// Passes that cost `one` for a row and `more` for each further one.
PassTimes Times(double one, double more) {
  PassTimes times;
  for (size_t rows = 1; rows <= kMostGuesses + 1; ++rows) {
    times.Learn(rows, one + more * static_cast<double>(rows - 1));
  }
  return times;
}

// Steps of a session whose first `right` guesses of each step come true and
// whose guesses cost `seconds` each; returns the guesses of all steps.
size_t Steps(DraftPace* pace, const PassTimes& times, int steps, size_t right,
             double seconds = 0) {
  size_t guesses = 0;
  for (int i = 0; i < steps; ++i) {
    const size_t count = pace->Choose(times, kMostGuesses);
    pace->Learn(times, count, std::min(count, right),
                seconds * static_cast<double>(count));
    guesses += count;
  }
  return guesses;
}

TEST(PassTimesTest, KnowsNothingAtFirst) {
  EXPECT_EQ(PassTimes().Of(1), 0);
  EXPECT_EQ(PassTimes().Of(5), 0);
}

TEST(PassTimesTest, FollowsAChangeAndIsNotMovedByOneSlowPass) {
  PassTimes times;
  for (int i = 0; i < 20; ++i) times.Learn(1, 1);
  EXPECT_DOUBLE_EQ(times.Of(1), 1);
  times.Learn(1, 100);
  EXPECT_LT(times.Of(1), 1.2);
  for (int i = 0; i < 100; ++i) times.Learn(1, 3);
  EXPECT_NEAR(times.Of(1), 3, 0.01);
}

TEST(PassTimesTest, RowsThatWereNeverSeenCostABitMoreThanFewer) {
  PassTimes times;
  times.Learn(1, 1);
  EXPECT_GT(times.Of(3), times.Of(2));
  EXPECT_GT(times.Of(2), 1);
  EXPECT_LT(times.Of(3), 1.5);
  // But never more than more rows were seen to cost.
  times.Learn(4, 1.01);
  EXPECT_LE(times.Of(3), 1.01);
  times.Learn(2, 5);
  EXPECT_LE(times.Of(2), 1.01);
}

TEST(DraftPaceTest, GuessesAsFarAsGuessesComeTrue) {
  // A row more costs a tenth.
  const PassTimes times = Times(1, 0.1);
  for (const size_t right : {1u, 3u, 8u}) {
    DraftPace pace(true);
    Steps(&pace, times, 300, right);
    // And one further now and then.
    const size_t guesses = Steps(&pace, times, 1000, right);
    EXPECT_GE(guesses, 1000 * right);
    EXPECT_LE(guesses, 1000 * right + 250);
  }
}

TEST(DraftPaceTest, BeginsWithOneAndMakesMoreWhereTheyComeTrue) {
  DraftPace pace(true);
  for (const size_t count : {1u, 2u, 4u}) {
    EXPECT_EQ(pace.Choose(Times(1, 0.1), kMostGuesses), count);
    pace.Learn(Times(1, 0.1), count, count, 0);
  }
}

TEST(DraftPaceTest, KeepsTheLimit) {
  DraftPace pace(true);
  Steps(&pace, Times(1, 0), 100, 8);
  EXPECT_EQ(pace.Choose(Times(1, 0), 3), 3u);
  EXPECT_EQ(pace.Choose(Times(1, 0), 0), 0u);
  EXPECT_EQ(pace.Choose(Times(1, 0), 100), kMostGuesses);
}

TEST(DraftPaceTest, LosesLittleWhereNothingComesTrue) {
  // A guess costs as much as half a pass, and its row a third.
  DraftPace pace(true);
  EXPECT_LE(Steps(&pace, Times(1, 0.33), 256, 0, 0.5), 8u);
}

TEST(DraftPaceTest, StopsWhereNoGuessPaysAndTriesAgainEverMoreRarely) {
  const PassTimes times = Times(1, 0.1);
  DraftPace pace(true);
  Steps(&pace, times, 100, 0);
  // A guess each 256 steps.
  EXPECT_LE(Steps(&pace, times, 2560, 0), 13u);
  EXPECT_GT(Steps(&pace, times, 2560, 0), 0u);
}

TEST(DraftPaceTest, NoticesATextThatBecomesPredictable) {
  const PassTimes times = Times(1, 0.1);
  DraftPace pace(true);
  Steps(&pace, times, 3000, 0);
  Steps(&pace, times, 1000, 8);
  EXPECT_GT(Steps(&pace, times, 100, 8), 600u);
}

TEST(DraftPaceTest, MindsWhatVerifyingCosts) {
  // Where a row more costs as much as a pass, only sure guesses break even.
  const PassTimes times = Times(1, 1);
  DraftPace pace(true);
  Steps(&pace, times, 300, 1);
  EXPECT_LE(pace.Choose(times, kMostGuesses), 2u);
  EXPECT_LT(Steps(&pace, times, 1000, 1), 100u);
}

TEST(DraftPaceTest, MindsWhatGuessingCosts) {
  const PassTimes times = Times(1, 0.05);
  DraftPace cheap(true);
  Steps(&cheap, times, 200, 8, 0.01);
  EXPECT_EQ(cheap.Choose(times, kMostGuesses), kMostGuesses);
  DraftPace dear(true);
  Steps(&dear, times, 200, 8, 2);
  EXPECT_LT(Steps(&dear, times, 1000, 8, 2), 100u);
}

// A block takes its time however many of its guesses are used.
TEST(DraftPaceTest, ABlockIsPaidForOnce) {
  const PassTimes times = Times(1, 0.05);
  DraftPace block(false);
  for (int i = 0; i < 200; ++i) {
    const size_t count = block.Choose(times, kMostGuesses);
    block.Learn(times, count, count, 0.5);
  }
  EXPECT_EQ(block.Choose(times, kMostGuesses), kMostGuesses);
}

// How many times sooner sessions of 256 tokens end, whose guesses come true by
// chance: where a pass of one row takes 1, each further row `row`, each guess
// `guess`, and to let the drafter see a token `see`.
double TimesFaster(double row, double guess, double chance, double see = 0) {
  const auto chance_in_1000 = static_cast<uint64_t>(1000 * chance);
  double time = 0;
  double tokens = 0;
  for (uint32_t seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    PassTimes times;
    times.Learn(1, 1);
    DraftPace pace(true);
    double seen = tokens;
    for (const double end = tokens + 256; tokens < end;) {
      const size_t guesses = pace.Choose(times, kMostGuesses);
      size_t right = 0;
      while (right < guesses && random() % 1000 < chance_in_1000) {
        ++right;
      }
      const double pass = 1 + row * static_cast<double>(guesses);
      double guessing = guess * static_cast<double>(guesses);
      if (guesses > 0) {
        guessing += see * std::min(16.0, tokens - seen);
        seen = tokens;
      }
      times.Learn(guesses + 1, pass);
      pace.Learn(times, guesses, right, guessing);
      time += pass + guessing;
      tokens += 1 + static_cast<double>(right);
    }
  }
  return tokens / time;
}

// Where guesses are right until they are relied on, then wrong for as long, and
// cost what they cost: how many times sooner 2,000 tokens come.
double AgainstAnAdversary(double row, double guess) {
  const PassTimes times = Times(1, row);
  DraftPace pace(true);
  double time = 0;
  double tokens = 0;
  int streak = 0;
  while (tokens < 2000) {
    const size_t guesses = pace.Choose(times, kMostGuesses);
    const bool right = guesses > 0 && guesses < 3 && streak < 4;
    streak = right         ? streak + 1
             : guesses > 0 ? std::max(0, streak - 1)
                           : streak;
    const size_t accepted = right ? guesses : 0;
    const double guessing = guess * static_cast<double>(guesses);
    pace.Learn(times, guesses, accepted, guessing);
    time += 1 + row * static_cast<double>(guesses) + guessing;
    tokens += 1 + static_cast<double>(accepted);
  }
  return tokens / time;
}

TEST(DraftPaceTest, LosesNoMoreThanItMay) {
  for (const double row : {0.1, 0.4, 1.0}) {
    for (const double guess : {0.0, 0.3, 2.0}) {
      EXPECT_GT(AgainstAnAdversary(row, guess), 0.98) << row << " " << guess;
    }
  }
}

TEST(DraftPaceTest, RestsForAsLongAsItSays) {
  const PassTimes times = Times(1, 0.3);
  DraftPace pace(true);
  Steps(&pace, times, 50, 0, 0.5);
  for (int trials = 0; trials < 3; ++trials) {
    while (pace.Choose(times, kMostGuesses) > 0) {
      pace.Learn(times, 1, 0, 0.5);
    }
    const uint32_t rest = pace.rest();
    EXPECT_GT(rest, 0u);
    for (uint32_t i = 1; i < rest; ++i) {
      EXPECT_EQ(pace.Choose(times, kMostGuesses), 0u) << i << " of " << rest;
    }
    EXPECT_EQ(pace.Choose(times, kMostGuesses), 1u);
    pace.Learn(times, 1, 0, 0.5);
  }
}

TEST(DraftPaceTest, NeverMuchSlowerAndFasterWhereGuessesPay) {
  for (const double row : {0.1, 0.3, 0.5, 1.0}) {
    for (const double guess : {0.02, 0.2, 0.4}) {
      for (const double chance : {0.0, 0.05, 0.35, 0.6, 0.8, 0.95}) {
        EXPECT_GT(TimesFaster(row, guess, chance), 0.97)
            << row << " " << guess << " " << chance;
        EXPECT_GT(TimesFaster(row, guess, chance, 0.1), 0.95)
            << row << " " << guess << " " << chance;
      }
    }
  }
  EXPECT_GT(TimesFaster(0.1, 0.02, 0.6), 1.5);
  EXPECT_GT(TimesFaster(0.1, 0.2, 0.8), 1.4);
  EXPECT_GT(TimesFaster(0.3, 0.02, 0.8), 1.4);
}

}  // namespace
}  // namespace baleen
