// What the game gives the engine: memory, threads, and a share of its frames.
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "frame_budget.h"
#include "gtest/gtest.h"
#include "job_system.h"
#include "pool.h"

namespace game {
namespace {

TEST(PoolTest, GivesAlignedMemoryAndTakesItBack) {
  Pool pool(size_t{1} << 20);
  std::vector<std::pair<void*, size_t>> blocks;
  for (size_t size = 0; size < 20000; size = size * 3 / 2 + 1) {
    void* block = pool.Allocate(size, 64);
    ASSERT_NE(block, nullptr) << size;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u) << size;
    std::fill_n(static_cast<char*>(block), size, '\x55');
    blocks.emplace_back(block, size);
  }
  const size_t used = pool.counts().used_bytes;
  for (const auto& [block, size] : blocks) pool.Deallocate(block, size, 64);
  EXPECT_EQ(pool.counts().live_bytes, 0u);
  EXPECT_EQ(pool.counts().live_blocks, 0u);
  for (const auto& [block, size] : blocks) {
    EXPECT_NE(pool.Allocate(size, 64), nullptr);
  }
  EXPECT_EQ(pool.counts().used_bytes, used) << "nothing was used again";
}

TEST(PoolTest, RefusesWhatItHasNot) {
  Pool pool(4096);
  EXPECT_EQ(pool.Allocate(4097, 16), nullptr);
  EXPECT_EQ(pool.Allocate(SIZE_MAX, 16), nullptr);
  EXPECT_EQ(pool.Allocate(16, 4096), nullptr);
  EXPECT_NE(pool.Allocate(4096, 256), nullptr);
  EXPECT_EQ(pool.Allocate(1, 1), nullptr);
  EXPECT_EQ(pool.counts().refusals, 4u);
}

TEST(JobSystemTest, RunsEachTaskOnceForSeveralCallersAtOnce) {
  constexpr uint32_t kTasks = 64;
  JobSystem jobs(3);
  const auto run = [&jobs] {
    for (int loop = 0; loop < 300; ++loop) {
      std::vector<std::atomic<int>> calls(kTasks);
      jobs.Run(
          kTasks,
          [](void* data, uint32_t index) {
            ++(*static_cast<std::vector<std::atomic<int>>*>(data))[index];
          },
          &calls);
      for (const std::atomic<int>& count : calls) ASSERT_EQ(count, 1);
    }
  };
  std::thread other(run);
  run();
  other.join();
  EXPECT_EQ(jobs.loops(), 600u);
}

TEST(FrameBudgetTest, PiecesComeToTakeWhatTheyMay) {
  PieceSize pieces(4);
  for (int i = 0; i < 100; ++i) {
    pieces.Add(pieces.size(), 0.25 * static_cast<double>(pieces.size()));
  }
  EXPECT_GE(pieces.size(), 12u);
  EXPECT_LE(pieces.size(), 16u);
  pieces.Add(16, 16);  // The system was busy.
  EXPECT_EQ(pieces.size(), 4u);
  pieces.Add(1, 1000);
  EXPECT_EQ(pieces.size(), 1u) << "there must be progress";
}

TEST(FrameBudgetTest, TheEstimateFollowsSlowStepsAtOnceAndForgetsThem) {
  StepCost cost;
  cost.Add(1);
  cost.Add(5);
  EXPECT_EQ(cost.estimate(), 5);
  for (int i = 0; i < 100; ++i) cost.Add(1);
  EXPECT_EQ(cost.estimate(), 1);
}

}  // namespace
}  // namespace game
