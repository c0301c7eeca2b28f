// Contexts: backends and their devices, refusals, settings, memory, threads.
#include "context/context.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "unit/context/fake_backend.h"

namespace baleen {
namespace {

baleen_context_options Options() {
  baleen_context_options options = {};
  options.struct_size = sizeof options;
  options.thread_count = 1;
  return options;
}

Ref<Context> Make(const baleen_context_options& options = Options()) {
  Result<Ref<Context>> context = Context::Create(options);
  EXPECT_TRUE(context.ok()) << context.status().message();
  return *std::move(context);
}

TEST(ContextTest, TheCpuIsDeviceZero) {
  const Ref<Context> context = Make();
  baleen_device_info info = {};
  ASSERT_TRUE(context->device_info(0, &info).ok());
  EXPECT_STREQ(info.backend, "cpu");
  EXPECT_EQ(info.memory_total, 100u);
}

TEST(ContextTest, DevicesOfALaterBackendComeAfterThoseBefore) {
  const Ref<Context> context = Make();
  ASSERT_TRUE(context->AddBackend(FakeEntry).ok());
  ASSERT_EQ(context->device_count(), 4u);
  baleen_device_info info = {};
  ASSERT_TRUE(context->device_info(3, &info).ok());
  EXPECT_STREQ(info.backend, "fake");
  EXPECT_EQ(info.memory_total, 101u);
}

TEST(ContextTest, ABackendAddedTwiceIsThereOnce) {
  const Ref<Context> context = Make();
  ASSERT_TRUE(context->AddBackend(FakeEntry).ok());
  ASSERT_TRUE(context->AddBackend(FakeEntry).ok());
  EXPECT_EQ(context->device_count(), 4u);
}

TEST(ContextTest, ADeviceBeyondTheLastIsNotFound) {
  const Ref<Context> context = Make();
  baleen_device_info info = {};
  const Status status = context->device_info(2, &info);
  EXPECT_EQ(status.code(), BALEEN_NOT_FOUND);
  EXPECT_STREQ(status.message(), "there is no device 2, only 0 to 1");
  EXPECT_EQ(context->OpenDevice(2).status().code(), BALEEN_NOT_FOUND);
}

TEST(ContextTest, BackendsThatDoNotFitAreRefusedWithTheReason) {
  const Ref<Context> context = Make();
  const Status newer = context->AddBackend(NewerEntry);
  EXPECT_EQ(newer.code(), BALEEN_UNSUPPORTED);
  EXPECT_STREQ(newer.message(),
               "the backend was built for version 2 of the backend interface, "
               "and this library has version 1");
  const Status absent = context->AddBackend(AbsentEntry);
  EXPECT_EQ(absent.code(), BALEEN_UNSUPPORTED);
  EXPECT_STREQ(absent.message(), "the backend does not work here: no driver");
  EXPECT_EQ(context->AddBackend(ShortEntry).code(), BALEEN_UNSUPPORTED);
  EXPECT_EQ(context->device_count(), 2u);
}

TEST(ContextTest, ADeviceIsOpenedOnceAndClosedWithTheContext) {
  Ref<Context> context = Make();
  ASSERT_EQ(OpenFakeDevices(), 0);
  const Result<const Device*> first = context->OpenDevice(0);
  ASSERT_TRUE(first.ok());
  const Result<const Device*> second = context->OpenDevice(0);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(OpenFakeDevices(), 1);
  EXPECT_STREQ((*first)->backend, "cpu");
  context = {};
  EXPECT_EQ(OpenFakeDevices(), 0);
}

TEST(ContextTest, WhatAShortTableLacksIsNull) {
  const Ref<Context> context = Make();
  const Result<const Device*> device = context->OpenDevice(0);
  ASSERT_TRUE(device.ok());
  EXPECT_EQ((*device)->table->ops->mhc_boundary, nullptr);
  EXPECT_EQ((*device)->table->query, nullptr);
  EXPECT_NE((*device)->table->upload, nullptr);
}

TEST(ContextTest, ADeviceWithoutARequiredFunctionIsRefusedAndClosed) {
  const Ref<Context> context = Make();
  const Status status = context->OpenDevice(1).status();
  EXPECT_EQ(status.code(), BALEEN_UNSUPPORTED);
  EXPECT_STREQ(status.message(), "the backend cpu lacks the function upload");
  EXPECT_EQ(OpenFakeDevices(), 0);
}

TEST(ContextTest, EachListOfSettingsHasADeviceOfItsOwn) {
  const Ref<Context> context = Make();
  const baleen_setting fast = {"fake.speed", "fast"};
  const baleen_setting slow = {"fake.speed", "slow"};
  const Result<const Device*> plain = context->OpenDevice(0);
  const Result<const Device*> first = context->OpenDevice(0, {&fast, 1});
  const Result<const Device*> other = context->OpenDevice(0, {&slow, 1});
  const Result<const Device*> again = context->OpenDevice(0, {&fast, 1});
  ASSERT_TRUE(plain.ok() && first.ok() && other.ok() && again.ok());
  EXPECT_EQ(*first, *again);
  EXPECT_NE(*first, *other);
  EXPECT_NE(*first, *plain);
}

TEST(ContextTest, ASettingThatNobodyAsksForIsNotFound) {
  const Ref<Context> context = Make();
  const baleen_setting settings[] = {{"fake.speed", "fast"},
                                     {"fake.sped", "fast"}};
  const Status status = context->OpenDevice(0, settings).status();
  EXPECT_EQ(status.code(), BALEEN_NOT_FOUND);
  EXPECT_STREQ(status.message(), "the backend cpu has no setting fake.sped");
  EXPECT_EQ(OpenFakeDevices(), 0);
}

TEST(ContextTest, AFailureToOpenCarriesTheBackendsReason) {
  const Ref<Context> context = Make();
  const baleen_setting never = {"fake.speed", "never"};
  const Status status = context->OpenDevice(0, {&never, 1}).status();
  EXPECT_EQ(status.code(), BALEEN_INVALID_ARGUMENT);
  EXPECT_STREQ(status.message(),
               "cannot open device 0 of backend cpu: fake.speed cannot be "
               "never");
}

TEST(ContextTest, AllMemoryComesFromTheHostAndGoesBack) {
  struct Count {
    std::atomic<int64_t> bytes{0};
    std::atomic<int> calls{0};
  } count;
  baleen_allocator allocator = {};
  allocator.struct_size = sizeof allocator;
  allocator.user_data = &count;
  allocator.allocate = [](void* data, size_t size, size_t alignment) -> void* {
    auto* counts = static_cast<Count*>(data);
    counts->bytes += static_cast<int64_t>(size);
    ++counts->calls;
    return std::aligned_alloc(alignment,
                              (size + alignment - 1) / alignment * alignment);
  };
  allocator.deallocate = [](void* data, void* memory, size_t size, size_t) {
    static_cast<Count*>(data)->bytes -= static_cast<int64_t>(size);
    std::free(memory);
  };
  baleen_context_options options = Options();
  options.allocator = &allocator;
  options.thread_count = 2;
  Ref<Context> context = Make(options);
  ASSERT_TRUE(context->AddBackend(FakeEntry).ok());
  ASSERT_TRUE(context->OpenDevice(2).ok());
  EXPECT_GT(count.calls, 5);
  EXPECT_GT(count.bytes, 0);
  context = {};
  EXPECT_EQ(count.bytes, 0);
}

TEST(ContextTest, IsMadeInUnderFiveMilliseconds) {
  baleen_context_options options = Options();
  options.thread_count = 0;
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    Ref<Context> context = Make(options);
    best = std::min(best, std::chrono::nanoseconds(
                              std::chrono::steady_clock::now() - start));
  }
  EXPECT_LT(best, std::chrono::milliseconds(5));
}

TEST(ContextTest, TheHostsWorkersRunTasksInTheDefaultMode) {
  baleen_workers workers = {};
  workers.struct_size = sizeof workers;
  workers.width = 3;
  workers.run = [](void*, uint32_t count, baleen_task_fn task, void* data) {
    std::fesetround(FE_UPWARD);
    for (uint32_t i = 0; i < count; ++i) task(data, i);
    EXPECT_EQ(std::fegetround(), FE_UPWARD);
    std::fesetround(FE_TONEAREST);
  };
  baleen_context_options options = Options();
  options.workers = &workers;
  const Ref<Context> context = Make(options);
  EXPECT_EQ(context->workers()->width, 3u);
  struct Seen {
    float sum = 0;
    int count = 0;
  } seen;
  context->workers()->run(
      context->workers()->user_data, 5,
      [](void* data, uint32_t) {
        // Half of the last bit rounds to even, not up.
        volatile float one = 1;
        volatile float half_bit = 5.9604645e-8f;
        static_cast<Seen*>(data)->sum = one + half_bit;
        ++static_cast<Seen*>(data)->count;
      },
      &seen);
  EXPECT_EQ(seen.count, 5);
  EXPECT_EQ(seen.sum, 1.0f);
}

TEST(ContextTest, MayBeUsedFromManyThreads) {
  const Ref<Context> context = Make();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&context, &failures, i] {
      const std::string speed = std::to_string(i % 2);
      const baleen_setting setting = {"fake.speed", speed.c_str()};
      for (int round = 0; round < 50; ++round) {
        baleen_device_info info = {};
        if (!context->AddBackend(FakeEntry).ok() ||
            !context->device_info(3, &info).ok() ||
            !context->OpenDevice(2, {&setting, 1}).ok()) {
          ++failures;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(context->device_count(), 4u);
  EXPECT_EQ(OpenFakeDevices(), 2);
}

}  // namespace
}  // namespace baleen
