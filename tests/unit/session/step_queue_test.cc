// Who shares a pass, and what becomes of each.
#include "session/step_queue.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace baleen {
namespace {

constexpr int64_t kRowLimit = 32;
// A part with so many rows is too much for the model.
constexpr size_t kTooMuch = 13;
constexpr size_t kThrows = 14;

// Notes its passes, and computes nothing.
class FakeModel final : public Model {
 public:
  const baleen_model_info& info() const override { return info_; }
  int64_t RowLimit(int64_t) const override { return kRowLimit; }
  Result<StatePointer> CreateState() override { return Internal("none"); }
  Status Step(baleen_mode, std::span<const StepPart> parts,
              const std::atomic<bool>* cancel, float*) override {
    std::string rows;
    for (const StepPart& part : parts) {
      rows += std::to_string(part.tokens.size()) + " ";
    }
    {
      std::unique_lock<std::mutex> lock(mutex_);
      passes_.push_back(rows);
      changed_.notify_all();
      changed_.wait(lock, [&] { return !held_; });
    }
    if (cancel != nullptr && *cancel) {
      return Status::Error(BALEEN_CANCELLED, "within the pass");
    }
    for (const StepPart& part : parts) {
      if (part.tokens.size() == kTooMuch) return OutOfMemory("too much");
      if (part.tokens.size() == kThrows) throw std::bad_alloc();
    }
    return Status();
  }
  Result<MemoryNeed> Need(baleen_mode, int64_t, int64_t) const override {
    return MemoryNeed();
  }
  uint64_t StateGrowth(int64_t) const override { return 0; }
  uint64_t WindowNeed(int64_t, int64_t, bool) const override { return 0; }
  uint64_t fingerprint() const override { return 0; }
  DraftModel* drafter() override { return nullptr; }
  void SetTrace(Trace*) override {}

  // Rows of each part of each pass.
  std::vector<std::string> passes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return passes_;
  }
  // While it is held, a pass that has begun does not end.
  void Hold(bool held) {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  void WaitForPasses(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return passes_.size() >= count; });
  }

 private:
  void Destroy() const override {}

  baleen_model_info info_ = {};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> passes_;
  bool held_ = false;
};

class StepQueueTest : public testing::Test {
 protected:
  StepRequest Request(size_t rows, baleen_mode mode = BALEEN_MODE_FAST) {
    StepRequest request;
    request.part.tokens = std::span<const baleen_token>(tokens_).first(rows);
    request.mode = mode;
    return request;
  }
  void Run(std::vector<StepRequest>& requests) {
    std::vector<StepRequest*> pointers;
    for (StepRequest& request : requests) pointers.push_back(&request);
    queue_.Run(&model_, &cancels_, pointers);
  }

  const std::vector<baleen_token> tokens_ = std::vector<baleen_token>(100);
  FakeModel model_;
  CancelBoard cancels_;
  StepQueue queue_;
};

using Passes = std::vector<std::string>;

TEST_F(StepQueueTest, ShareAPassAsFarAsTheyFit) {
  std::vector<StepRequest> requests = {Request(1), Request(30), Request(20),
                                       Request(1), Request(12)};
  Run(requests);
  EXPECT_EQ(model_.passes(), (Passes{"1 30 1 ", "20 12 "}));
  for (const StepRequest& request : requests) EXPECT_TRUE(request.status.ok());
}

TEST_F(StepQueueTest, ModesDoNotMix) {
  std::vector<StepRequest> requests = {
      Request(1), Request(2), Request(3, BALEEN_MODE_REFERENCE), Request(4)};
  Run(requests);
  EXPECT_EQ(model_.passes(), (Passes{"1 2 4 ", "3 "}));
}

TEST_F(StepQueueTest, OneThatIsTooMuchDoesNotHurtTheOthers) {
  for (const size_t much : {kTooMuch, kThrows}) {
    std::vector<StepRequest> requests = {Request(1), Request(much), Request(2)};
    Run(requests);
    EXPECT_TRUE(requests[0].status.ok());
    EXPECT_EQ(requests[1].status.code(), BALEEN_OUT_OF_MEMORY);
    EXPECT_TRUE(requests[2].status.ok());
  }
}

TEST_F(StepQueueTest, TheTimeOfAPassIsKnownToWhoHadItAlone) {
  std::vector<StepRequest> alone = {Request(1)};
  Run(alone);
  EXPECT_GT(alone[0].seconds, 0);
  std::vector<StepRequest> both = {Request(1), Request(1)};
  Run(both);
  EXPECT_EQ(both[0].seconds, 0);
  EXPECT_EQ(both[1].seconds, 0);
}

TEST_F(StepQueueTest, OneThatIsCancelledTakesNoPart) {
  const std::atomic<bool> cancel{true};
  std::vector<StepRequest> requests = {Request(1), Request(2)};
  requests[0].cancel = &cancel;
  Run(requests);
  EXPECT_EQ(requests[0].status.code(), BALEEN_CANCELLED);
  EXPECT_TRUE(requests[1].status.ok());
  EXPECT_EQ(model_.passes(), (Passes{"2 "}));
}

// Within a pass, who is alone is cancelled, and who is not goes on for the
// others.
TEST_F(StepQueueTest, CancelledWithinAPass) {
  for (const size_t count : {1u, 2u}) {
    std::atomic<bool> cancel{false};
    std::vector<StepRequest> requests;
    for (size_t i = 0; i < count; ++i) requests.push_back(Request(1));
    requests[0].cancel = &cancel;
    model_.Hold(true);
    std::thread thread([&] { Run(requests); });
    model_.WaitForPasses(count);
    cancel = true;
    model_.Hold(false);
    thread.join();
    EXPECT_EQ(requests[0].status.code(),
              count == 1 ? BALEEN_CANCELLED : BALEEN_OK);
  }
}

// Requests that come while a pass is under way share the next.
TEST_F(StepQueueTest, ThreadsShareAPass) {
  model_.Hold(true);
  std::vector<std::thread> threads;
  std::vector<std::vector<StepRequest>> requests(4);
  for (auto& own : requests) own.push_back(Request(1));
  threads.emplace_back([&] { Run(requests[0]); });
  model_.WaitForPasses(1);
  for (size_t i = 1; i < requests.size(); ++i) {
    threads.emplace_back([&, i] { Run(requests[i]); });
  }
  // Until all of them wait.
  while (queue_.waiting() < 3) std::this_thread::yield();
  model_.Hold(false);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(model_.passes(), (Passes{"1 ", "1 1 1 "}));
  for (const auto& own : requests) EXPECT_TRUE(own[0].status.ok());
}

TEST_F(StepQueueTest, MoreThanAPassHolds) {
  std::vector<StepRequest> requests(100, Request(1));
  Run(requests);
  size_t rows = 0;
  for (const std::string& pass : model_.passes()) rows += pass.size() / 2;
  EXPECT_EQ(rows, 100u);
  EXPECT_EQ(model_.passes().size(), 4u);
}

}  // namespace
}  // namespace baleen
