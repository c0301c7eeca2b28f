// Guesses from earlier tokens.
#include "session/lookup.h"

#include <gtest/gtest.h>

#include <vector>

namespace baleen {
namespace {

using Tokens = std::vector<baleen_token>;

Tokens NextOf(const LookupMatch& match) {
  return {match.next.begin(), match.next.end()};
}

TEST(LookupTest, FindsWhatFollowedTheLongestRun) {
  const Tokens tokens = {1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3};
  const LookupMatch match = FindEarlier(tokens, 2);
  EXPECT_EQ(match.length, 3u);
  EXPECT_EQ(NextOf(match), (Tokens{4, 9, 2, 3, 5, 1, 2, 3}));
}

TEST(LookupTest, TheLatestOfEqualRuns) {
  const Tokens tokens = {7, 8, 1, 7, 8, 2, 7, 8};
  const LookupMatch match = FindEarlier(tokens, 2);
  EXPECT_EQ(match.length, 2u);
  EXPECT_EQ(NextOf(match), (Tokens{2, 7, 8}));
}

TEST(LookupTest, ShorterRunsDoNotCount) {
  const Tokens tokens = {1, 2, 3, 9, 2, 3};
  EXPECT_EQ(FindEarlier(tokens, 2).length, 2u);
  EXPECT_EQ(FindEarlier(tokens, 3).length, 0u);
}

TEST(LookupTest, NothingToFind) {
  EXPECT_EQ(FindEarlier({}, 1).length, 0u);
  EXPECT_EQ(FindEarlier(Tokens{5}, 1).length, 0u);
  EXPECT_EQ(FindEarlier(Tokens{5, 6, 7}, 1).length, 0u);
}

TEST(LookupTest, ARunMayOverlapTheEnd) {
  const Tokens tokens = {4, 4, 4, 4};
  const LookupMatch match = FindEarlier(tokens, 2);
  EXPECT_EQ(match.length, 3u);
  EXPECT_EQ(NextOf(match), (Tokens{4}));
}

TEST(LookupTest, LooksBackSoFarOnly) {
  constexpr size_t kReach = 65536;
  Tokens tokens = {1, 2, 3};
  tokens.resize(kReach + 1, 0);
  tokens.insert(tokens.end(), {1, 2});
  EXPECT_EQ(FindEarlier(tokens, 2).length, 0u);
  tokens.erase(tokens.begin() + 3, tokens.begin() + 8);
  EXPECT_EQ(FindEarlier(tokens, 2).length, 2u);
}

}  // namespace
}  // namespace baleen
