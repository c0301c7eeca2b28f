// StopFilter against a plain search of the whole text, for every cut into
// pieces.
#include "session/stop_filter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace baleen {
namespace {

struct Case {
  std::vector<const char*> stops;
  std::string text;
};

// What comes before the first stop text, and whether there is one.
std::pair<std::string, bool> Expected(const Case& c) {
  size_t first = std::string::npos;
  for (const char* stop : c.stops) {
    if (*stop != '\0') first = std::min(first, c.text.find(stop));
  }
  return {c.text.substr(0, first), first != std::string::npos};
}

const Case kCases[] = {
    {{"END"}, "the ENDING"},
    {{"END"}, "the EN is no END"},
    {{"END"}, "never"},
    {{"END"}, "held EN"},
    {{"aab"}, "aaaaab"},
    {{"abc", "b"}, "xaby"},
    {{"abcd", "bc"}, "xabce"},
    {{"\n\n"}, "one\ntwo\n\nthree"},
    {{"\xE2\x82\xAC"}, "5 \xE2\x82\xAC"},
    {{""}, "an empty stop never matches"},
    {{}, "no stops"},
};

TEST(StopFilter, FindsTheFirstStopHoweverTheTextIsCut) {
  for (const Case& c : kCases) {
    const auto expected = Expected(c);
    for (size_t piece = 1; piece <= c.text.size(); ++piece) {
      StopFilter filter(c.stops, std::pmr::new_delete_resource());
      String out(std::pmr::new_delete_resource());
      bool found = false;
      for (size_t at = 0; at < c.text.size() && !found; at += piece) {
        found = filter.Add(std::string_view(c.text).substr(at, piece), &out);
      }
      if (!found) filter.Flush(&out);
      EXPECT_EQ(found, expected.second) << c.text << " by " << piece;
      EXPECT_EQ(std::string_view(out), expected.first)
          << c.text << " by " << piece;
    }
  }
}

TEST(StopFilter, HoldsBackNoMoreThanItMust) {
  const char* const stops[] = {"STOP"};
  StopFilter filter(stops, std::pmr::new_delete_resource());
  String out(std::pmr::new_delete_resource());
  EXPECT_FALSE(filter.Add("go on, ST", &out));
  EXPECT_EQ(std::string_view(out), "go on, ");
  EXPECT_FALSE(filter.Add("ILL going", &out));
  EXPECT_EQ(std::string_view(out), "go on, STILL going");
}

}  // namespace
}  // namespace baleen
