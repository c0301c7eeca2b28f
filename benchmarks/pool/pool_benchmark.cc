// What a parallel loop costs beside its work: every operator of a step is one
// or more, so a token of V4-Flash has some 800 of them.  And what the threads
// cost that wait for the next.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#include "base/workers.h"

namespace baleen {
namespace {

using Clock = std::chrono::steady_clock;

void NoWork(void*, uint32_t) {}

// The tasks of a loop wait for each other, so that no thread can do without the
// others: what it takes to call a helper and to hear back.
struct Meeting {
  uint32_t expected;
  std::atomic<uint32_t> arrived{0};

  static void Task(void* self, uint32_t) {
    auto* meeting = static_cast<Meeting*>(self);
    meeting->arrived.fetch_add(1, std::memory_order_relaxed);
    // A helper that must first be woken may need this very processor.
    for (int spin = 0;
         meeting->arrived.load(std::memory_order_relaxed) < meeting->expected;
         ++spin) {
      if (spin > 10000) std::this_thread::yield();
    }
  }
};

// Times each call of `loop`, since a mean tells of other programs: a thread
// that they push aside is away for milliseconds.
template <typename Loop>
void TimeLoops(benchmark::State& state, std::chrono::milliseconds pause,
               const Loop& loop) {
  std::vector<double> seconds;
  for (auto _ : state) {
    if (pause.count() != 0) std::this_thread::sleep_for(pause);
    const auto begin = Clock::now();
    loop();
    seconds.push_back(
        std::chrono::duration<double>(Clock::now() - begin).count());
    state.SetIterationTime(seconds.back());
  }
  std::sort(seconds.begin(), seconds.end());
  state.counters["median_us"] = seconds[seconds.size() / 2] * 1e6;
  state.counters["99%_us"] = seconds[seconds.size() * 99 / 100] * 1e6;
}

// One loop after the other, as inside a step: helpers are found spinning.
void Hot(benchmark::State& state) {
  HostMemory memory(nullptr);
  Workers workers(static_cast<uint32_t>(state.range(0)), &memory);
  const auto tasks = static_cast<uint32_t>(state.range(1));
  TimeLoops(state, {}, [&] { workers.Run(tasks, NoWork, nullptr); });
}
BENCHMARK(Hot)
    ->ArgNames({"threads", "tasks"})
    ->ArgsProduct({{1, 2}, {2, 64}})
    ->Iterations(100000)
    ->UseManualTime();

// After a pause of so many milliseconds, in which the helper goes to sleep.
void MeetAfter(benchmark::State& state) {
  HostMemory memory(nullptr);
  Workers workers(2, &memory);
  TimeLoops(state, std::chrono::milliseconds(state.range(0)), [&] {
    Meeting meeting = {workers.width()};
    workers.Run(meeting.expected, Meeting::Task, &meeting);
  });
}
BENCHMARK(MeetAfter)
    ->ArgName("ms")
    ->Arg(0)
    ->Iterations(100000)
    ->UseManualTime();
BENCHMARK(MeetAfter)->ArgName("ms")->Arg(2)->Iterations(500)->UseManualTime();

double ProcessSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

// The share of a processor that waiting threads take: right after a loop they
// spin for a moment, which is counted apart.
void Idle(benchmark::State& state) {
  HostMemory memory(nullptr);
  Workers workers(2, &memory);
  double spinning = 0;
  double asleep = 0;
  for (auto _ : state) {
    workers.Run(2, NoWork, nullptr);
    const double begin = ProcessSeconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const double middle = ProcessSeconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    spinning += middle - begin;
    asleep += ProcessSeconds() - middle;
  }
  const auto count = static_cast<double>(state.iterations());
  state.counters["spin_us"] = spinning / count * 1e6;
  state.counters["asleep_share"] = asleep / count / 0.2;
}
BENCHMARK(Idle)->UseRealTime()->Iterations(5);

}  // namespace
}  // namespace baleen
