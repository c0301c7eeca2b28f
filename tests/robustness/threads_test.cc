// Threads: models shared, one call at a time inside a session or reply, handles
// released in any order and from any thread, the host's own workers.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "robustness/pocket.h"

namespace baleen_test {
namespace {

struct Turn {
  std::vector<baleen_token> tokens;
  std::vector<float> logits;
  bool operator==(const Turn&) const = default;
};

// Reads a prompt and steps a few times.
Turn Converse(baleen_model* model, const std::vector<baleen_token>& prompt) {
  baleen_session_options options = SessionOptions();
  options.seed = 5;
  const SessionPointer session = MakeSession(model, &options);
  Turn turn;
  baleen_error error = {};
  EXPECT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK)
      << error.message;
  for (int i = 0; i < 8; ++i) {
    baleen_token token = -1;
    size_t count = 0;
    EXPECT_EQ(
        baleen_session_step(session.get(), nullptr, &token, 1, &count, &error),
        BALEEN_OK)
        << error.message;
    turn.tokens.push_back(token);
  }
  turn.logits = Logits(session.get());
  return turn;
}

TEST(ThreadsTest, SessionsOfOneModelOnTwoThreadsDoNotDisturbEachOther) {
  const ContextPointer context = MakeContext();
  const ModelPointer model = LoadPocket(context.get());
  ASSERT_TRUE(model != nullptr);
  const std::vector<baleen_token> prompt = Prompt(model.get(), 200);
  const std::vector<baleen_token> shorter(prompt.begin(), prompt.begin() + 90);
  const Turn alone = Converse(model.get(), prompt);
  const Turn shorter_alone = Converse(model.get(), shorter);
  for (int round = 0; round < 3; ++round) {
    auto other = std::async(std::launch::async,
                            [&] { return Converse(model.get(), shorter); });
    EXPECT_EQ(Converse(model.get(), prompt), alone);
    EXPECT_EQ(other.get(), shorter_alone);
  }
}

TEST(ThreadsTest, ModelsMayBeLoadedAndAskedFromManyThreads) {
  const ContextPointer context = MakeContext();
  const ModelPointer shared = LoadPocket(context.get());
  ASSERT_TRUE(shared != nullptr);
  const std::vector<baleen_token> expected =
      Tokenize(shared.get(), "Call me Ishmael.");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const ModelPointer own = LoadPocket(context.get());
      for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(Tokenize(shared.get(), "Call me Ishmael."), expected);
        EXPECT_EQ(Tokenize(own.get(), "Call me Ishmael."), expected);
        EXPECT_EQ(baleen_context_device_count(context.get()), 1u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// What a callback that is inside a call of `session` hears of each function.
struct Inside {
  baleen_session* session = nullptr;
  std::vector<baleen_status> statuses;
  baleen_error error = {};
  const baleen_token* tokens = nullptr;
  size_t count = 9;
};

int32_t CallAgain(void* data, uint64_t, uint64_t) {
  auto* inside = static_cast<Inside*>(data);
  if (!inside->statuses.empty()) return 0;
  baleen_session* session = inside->session;
  baleen_error* error = &inside->error;
  const baleen_token token = 5;
  baleen_token out = -1;
  size_t count = 0;
  const float* logits = nullptr;
  baleen_session* fork = nullptr;
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  inside->statuses = {
      baleen_session_append(session, &token, 1, error),
      baleen_session_set_tokens(session, &token, 1, nullptr, error),
      baleen_session_truncate(session, 0, error),
      baleen_session_logits(session, &logits, &count, error),
      baleen_session_sample(session, nullptr, &out, error),
      baleen_session_step(session, nullptr, &out, 1, &count, error),
      baleen_session_fork(session, &fork, error),
      baleen_session_save(session, nullptr, nullptr, 0, &count, error),
      baleen_session_load(session, &token, 4, error),
      baleen_session_generate(session, nullptr, nullptr, error),
      baleen_session_get_stats(session, &stats, error)};
  // Another thread hears the same.
  std::thread([&] {
    inside->statuses.push_back(baleen_session_truncate(session, 0, error));
  }).join();
  inside->tokens = baleen_session_tokens(session, &inside->count);
  return 0;
}

TEST(ThreadsTest, ASecondCallInsideASessionIsBusy) {
  const ContextPointer context = MakeContext();
  const ModelPointer model = LoadPocket(context.get());
  ASSERT_TRUE(model != nullptr);
  Inside inside;
  baleen_session_options options = SessionOptions();
  options.prefill_chunk = 32;
  options.progress = CallAgain;
  options.progress_user_data = &inside;
  const SessionPointer session = MakeSession(model.get(), &options);
  ASSERT_TRUE(session != nullptr);
  inside.session = session.get();
  const std::vector<baleen_token> prompt = Prompt(model.get(), 100);
  baleen_error error = {};
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK)
      << error.message;
  ASSERT_EQ(inside.statuses.size(), 12u);
  for (const baleen_status status : inside.statuses) {
    EXPECT_EQ(status, BALEEN_BUSY);
  }
  EXPECT_STREQ(inside.error.message, "another call is inside this session");
  EXPECT_EQ(inside.tokens, nullptr);
  EXPECT_EQ(inside.count, 0u);
  // The call that was inside is not disturbed, and the next one enters.
  size_t count = 0;
  ASSERT_NE(baleen_session_tokens(session.get(), &count), nullptr);
  EXPECT_EQ(count, prompt.size());
}

TEST(ThreadsTest, TheReplyOfAGenerationIsBusyMeanwhile) {
  const ContextPointer context = MakeContext();
  const ModelPointer model = LoadPocket(context.get());
  const SessionPointer session = MakeSession(model.get());
  ASSERT_TRUE(session != nullptr);
  const std::vector<baleen_token> prompt = Prompt(model.get(), 20);
  baleen_error error = {};
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK);
  baleen_reply_options reply_options = {};
  reply_options.struct_size = sizeof reply_options;
  reply_options.thinking = BALEEN_THINKING_OFF;
  baleen_reply* handle = nullptr;
  ASSERT_EQ(baleen_reply_create(model.get(), &reply_options, &handle, &error),
            BALEEN_OK);
  const ReplyPointer reply(handle);
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.max_tokens = 20;
  generation.reply = reply.get();
  generation.user_data = reply.get();
  generation.on_piece = [](void* data, const baleen_piece*) -> int32_t {
    auto* busy = static_cast<baleen_reply*>(data);
    baleen_piece piece = {};
    piece.struct_size = sizeof piece;
    EXPECT_EQ(baleen_reply_finish(busy, nullptr), BALEEN_BUSY);
    EXPECT_EQ(baleen_reply_next(busy, &piece), 0);
    return 0;
  };
  ASSERT_EQ(
      baleen_session_generate(session.get(), &generation, nullptr, &error),
      BALEEN_OK)
      << error.message;
  baleen_message message = {};
  ASSERT_EQ(baleen_reply_message(reply.get(), &message, &error), BALEEN_OK);
  EXPECT_STREQ(message.role, "assistant");
  EXPECT_EQ(message.token_count, 20u);
}

TEST(ThreadsTest, HandlesAreReleasedInAnyOrder) {
  // Each order of context, model, session, fork and reply.
  std::vector<int> order = {0, 1, 2, 3, 4};
  do {
    ContextPointer context = MakeContext();
    ModelPointer model = LoadPocket(context.get());
    SessionPointer session = MakeSession(model.get());
    ASSERT_TRUE(session != nullptr);
    baleen_session* fork_handle = nullptr;
    baleen_reply* reply_handle = nullptr;
    baleen_error error = {};
    ASSERT_EQ(baleen_session_fork(session.get(), &fork_handle, &error),
              BALEEN_OK);
    ASSERT_EQ(baleen_reply_create(model.get(), nullptr, &reply_handle, &error),
              BALEEN_OK);
    SessionPointer fork(fork_handle);
    ReplyPointer reply(reply_handle);
    for (const int which : order) {
      if (which == 0) context.reset();
      if (which == 1) model.reset();
      if (which == 2) session.reset();
      if (which == 3) {
        const baleen_token token = 7;
        EXPECT_EQ(baleen_session_append(fork.get(), &token, 1, &error),
                  BALEEN_OK)
            << error.message;
        fork.reset();
      }
      if (which == 4) {
        EXPECT_EQ(baleen_reply_add_text(reply.get(), "text", 4, &error),
                  BALEEN_OK)
            << error.message;
        reply.reset();
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
  baleen_context_release(nullptr);
  baleen_model_release(nullptr);
  baleen_session_release(nullptr);
  baleen_reply_release(nullptr);
}

// A job system that runs each task on a thread of its own, last task first.
void RunReversed(void* data, uint32_t count, baleen_task_fn task,
                 void* task_data) {
  ++*static_cast<std::atomic<int>*>(data);
  std::vector<std::thread> threads;
  for (uint32_t i = count; i-- > 0;) {
    threads.emplace_back([=] { task(task_data, i); });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ThreadsTest, TheHostsWorkersComputeTheSameBits) {
  const ContextPointer own = MakeContext();
  const ModelPointer own_model = LoadPocket(own.get());
  ASSERT_TRUE(own_model != nullptr);
  const std::vector<baleen_token> prompt = Prompt(own_model.get(), 40);
  const Turn expected = Converse(own_model.get(), prompt);
  for (const uint32_t width : {1u, 3u}) {
    std::atomic<int> loops{0};
    baleen_workers workers = {};
    workers.struct_size = sizeof workers;
    workers.width = width;
    workers.user_data = &loops;
    workers.run = RunReversed;
    baleen_context_options options = ContextOptions();
    options.workers = &workers;
    const ContextPointer context = MakeContext(&options);
    const ModelPointer model = LoadPocket(context.get());
    ASSERT_TRUE(model != nullptr);
    EXPECT_EQ(Converse(model.get(), prompt), expected) << width;
    if (width > 1) {
      EXPECT_GT(loops, 0);
    }
  }
}

}  // namespace
}  // namespace baleen_test
