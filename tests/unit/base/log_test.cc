// The log: which lines are written, how long they may be, and that without a
// host's function there is none.
#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace baleen {
namespace {

using Lines = std::vector<std::pair<baleen_log_level, std::string>>;

void Keep(void* lines, baleen_log_level level, const char* message) {
  static_cast<Lines*>(lines)->emplace_back(level, message);
}

TEST(LogTest, WritesWhatIsWanted) {
  Lines lines;
  const Log log(Keep, &lines, BALEEN_LOG_INFO);
  log.Write(BALEEN_LOG_ERROR, "%d whales", 3);
  log.Write(BALEEN_LOG_INFO, "a line");
  log.Write(BALEEN_LOG_DEBUG, "too much");
  EXPECT_EQ(lines, (Lines{{BALEEN_LOG_ERROR, "3 whales"},
                          {BALEEN_LOG_INFO, "a line"}}));
  EXPECT_TRUE(log.Wants(BALEEN_LOG_WARNING));
  EXPECT_FALSE(log.Wants(BALEEN_LOG_DEBUG));
}

TEST(LogTest, CutsLongLines) {
  Lines lines;
  const Log log(Keep, &lines, BALEEN_LOG_DEBUG);
  log.Write(BALEEN_LOG_DEBUG, "%s", std::string(2000, 'x').c_str());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].second, std::string(500, 'x'));
}

TEST(LogTest, GoesNowhereByDefault) {
  const Log log;
  EXPECT_FALSE(log.Wants(BALEEN_LOG_ERROR));
  log.Write(BALEEN_LOG_ERROR, "nobody hears this");
}

}  // namespace
}  // namespace baleen
