// Rows of a pass, shared by those who want some.
#include "session/row_shares.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace baleen {
namespace {

using Rows = std::vector<int64_t>;

Rows Shares(const Rows& wanted, int64_t budget) {
  Rows shares(wanted.size(), -1);
  ShareRows(wanted, budget, shares);
  return shares;
}

TEST(RowSharesTest, AllOfItWhereThereIsEnough) {
  EXPECT_EQ(Shares({3, 0, 5, 1}, 100), (Rows{3, 0, 5, 1}));
  EXPECT_EQ(Shares({}, 100), Rows{});
  EXPECT_EQ(Shares({0, 0}, 100), (Rows{0, 0}));
}

TEST(RowSharesTest, LongPromptsShareWhatShortOnesLeave) {
  EXPECT_EQ(Shares({1000, 1, 1, 1000}, 102), (Rows{50, 1, 1, 50}));
  EXPECT_EQ(Shares({1000, 20, 1000}, 100), (Rows{40, 20, 40}));
  // 40 is more than a third, and less than half of what the first leaves.
  EXPECT_EQ(Shares({10, 40, 1000}, 100), (Rows{10, 40, 50}));
}

TEST(RowSharesTest, NobodyWhoWantsRowsGetsNone) {
  const Rows shares = Shares(Rows(100, 7), 10);
  EXPECT_EQ(shares, Rows(100, 1));
  EXPECT_EQ(Shares({0, 7}, 0), (Rows{0, 1}));
}

TEST(RowSharesTest, NeverMoreThanTheBudgetIfThereIsARowForEach) {
  for (int64_t budget = 6; budget < 300; ++budget) {
    const Rows shares = Shares({1, 300, 17, 60, 2, 0, 90}, budget);
    EXPECT_LE(std::accumulate(shares.begin(), shares.end(), int64_t{0}),
              budget);
  }
}

TEST(RowSharesTest, WhoWaitsForATokenDoesNotWaitForAWholePrompt) {
  EXPECT_EQ(PassBudget(256, 0), 256);
  EXPECT_LT(PassBudget(256, 4), 100);
  EXPECT_GT(PassBudget(256, 4), 4);
  EXPECT_EQ(PassBudget(16, 4), 16);
}

}  // namespace
}  // namespace baleen
