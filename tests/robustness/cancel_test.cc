// Cancelling: through callbacks, and from another thread; and that what was
// cancelled goes on to the same bits.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "robustness/pocket.h"

namespace baleen_test {
namespace {

using Clock = std::chrono::steady_clock;

class CancelTest : public testing::Test {
 protected:
  void SetUp() override {
    context_ = MakeContext();
    model_ = LoadPocket(context_.get());
    ASSERT_TRUE(model_ != nullptr);
  }

  // The logits of a prompt read in one go.
  std::vector<float> Whole(const std::vector<baleen_token>& prompt) {
    const SessionPointer session = MakeSession(model_.get());
    baleen_error error = {};
    EXPECT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                    &error),
              BALEEN_OK)
        << error.message;
    return Logits(session.get());
  }

  ContextPointer context_;
  ModelPointer model_;
};

TEST_F(CancelTest, TheProgressOfALoadMayCancelIt) {
  for (const uint32_t flags : {0u, uint32_t{BALEEN_MODEL_VERIFY}}) {
    for (int at = 1; at < 100; ++at) {
      int left = at;
      baleen_model_options options = {};
      options.struct_size = sizeof options;
      options.flags = flags;
      options.progress_user_data = &left;
      options.progress = [](void* data, uint64_t done,
                            uint64_t total) -> int32_t {
        EXPECT_LE(done, total);
        return --*static_cast<int*>(data) == 0 ? 1 : 0;
      };
      baleen_model* model = nullptr;
      baleen_error error = {};
      const baleen_status status = baleen_model_load(
          context_.get(), PocketPath().c_str(), &options, &model, &error);
      if (left > 0) {  // It was told less often.
        ASSERT_EQ(status, BALEEN_OK) << error.message;
        baleen_model_release(model);
        EXPECT_GE(at, 3);
        break;
      }
      EXPECT_EQ(status, BALEEN_CANCELLED);
      EXPECT_EQ(model, nullptr);
    }
  }
}

TEST_F(CancelTest, TokensReadBeforeProgressCancelledStay) {
  const std::vector<baleen_token> prompt = Prompt(model_.get(), 300);
  int left = 3;
  baleen_session_options options = SessionOptions();
  options.prefill_chunk = 64;
  options.progress_user_data = &left;
  options.progress = [](void* data, uint64_t done, uint64_t total) -> int32_t {
    EXPECT_LE(done, total);
    return --*static_cast<int*>(data) == 0 ? 1 : 0;
  };
  const SessionPointer session = MakeSession(model_.get(), &options);
  ASSERT_TRUE(session != nullptr);
  baleen_error error = {};
  EXPECT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_CANCELLED);
  size_t read = 0;
  const baleen_token* tokens = baleen_session_tokens(session.get(), &read);
  EXPECT_EQ(read, 192u) << "three chunks of 64";
  ASSERT_LT(read, prompt.size());
  EXPECT_TRUE(std::equal(tokens, tokens + read, prompt.begin()));
  // The rest, then the same bits as if nothing had happened.
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data() + read,
                                  prompt.size() - read, &error),
            BALEEN_OK)
      << error.message;
  EXPECT_EQ(Logits(session.get()), Whole(prompt));
}

TEST_F(CancelTest, AnotherThreadCancelsWithinALayerOfAChunk) {
  const std::vector<baleen_token> prompt = Prompt(model_.get(), 1000);
  const auto start = Clock::now();
  const std::vector<float> whole = Whole(prompt);
  const auto all = Clock::now() - start;

  const SessionPointer session = MakeSession(model_.get());
  ASSERT_TRUE(session != nullptr);
  std::atomic<bool> began{false};
  Clock::time_point cancelled_at;
  std::thread canceller([&] {
    while (!began) std::this_thread::yield();
    std::this_thread::sleep_for(all / 5);
    cancelled_at = Clock::now();
    baleen_session_cancel(session.get());
  });
  baleen_error error = {};
  began = true;
  const baleen_status status = baleen_session_append(
      session.get(), prompt.data(), prompt.size(), &error);
  const auto returned_at = Clock::now();
  canceller.join();
  ASSERT_EQ(status, BALEEN_CANCELLED) << error.message;
  // A chunk of the whole prompt has four layers, so one is at most about a
  // fourth of the whole time; a fifth had passed before.  Cancelling between
  // chunks only would take all the rest, four fifths.
  EXPECT_LT(returned_at - cancelled_at, all / 2);

  size_t read = 0;
  baleen_session_tokens(session.get(), &read);
  ASSERT_LT(read, prompt.size());
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data() + read,
                                  prompt.size() - read, &error),
            BALEEN_OK)
      << error.message;
  EXPECT_EQ(Logits(session.get()), whole);
}

TEST_F(CancelTest, WithNoCallInsideItDoesNothing) {
  const SessionPointer session = MakeSession(model_.get());
  ASSERT_TRUE(session != nullptr);
  baleen_session_cancel(session.get());
  baleen_session_cancel(nullptr);
  const std::vector<baleen_token> prompt = Prompt(model_.get(), 10);
  baleen_error error = {};
  EXPECT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK)
      << error.message;
}

TEST_F(CancelTest, ThePieceCallbackStopsAGeneration) {
  const SessionPointer session = MakeSession(model_.get());
  ASSERT_TRUE(session != nullptr);
  const std::vector<baleen_token> prompt = Prompt(model_.get(), 30);
  baleen_error error = {};
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK);
  int pieces = 0;
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.max_tokens = 500;
  generation.user_data = &pieces;
  generation.on_piece = [](void* data, const baleen_piece*) -> int32_t {
    return ++*static_cast<int*>(data) == 4 ? 1 : 0;
  };
  baleen_finish finish = BALEEN_FINISH_NONE;
  ASSERT_EQ(
      baleen_session_generate(session.get(), &generation, &finish, &error),
      BALEEN_OK)
      << error.message;
  EXPECT_EQ(finish, BALEEN_FINISH_CALLBACK);
  EXPECT_EQ(pieces, 4);
}

TEST_F(CancelTest, ACancelFromThePieceCallbackEndsAGeneration) {
  const SessionPointer session = MakeSession(model_.get());
  ASSERT_TRUE(session != nullptr);
  const std::vector<baleen_token> prompt = Prompt(model_.get(), 30);
  baleen_error error = {};
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK);
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.max_tokens = 500;
  generation.user_data = session.get();
  generation.on_piece = [](void* data, const baleen_piece*) -> int32_t {
    baleen_session_cancel(static_cast<baleen_session*>(data));
    return 0;
  };
  EXPECT_EQ(
      baleen_session_generate(session.get(), &generation, nullptr, &error),
      BALEEN_CANCELLED);
  size_t count = 0;
  baleen_session_tokens(session.get(), &count);
  EXPECT_LT(count, prompt.size() + 20);
  baleen_token token = -1;
  EXPECT_EQ(
      baleen_session_step(session.get(), nullptr, &token, 1, &count, &error),
      BALEEN_OK)
      << error.message;
}

}  // namespace
}  // namespace baleen_test
