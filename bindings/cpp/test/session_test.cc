// What every binding shows with the pocket model: loading, errors, sessions.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <type_traits>

#include "pocket.h"

namespace {

using baleen::Sampling;
using baleen::Status;
using baleen::Token;

static_assert(std::is_nothrow_move_constructible_v<baleen::Session> &&
              !std::is_copy_constructible_v<baleen::Session>);
static_assert(std::is_nothrow_move_constructible_v<baleen::Reply> &&
              !std::is_copy_constructible_v<baleen::Reply>);
static_assert(std::is_copy_constructible_v<baleen::Model> &&
              std::is_copy_constructible_v<baleen::Context>);

TEST(LibraryTest, VersionAndFeatures) {
  EXPECT_EQ(baleen::Version().substr(0, 2), "1.");
  EXPECT_EQ(baleen::VersionNumber() / 10000, 1u);
  EXPECT_TRUE(baleen::HasFeature("session.fork"));
  EXPECT_FALSE(baleen::HasFeature("nothing"));
  EXPECT_STREQ(baleen::Context().Devices().at(0).backend, "cpu");
}

TEST(ModelTest, LoadTellsItsProgress) {
  const baleen::Context context;
  uint64_t last = 0;
  uint64_t whole = 0;
  baleen::ModelOptions options;
  options.verify = true;
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, last);
    last = done;
    whole = total;
    return true;
  };
  const baleen::Model model = context.Load(PocketPath(), options);
  EXPECT_EQ(last, whole);
  EXPECT_GT(whole, 10000000u);
  const baleen::ModelInfo info = model.Info();
  EXPECT_STREQ(info.architecture, "deepseek_v4");
  EXPECT_EQ(info.layer_count, 4u);
  EXPECT_EQ(info.vocabulary_size, 2048u);
  EXPECT_EQ(model.Metadata("hidden_size"), "256");
  EXPECT_EQ(model.Metadata("none"), std::nullopt);

  options.progress = [](uint64_t, uint64_t) { return false; };
  EXPECT_EQ(StatusOf([&] { context.Load(PocketPath(), options); }),
            Status::kCancelled);
}

TEST(ErrorTest, SaysWhatIsWrong) {
  const baleen::Context context;
  try {
    context.Load("/no/such/model");
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("/no/such/model"),
              std::string::npos);
  }
  EXPECT_EQ(StatusOf([&] {
              context.Load({"a\0b", 3});
            }),
            Status::kInvalidArgument);
  EXPECT_EQ(StatusOf([&] { context.LoadBackend("/no/such/backend.so"); }),
            Status::kNotFound);

  // The same without an exception.
  baleen::ModelOptions options;
  options.settings = {{"cpu.nonsense", "on"}};
  baleen::Error error;
  EXPECT_FALSE(context.Load(PocketPath(), options, &error));
  EXPECT_TRUE(error);
  EXPECT_EQ(error.status(), Status::kNotFound);
  EXPECT_NE(std::string(error.what()).find("cpu.nonsense"), std::string::npos);
  EXPECT_TRUE(context.Load(PocketPath(), {}, &error));
  EXPECT_FALSE(error) << error.what();

  baleen::SessionOptions small;
  small.capacity = 16;
  baleen::Session session = PocketModel().NewSession(small);
  EXPECT_EQ(StatusOf([&] { session.Append(Prompt(17)); }),
            Status::kSessionFull);
  EXPECT_EQ(StatusOf([&] { session.Logits(); }), Status::kNotFound);
}

// What was moved from answers instead of crashing.
TEST(ErrorTest, EmptyHandlesSaySo) {
  const auto invalid = [](auto&& call) {
    EXPECT_EQ(StatusOf(call), Status::kInvalidArgument);
  };
  baleen::Session session = NewSession(1);
  session.Append({0});
  baleen::Session moved = std::move(session);
  EXPECT_EQ(moved.tokens().size(), 1u);
  invalid([&] { session.Append({0}); });
  invalid([&] { session.Fork(); });
  invalid([&] { session.Save(); });
  invalid([&] { session.Generate({}, [](const baleen::Piece&) {}); });
  invalid([&] { session.Stats(); });
  EXPECT_TRUE(session.tokens().empty());
  session.canceller().Cancel();
  const baleen::Model model;
  invalid([&] { model.Info(); });
  invalid([&] { model.NewSession(); });
  invalid([&] { model.Tokenize("a"); });
  EXPECT_EQ(model.FindToken("a"), -1);
  EXPECT_FALSE(model.IsEnd(1));
  EXPECT_EQ(model.Metadata("hidden_size"), std::nullopt);
  baleen::Reply reply;
  invalid([&] { reply.Add({1}); });
  EXPECT_FALSE(reply.Next());
}

TEST(SessionTest, ForkGoesItsOwnWay) {
  baleen::Session first = NewSession(3);
  first.Append(Prompt(40));
  baleen::Session second = first.Fork();
  const std::string text = Generate(&first, {}, 24);
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(Generate(&second, {}, 24), text);
  second.Truncate(40);
  second.Append({300});
  EXPECT_EQ(second.tokens().size(), 41u);
  EXPECT_EQ(second.tokens()[40], 300);
  EXPECT_NE(first.tokens()[40], 300);
  first = baleen::Session();
  EXPECT_EQ(second.Logits().size(), 2048u);
}

TEST(SessionTest, StatesAreSavedAndLoaded) {
  baleen::Session first = NewSession(3);
  first.Append(Prompt(200));
  std::vector<std::byte> state = first.Save();
  const std::string path =
      testing::TempDir() + "baleen_cpp_state_" + std::to_string(getpid());
  first.SaveFile(path);
  const std::string want = Generate(&first, Sampling::Greedy(), 24);
  baleen::Session second = NewSession(0);
  second.Load(state);
  EXPECT_EQ(Generate(&second, Sampling::Greedy(), 24), want);
  second.LoadFile(path);
  EXPECT_EQ(Generate(&second, Sampling::Greedy(), 24), want);
  std::remove(path.c_str());
  EXPECT_EQ(StatusOf([&] { second.LoadFile(path); }), Status::kNotFound);
  state[state.size() / 2] ^= std::byte{1};
  EXPECT_EQ(StatusOf([&] { second.Load(state); }), Status::kCorrupt);
}

TEST(SessionTest, EverythingGoesInOddOrder) {
  const auto lines = std::make_shared<std::vector<std::string>>();
  const auto mutex = std::make_shared<std::mutex>();
  {
    baleen::ContextOptions options;
    options.thread_count = 1;
    options.log_level = baleen::LogLevel::kDebug;
    options.log = [lines, mutex](baleen::LogLevel, std::string_view line) {
      const std::lock_guard<std::mutex> lock(*mutex);
      lines->emplace_back(line);
    };
    auto context = std::make_unique<baleen::Context>(options);
    options.log = nullptr;
    baleen::Model model = context->Load(PocketPath());
    context.reset();
    baleen::Session session = model.NewSession();
    baleen::Reply reply = model.NewReply();
    model = baleen::Model();
    session.Append({0, 300});
    const baleen::Canceller canceller = session.canceller();
    baleen::Session fork = session.Fork();
    session = std::move(fork);  // The first goes, with what it alone has.
    canceller.Cancel();
    EXPECT_FALSE(Generate(&session, {}, 8).empty());
    session = baleen::Session();
    reply.AddText("Still here.");
  }
  EXPECT_FALSE(lines->empty());
  EXPECT_EQ(lines.use_count(), 1) << "the log was not given back";
}

TEST(SessionTest, TwoThreadsDoNotMeet) {
  const auto tokens = Prompt(60);
  const auto write = [&](uint64_t seed) {
    baleen::SessionOptions options;
    options.seed = seed;
    options.is_private = true;
    baleen::Session session = PocketModel().NewSession(options);
    session.Append(tokens);
    return Generate(&session, {}, 40);
  };
  std::string together[2];
  std::thread first([&] { together[0] = write(1); });
  std::thread second([&] { together[1] = write(2); });
  first.join();
  second.join();
  EXPECT_EQ(together[0], write(1));
  EXPECT_EQ(together[1], write(2));
  EXPECT_FALSE(together[0].empty());
}

TEST(SessionTest, MemoryIsPlanned) {
  baleen::SessionOptions options;
  options.capacity = 1024;
  const auto plan = baleen::Context().Plan(PocketPath(), {}, options);
  EXPECT_GT(plan.weights_mapped, 10000000u);
  EXPECT_GT(plan.weights_by_part[BALEEN_PART_EXPERTS], 0u);
  EXPECT_GT(plan.session_host, 0u);
  EXPECT_EQ(plan.session_host, PocketModel().Plan(options).session_host);
}

TEST(SessionTest, SeedRepeatsTheText) {
  Sampling sampling;
  sampling.temperature = 0.9f;
  sampling.top_p = 0.95f;
  sampling.top_k = 100;
  const auto write = [&](uint64_t seed) {
    baleen::Session session = NewSession(seed);
    session.Append(Prompt(30));
    return Generate(&session, sampling, 24);
  };
  EXPECT_EQ(write(7), write(7));
  EXPECT_NE(write(7), write(8));
}

TEST(SessionTest, SamplesOneByOne) {
  baleen::Session session = NewSession(1);
  const auto scores = session.AppendScored(Prompt(30));
  ASSERT_EQ(scores.size(), 30u);
  EXPECT_EQ(scores[0].log_probability, 0);
  EXPECT_LT(scores[29].log_probability, 0);
  const auto top = session.TopTokens(3);
  ASSERT_EQ(top.size(), 3u);
  const Token likeliest = top[0].token;
  const auto logits = session.Logits();
  EXPECT_EQ(logits.size(), 2048u);
  EXPECT_EQ(logits[static_cast<size_t>(likeliest)], top[0].logit);
  EXPECT_EQ(session.Sample(Sampling::Greedy()), likeliest);
  // Without the likeliest, by an editor and by a bias, it is the next one.
  Sampling edited = Sampling::Greedy();
  edited.edit = [&](baleen::Span<float> all) {
    all[static_cast<size_t>(likeliest)] = -1e9f;
  };
  EXPECT_EQ(session.Sample(edited), top[1].token);
  Sampling biased = Sampling::Greedy();
  biased.biases = {{likeliest, -1e9f}};
  EXPECT_EQ(session.Sample(biased), top[1].token);
  Token room[1];
  EXPECT_EQ(Copy(session.Step(Sampling::Greedy(), {room, 1})),
            std::vector<Token>{likeliest});
}

TEST(TokenStreamTest, TokensComeFromARange) {
  // The same on every processor, in this mode.
  baleen::SessionOptions options;
  options.mode = baleen::Mode::kReference;
  baleen::Session session = PocketModel().NewSession(options);
  session.Append({0});
  session.Append(
      PocketModel().Tokenize("It is a truth universally acknowledged, that"));
  const size_t before = session.tokens().size();
  std::vector<Token> taken;
  for (const Token token : session.Stream(Sampling::Greedy())) {
    taken.push_back(token);
    if (taken.size() == 12) break;
  }
  EXPECT_EQ(PocketModel().Detokenize(taken),
            " the greatest desire of the world is not a good");
  const auto tokens = session.tokens();
  EXPECT_EQ(taken, std::vector<Token>(tokens.begin() + before, tokens.end()));

  // It ends with the turn.
  Sampling end = Sampling::Greedy();
  end.biases = {{1, 1e9f}};
  {
    baleen::TokenStream stream = session.Stream(end);
    EXPECT_EQ(stream.begin(), stream.end());
  }
  EXPECT_EQ(session.tokens()[before + 12], 1);

  // What fails ends it too.
  options.capacity = 5;
  const auto count = [&](baleen::Error* error) {
    baleen::Session small = PocketModel().NewSession(options);
    small.Append({0, 300});
    baleen::TokenStream stream = small.Stream(Endless(), error);
    return std::distance(stream.begin(), stream.end());
  };
  baleen::Error error;
  EXPECT_EQ(count(&error), 3);
  EXPECT_EQ(error.status(), Status::kSessionFull);
  EXPECT_EQ(StatusOf([&] { count(nullptr); }), Status::kSessionFull);
}

}  // namespace
