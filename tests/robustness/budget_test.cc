// What the library costs a program that embeds it, with the pocket model; the
// table in docs/embedding.md has what this prints.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <vector>

#include "robustness/allocator.h"
#include "robustness/pocket.h"

namespace baleen_test {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kKilobyte = 1000;

int64_t ThreadCount() {
  return std::distance(fs::directory_iterator("/proc/self/task"), {});
}

double MillisecondsToMakeAContext() {
  const auto begin = std::chrono::steady_clock::now();
  const ContextPointer context = MakeContext();
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now() - begin)
      .count();
}

// The median, since a machine under test has more to do.
TEST(BudgetTest, AContextIsMadeInAMoment) {
  std::vector<double> times;
  for (int i = 0; i < 21; ++i) times.push_back(MillisecondsToMakeAContext());
  std::nth_element(times.begin(), times.begin() + 10, times.end());
  std::printf("a context is made in %.3f ms\n", times[10]);
  EXPECT_LT(times[10], 5);
}

TEST(BudgetTest, ThreadsAreThoseThatWereAskedFor) {
  const int64_t before = ThreadCount();
  baleen_context_options options = ContextOptions();
  options.thread_count = 4;
  {
    const ContextPointer context = MakeContext(&options);
    const ModelPointer model = LoadPocket(context.get());
    const SessionPointer session = MakeSession(model.get());
    EXPECT_EQ(ThreadCount(), before + 3) << "the caller's is the fourth";
  }
  EXPECT_EQ(ThreadCount(), before);
  baleen_workers workers = {};
  workers.struct_size = sizeof workers;
  workers.width = 4;
  workers.run = [](void*, uint32_t count, baleen_task_fn task, void* data) {
    for (uint32_t i = 0; i < count; ++i) task(data, i);
  };
  options.workers = &workers;
  const ContextPointer context = MakeContext(&options);
  const ModelPointer model = LoadPocket(context.get());
  EXPECT_EQ(ThreadCount(), before) << "the host has its own";
}

// Of the host's allocator, which all of it comes from but the mapped weights.
TEST(BudgetTest, BytesOfContextModelAndSession) {
  TestAllocator allocator;
  baleen_context_options options = ContextOptions();
  options.allocator = allocator.hooks();
  const ContextPointer context = MakeContext(&options);
  const int64_t of_context = allocator.bytes();
  const ModelPointer model = LoadPocket(context.get());
  const int64_t of_model = allocator.bytes() - of_context;
  // The first session's tokens bring the scratch, which later ones share.
  const std::vector<baleen_token> prompt = Prompt(model.get(), 1000);
  const auto append = [&](baleen_session* session) {
    ASSERT_EQ(
        baleen_session_append(session, prompt.data(), prompt.size(), nullptr),
        BALEEN_OK);
  };
  append(MakeSession(model.get()).get());
  baleen_session_options session_options = SessionOptions();
  session_options.capacity = 4096;
  session_options.flags = BALEEN_SESSION_PRIVATE;
  const int64_t before = allocator.bytes();
  const SessionPointer session = MakeSession(model.get(), &session_options);
  const int64_t of_session = allocator.bytes() - before;
  append(session.get());
  const int64_t of_tokens = allocator.bytes() - before;
  baleen_memory_plan plan = {};
  plan.struct_size = sizeof plan;
  ASSERT_EQ(baleen_model_plan(model.get(), &session_options, &plan, nullptr),
            BALEEN_OK);
  std::printf(
      "context %lld bytes; model %lld, and %llu mapped, %llu of scratch "
      "planned; session %lld, with 1000 tokens %lld, planned for 4096 %llu\n",
      static_cast<long long>(of_context), static_cast<long long>(of_model),
      static_cast<unsigned long long>(plan.weights_mapped),
      static_cast<unsigned long long>(plan.scratch_host),
      static_cast<long long>(of_session), static_cast<long long>(of_tokens),
      static_cast<unsigned long long>(plan.session_host));
  EXPECT_LT(of_context, 64 * kKilobyte);
  EXPECT_LT(of_model, 1000 * kKilobyte);
  EXPECT_LT(of_session, 16 * kKilobyte);
  EXPECT_LE(of_tokens, static_cast<int64_t>(plan.session_host));
}

}  // namespace
}  // namespace baleen_test
