// Steps from several threads at once, and sessions that are cancelled meanwhile.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "pocket.h"

namespace baleen_test {
namespace {

// Sessions stepped from several threads at once share passes, and get the bits
// that they get alone.
TEST(StepThreads, SessionsOfTheirOwn) {
  const Tokens text = LongPrompt(600);
  constexpr size_t kThreads = 4;
  std::vector<Tokens> chosen(kThreads);
  const auto converse = [&](size_t i, Tokens* out) {
    const Session session = MakeSession(BALEEN_MODE_FAST, i + 1);
    Append(session, Part(text, i * 40, 100 + i * 90));
    baleen_sampling sampling = Greedy();
    if (i % 2 == 1) sampling.flags = 0;
    *out = i < 2 ? Generate(session, 16, sampling)
                 : GenerateAhead(session, 16, sampling);
    const std::vector<float> logits = Logits(session);
    out->push_back(static_cast<baleen_token>(
        std::max_element(logits.begin(), logits.end()) - logits.begin()));
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { converse(i, &chosen[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kThreads; ++i) {
    Tokens alone;
    converse(i, &alone);
    EXPECT_EQ(chosen[i], alone) << "thread " << i;
  }
}

// Threads that step the same sessions together, in orders of their own: each is
// inside a session alone, or hears that it is busy.
TEST(StepThreads, TheSameSessions) {
  constexpr size_t kSessions = 3;
  const Tokens text = LongPrompt(60);
  Session sessions[kSessions];
  for (size_t i = 0; i < kSessions; ++i) {
    sessions[i] = MakeSession();
    Append(sessions[i], Part(text, 0, 20 + 10 * i));
  }
  const auto step = [&](size_t first, size_t turn) {
    const baleen_sampling greedy = Greedy();
    baleen_error error = {};
    for (int calls = 0; calls < 12; ++calls) {
      baleen_step steps[kSessions] = {};
      baleen_token tokens[kSessions] = {};
      for (size_t i = 0; i < kSessions; ++i) {
        steps[i].session = sessions[(first + i * turn) % kSessions].get();
        steps[i].sampling = &greedy;
        steps[i].tokens = &tokens[i];
        steps[i].capacity = 1;
      }
      EXPECT_EQ(baleen_session_step_many(steps, kSessions, &error), BALEEN_OK)
          << error.message;
      for (const baleen_step& one : steps) {
        EXPECT_TRUE(one.status == BALEEN_OK || one.status == BALEEN_BUSY);
        EXPECT_EQ(one.count, one.status == BALEEN_OK ? 1u : 0u);
      }
    }
  };
  std::thread other([&] { step(2, 2); });
  step(0, 1);
  other.join();
  for (size_t i = 0; i < kSessions; ++i) {
    const Session alone = MakeSession();
    Append(alone, Part(text, 0, 20 + 10 * i));
    const size_t count = TokensOf(sessions[i]).size() - (20 + 10 * i);
    EXPECT_GT(count, 0u);
    Generate(alone, count);
    EXPECT_EQ(TokensOf(sessions[i]), TokensOf(alone));
  }
}

// Cancelled at any moment, a session that guesses has some of the tokens that
// it chooses otherwise, and goes on with the rest.
TEST(StepThreads, CancelledWhileGuessing) {
  constexpr size_t kCount = 120;
  const Tokens prompt = LongPrompt(100);
  const Session plain = MakeSession();
  Append(plain, prompt);
  Generate(plain, kCount);
  const Session session = MakeSession();
  Append(session, prompt);
  // So often only, for machines on which no step ends between two of them.
  std::thread canceller([&] {
    for (int i = 0; i < 50; ++i) {
      baleen_session_cancel(session.get());
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
  });
  const baleen_sampling greedy = Greedy();
  baleen_error error = {};
  for (size_t size = prompt.size(); size < prompt.size() + kCount;) {
    constexpr size_t kRoom = 9;
    baleen_token some[kRoom] = {};
    size_t got = 0;
    const size_t room = std::min(kRoom, prompt.size() + kCount - size);
    const baleen_status status =
        baleen_session_step(session.get(), &greedy, some, room, &got, &error);
    EXPECT_TRUE(status == BALEEN_OK || status == BALEEN_CANCELLED)
        << error.message;
    size = TokensOf(session).size();
  }
  canceller.join();
  EXPECT_EQ(TokensOf(session), TokensOf(plain));
  EXPECT_EQ(Logits(session), Logits(plain));
}

// Calls that read in two sessions, of which one is cancelled again and again: it
// keeps what it had read by then, and the other never notices.
TEST(StepThreads, ACancelledSessionLeavesTheOthersAlone) {
  const Tokens text = LongPrompt(1200);
  const Session reader = MakeSession();
  const Session cancelled = MakeSession();
  std::atomic<bool> stop{false};
  std::thread canceller([&] {
    while (!stop) {
      baleen_session_cancel(cancelled.get());
      std::this_thread::yield();
    }
  });
  size_t cancels = 0;
  size_t read[2] = {0, 0};
  while (read[0] < text.size()) {
    baleen_step steps[2] = {};
    steps[0].session = reader.get();
    steps[0].input_count = text.size() - read[0];
    steps[1].session = cancelled.get();
    steps[1].input_count = std::min<size_t>(40, text.size() - read[1]);
    for (size_t i = 0; i < 2; ++i) steps[i].input = text.data() + read[i];
    EXPECT_OK(baleen_session_step_many(steps, 2, &last_error));
    EXPECT_EQ(steps[0].status, BALEEN_OK);
    EXPECT_TRUE(steps[1].status == BALEEN_OK ||
                steps[1].status == BALEEN_CANCELLED);
    if (steps[1].status == BALEEN_CANCELLED) ++cancels;
    for (size_t i = 0; i < 2; ++i) read[i] += steps[i].input_done;
    EXPECT_EQ(TokensOf(cancelled), Part(text, 0, read[1]));
  }
  stop = true;
  canceller.join();
  EXPECT_GT(cancels, 0u);
  const Session alone = MakeSession();
  Append(alone, text);
  EXPECT_EQ(Logits(reader), Logits(alone));
  if (read[1] == 0) return;
  EXPECT_OK(baleen_session_truncate(alone.get(), read[1], &last_error));
  EXPECT_EQ(Logits(cancelled), Logits(alone));
}

}  // namespace
}  // namespace baleen_test
