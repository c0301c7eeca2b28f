// Loops on several threads: every index once, whoever calls, from wherever.
// The thread sanitizer runs this too.
#include "base/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace baleen {
namespace {

// How often each index ran.
class Counts {
 public:
  explicit Counts(uint32_t count)
      : counts_(new std::atomic<int>[count]()), size_(count) {}

  static void Task(void* self, uint32_t index) {
    static_cast<Counts*>(self)->counts_[index].fetch_add(
        1, std::memory_order_relaxed);
  }
  void ExpectAll(int times) const {
    for (uint32_t i = 0; i < size_; ++i) {
      ASSERT_EQ(counts_[i].load(std::memory_order_relaxed), times) << i;
    }
  }

 private:
  std::unique_ptr<std::atomic<int>[]> counts_;
  uint32_t size_;
};

class WorkersTest : public testing::TestWithParam<uint32_t> {
 protected:
  HostMemory memory_{nullptr};
};

TEST_P(WorkersTest, RunEveryIndexOnce) {
  Workers workers(GetParam(), &memory_);
  EXPECT_EQ(workers.width(), GetParam());
  for (const uint32_t count : {0u, 1u, 2u, 3u, 7u, 64u, 5000u}) {
    Counts counts(count);
    workers.Run(count, Counts::Task, &counts);
    counts.ExpectAll(1);
  }
}

// Short loops in a row, so that helpers are found spinning, and others after a
// pause, so that they are found asleep.
TEST_P(WorkersTest, RunLoopAfterLoop) {
  Workers workers(GetParam(), &memory_);
  constexpr uint32_t kCount = 9;
  Counts counts(kCount);
  for (int i = 0; i < 2000; ++i) workers.Run(kCount, Counts::Task, &counts);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    workers.Run(kCount, Counts::Task, &counts);
  }
  counts.ExpectAll(2020);
}

// What tasks wrote is seen by the caller, and what the caller wrote by tasks,
// without atomics of their own.
TEST_P(WorkersTest, PassOnWhatWasWritten) {
  Workers workers(GetParam(), &memory_);
  std::vector<int> numbers(100, 0);
  const auto increment = [](void* data, uint32_t index) {
    ++(*static_cast<std::vector<int>*>(data))[index];
  };
  for (int i = 1; i <= 200; ++i) {
    workers.Run(static_cast<uint32_t>(numbers.size()), increment, &numbers);
    for (int& number : numbers) {
      ASSERT_EQ(number, 2 * i - 1);
      ++number;
    }
  }
}

struct Nest {
  Workers* workers;
  Counts* counts;
  static constexpr uint32_t kInner = 13;

  static void Outer(void* self, uint32_t index) {
    struct Inner {
      Nest* nest;
      uint32_t outer;
    } inner = {static_cast<Nest*>(self), index};
    inner.nest->workers->Run(
        kInner,
        [](void* data, uint32_t inner_index) {
          const auto* in = static_cast<Inner*>(data);
          Counts::Task(in->nest->counts, in->outer * kInner + inner_index);
        },
        &inner);
  }
};

TEST_P(WorkersTest, RunLoopsInsideLoops) {
  Workers workers(GetParam(), &memory_);
  constexpr uint32_t kOuter = 40;
  Counts counts(kOuter * Nest::kInner);
  Nest nest = {&workers, &counts};
  workers.Run(kOuter, Nest::Outer, &nest);
  counts.ExpectAll(1);
}

TEST_P(WorkersTest, ServeSeveralCallers) {
  Workers workers(GetParam(), &memory_);
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      for (int j = 0; j < 200; ++j) {
        Counts counts(50);
        workers.Run(50, Counts::Task, &counts);
        counts.ExpectAll(1);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_P(WorkersTest, WorkThroughTheirHooks) {
  Workers workers(GetParam(), &memory_);
  const baleen_workers* hooks = workers.hooks();
  EXPECT_EQ(hooks->struct_size, sizeof(baleen_workers));
  EXPECT_EQ(hooks->width, workers.width());
  Counts counts(100);
  hooks->run(hooks->user_data, 100, Counts::Task, &counts);
  counts.ExpectAll(1);
}

TEST_P(WorkersTest, EndWithoutHavingWorked) {
  for (int i = 0; i < 20; ++i) Workers workers(GetParam(), &memory_);
}

INSTANTIATE_TEST_SUITE_P(Widths, WorkersTest, testing::Values(1, 2, 3, 4));

TEST(WorkersTest, AreAsManyAsProcessorsByDefault) {
  HostMemory memory(nullptr);
  const Workers workers(0, &memory);
  EXPECT_GE(workers.width(), 1u);
  EXPECT_LE(workers.width(), std::thread::hardware_concurrency());
}

// All tasks of a loop as wide as the pool are under way at the same time.
TEST(WorkersTest, RunAtTheSameTime) {
  HostMemory memory(nullptr);
  Workers workers(3, &memory);
  struct Meeting {
    uint32_t expected;
    std::atomic<uint32_t> arrived{0};
  } meeting{workers.width()};
  workers.Run(
      meeting.expected,
      [](void* data, uint32_t) {
        auto* place = static_cast<Meeting*>(data);
        place->arrived.fetch_add(1);
        while (place->arrived.load() < place->expected) {
          std::this_thread::yield();
        }
      },
      &meeting);
  EXPECT_EQ(meeting.arrived.load(), workers.width());
}

}  // namespace
}  // namespace baleen
