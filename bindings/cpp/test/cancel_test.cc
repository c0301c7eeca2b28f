// What every binding shows with the pocket model: ending calls from elsewhere,
// and exceptions that pass around the library.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "pocket.h"

namespace {

using baleen::Piece;
using baleen::Status;
using std::chrono::milliseconds;

baleen::Generation EndlessGeneration() {
  baleen::Generation generation;
  generation.sampling = Endless();
  return generation;
}

void ExpectUsable(baleen::Session* session) {
  EXPECT_FALSE(Generate(session, Endless(), 8).empty());
}

TEST(CancelTest, AnotherThreadCancelsAPrompt) {
  std::atomic<bool> begun{false};
  baleen::SessionOptions options;
  options.prefill_chunk = 64;
  options.progress = [&](uint64_t, uint64_t total) {
    EXPECT_TRUE(begun || total == 4096);  // Later calls have other totals.
    begun = true;
    std::this_thread::sleep_for(milliseconds(2));
    return true;
  };
  baleen::Session session = PocketModel().NewSession(options);
  std::thread thread([&, canceller = session.canceller()] {
    while (!begun) std::this_thread::yield();
    canceller.Cancel();
  });
  EXPECT_EQ(StatusOf([&] { session.Append(Prompt(4096)); }),
            Status::kCancelled);
  thread.join();
  EXPECT_GT(session.tokens().size(), 0u);
  EXPECT_LT(session.tokens().size(), 4096u);
  ExpectUsable(&session);
}

TEST(CancelTest, AnotherThreadCancelsAGeneration) {
  baleen::Session session = NewSession(1);
  session.Append(Prompt(30));
  std::thread thread([canceller = session.canceller()] {
    std::this_thread::sleep_for(milliseconds(50));
    canceller.Cancel();
  });
  EXPECT_EQ(StatusOf([&] {
              session.Generate(EndlessGeneration(), [](const Piece&) {});
            }),
            Status::kCancelled);
  thread.join();
  ExpectUsable(&session);
}

TEST(CancelTest, CancelBetweenCallsEndsTheNext) {
  baleen::Session session = NewSession(1);
  const baleen::Canceller canceller = session.canceller();
  canceller.Cancel();
  EXPECT_EQ(StatusOf([&] { session.Append({0}); }), Status::kCancelled);
  EXPECT_TRUE(session.tokens().empty());
  session.Append({0});
  // From within a call, too.
  EXPECT_EQ(StatusOf([&] {
              session.Generate(EndlessGeneration(),
                               [&](const Piece&) { canceller.Cancel(); });
            }),
            Status::kCancelled);
  // And a stream.
  int taken = 0;
  EXPECT_EQ(StatusOf([&] {
              for (const baleen::Token token : session.Stream(Endless())) {
                EXPECT_GE(token, 0);
                if (++taken == 3) canceller.Cancel();
              }
            }),
            Status::kCancelled);
  EXPECT_EQ(taken, 3);
  ExpectUsable(&session);
}

TEST(CancelTest, ProgressEndsAPrompt) {
  baleen::SessionOptions options;
  options.prefill_chunk = 64;
  options.progress = [](uint64_t, uint64_t) { return false; };
  baleen::Session session = PocketModel().NewSession(options);
  EXPECT_EQ(StatusOf([&] { session.Append(Prompt(512)); }), Status::kCancelled);
}

TEST(CancelTest, ExceptionsPassAroundTheLibrary) {
  const auto fail = [] { throw std::runtime_error("mine"); };
  baleen::Session session = NewSession(1);
  session.Append(Prompt(30));
  baleen::Error error;  // It is about the library's failures alone.
  EXPECT_THROW(session.Generate(
                   EndlessGeneration(), [&](const Piece&) { fail(); }, &error),
               std::runtime_error);
  baleen::Sampling sampling;
  sampling.edit = [&](baleen::Span<float>) { fail(); };
  EXPECT_THROW(session.Sample(sampling), std::runtime_error);
  ExpectUsable(&session);

  const auto progress = [&](uint64_t, uint64_t) {
    fail();
    return true;
  };
  baleen::SaveOptions save;
  save.progress = progress;
  EXPECT_THROW(session.Save(save), std::runtime_error);
  baleen::SessionOptions options;
  options.progress = progress;
  session = PocketModel().NewSession(options);
  EXPECT_THROW(session.Append(Prompt(600)), std::runtime_error);
  baleen::ModelOptions model;
  model.progress = progress;
  EXPECT_THROW(baleen::Context().Load(PocketPath(), model), std::runtime_error);
}

}  // namespace
