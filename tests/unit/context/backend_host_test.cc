// What backends are given: failures by thread, settings, cancellation.
#include "context/backend_host.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace baleen {
namespace {

TEST(FailureBoardTest, RemembersTheLastFailureOfEachThread) {
  HostMemory memory(nullptr);
  FailureBoard board(&memory);
  EXPECT_STREQ(board.Last(), "");
  board.Record("first");
  board.Record("second");
  std::thread([&board] {
    EXPECT_STREQ(board.Last(), "");
    board.Record("of another thread");
    EXPECT_STREQ(board.Last(), "of another thread");
  }).join();
  EXPECT_STREQ(board.Last(), "second");
}

TEST(FailureBoardTest, CutsALongMessage) {
  HostMemory memory(nullptr);
  FailureBoard board(&memory);
  board.Record(std::string(1000, 'x').c_str());
  EXPECT_EQ(std::string(board.Last()), std::string(251, 'x'));
}

TEST(FailureBoardTest, DropsAMessageWithoutMemory) {
  baleen_allocator none = {};
  none.struct_size = sizeof none;
  none.allocate = [](void*, size_t, size_t) -> void* { return nullptr; };
  none.deallocate = [](void*, void*, size_t, size_t) {};
  HostMemory memory(&none);
  FailureBoard board(&memory);
  board.Record("lost");
  EXPECT_STREQ(board.Last(), "");
}

TEST(FailureBoardTest, ManyThreadsMayFailAtOnce) {
  HostMemory memory(nullptr);
  FailureBoard board(&memory);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&board, i] {
      const std::string mine = "failure of thread " + std::to_string(i);
      for (int round = 0; round < 200; ++round) {
        board.Record(mine.c_str());
        EXPECT_EQ(mine, board.Last());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(CancelBoardTest, AnswersForTheAskingThreadAlone) {
  CancelBoard board;
  std::atomic<bool> outer{false};
  std::atomic<bool> inner{false};
  EXPECT_FALSE(board.Cancelled());
  {
    const CancelBoard::Scope outer_scope(&board, &outer);
    {
      const CancelBoard::Scope inner_scope(&board, &inner);
      EXPECT_FALSE(board.Cancelled());
      inner = true;
      EXPECT_TRUE(board.Cancelled());
      std::thread([&board] { EXPECT_FALSE(board.Cancelled()); }).join();
    }
    EXPECT_FALSE(board.Cancelled());
    outer = true;
    EXPECT_TRUE(board.Cancelled());
  }
  EXPECT_FALSE(board.Cancelled());
}

TEST(BackendHostTest, SaysWhichSettingsWereNotAskedFor) {
  HostMemory memory(nullptr);
  const Log log;
  const CancelBoard cancels;
  FailureBoard failures(&memory);
  const baleen_setting settings[] = {{"a.one", "1"}, {"a.two", "2"}};
  BackendHost host({&memory, &log, nullptr, &cancels}, &failures, settings);
  const baleen_host& table = *host.table();
  EXPECT_STREQ(host.FirstUnasked(), "a.one");
  EXPECT_STREQ(table.setting(table.user_data, "a.one"), "1");
  EXPECT_EQ(table.setting(table.user_data, "a.three"), nullptr);
  EXPECT_STREQ(host.FirstUnasked(), "a.two");
  EXPECT_STREQ(table.setting(table.user_data, "a.two"), "2");
  EXPECT_EQ(host.FirstUnasked(), nullptr);
}

TEST(BackendHostTest, WritesToTheHostsLog) {
  HostMemory memory(nullptr);
  std::string written;
  const Log log(
      [](void* data, baleen_log_level level, const char* message) {
        *static_cast<std::string*>(data) += std::to_string(level) + message;
      },
      &written, BALEEN_LOG_INFO);
  const CancelBoard cancels;
  FailureBoard failures(&memory);
  BackendHost host({&memory, &log, nullptr, &cancels}, &failures, {});
  const baleen_host& table = *host.table();
  table.log(table.user_data, BALEEN_LOG_INFO, "100%s");
  table.log(table.user_data, BALEEN_LOG_DEBUG, "not wanted");
  EXPECT_EQ(written, "3100%s");
}

}  // namespace
}  // namespace baleen
