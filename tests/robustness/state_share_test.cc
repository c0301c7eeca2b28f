// Sessions that share beginnings and a budget of memory: what is reused and what
// is held, that the bits are those of a session alone, and all of it from
// several threads.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "robustness/allocator.h"
#include "robustness/files.h"
#include "robustness/pocket.h"

namespace baleen_test {
namespace {

using Tokens = std::vector<baleen_token>;

baleen_session_stats Stats(baleen_session* session) {
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  EXPECT_EQ(baleen_session_get_stats(session, &stats, nullptr), BALEEN_OK);
  return stats;
}

void Append(baleen_session* session, const Tokens& tokens, size_t first,
            size_t end) {
  baleen_error error = {};
  EXPECT_EQ(baleen_session_append(session, tokens.data() + first, end - first,
                                  &error),
            BALEEN_OK)
      << error.message;
}

size_t SetTokens(baleen_session* session, const Tokens& tokens) {
  baleen_error error = {};
  size_t reused = 0;
  EXPECT_EQ(baleen_session_set_tokens(session, tokens.data(), tokens.size(),
                                      &reused, &error),
            BALEEN_OK)
      << error.message;
  return reused;
}

class StateShareTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Open(uint64_t limit, bool with_path,
            const baleen_allocator* allocator = nullptr) {
    baleen_context_options options = ContextOptions();
    options.thread_count = 2;
    options.state_memory_limit = limit;
    if (with_path) options.state_path = folder_.c_str();
    options.allocator = allocator;
    context_ = MakeContext(&options);
    model_ = LoadPocket(context_.get());
    prompt_ = Prompt(model_.get(), 1200);
  }
  SessionPointer Make(uint32_t flags = 0,
                      baleen_window window = BALEEN_WINDOW_DEFAULT) {
    baleen_session_options options = SessionOptions();
    options.seed = 1;
    options.flags = flags;
    options.window = window;
    return MakeSession(model_.get(), &options);
  }
  // Of a session that shares nothing.
  std::vector<float> Fresh(const Tokens& tokens) {
    const SessionPointer session = Make(BALEEN_SESSION_PRIVATE);
    Append(session.get(), tokens, 0, tokens.size());
    return Logits(session.get());
  }
  Tokens First(size_t count) const {
    return Tokens(prompt_.begin(),
                  prompt_.begin() + static_cast<ptrdiff_t>(count));
  }
  // The first tokens, then others.
  Tokens Differing(size_t same, size_t count) const {
    Tokens tokens = First(same);
    for (size_t i = same; i < count; ++i) tokens.push_back(prompt_[i] ^ 1);
    return tokens;
  }
  size_t FileCount() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder_),
                      std::filesystem::directory_iterator()));
  }

  std::filesystem::path folder_;
  // They outlive what uses them.
  TestAllocator allocator_;
  TestFiles files_;
  ContextPointer context_;
  ModelPointer model_;
  Tokens prompt_;
};

TEST_F(StateShareTest, TheSamePromptCostsOneToken) {
  Open(0, false);
  const SessionPointer first = Make();
  Append(first.get(), prompt_, 0, 900);
  const SessionPointer second = Make();
  EXPECT_EQ(SetTokens(second.get(), First(900)), 899u);
  EXPECT_EQ(Stats(second.get()).reused_tokens, 899u);
  EXPECT_EQ(Logits(second.get()), Logits(first.get()));
  EXPECT_GT(Stats(second.get()).state_bytes_shared, 0u);
  // Append to an empty session shares as well, and says so.
  const SessionPointer third = Make();
  Append(third.get(), prompt_, 0, 1000);
  EXPECT_EQ(Stats(third.get()).reused_tokens, 900u);
  EXPECT_EQ(Logits(third.get()), Fresh(First(1000)));
  // Whoever wants privacy neither takes nor gives.
  const SessionPointer hidden = Make(BALEEN_SESSION_PRIVATE);
  EXPECT_EQ(SetTokens(hidden.get(), First(900)), 0u);
  Append(hidden.get(), prompt_, 900, 1200);
  const SessionPointer fourth = Make();
  EXPECT_EQ(SetTokens(fourth.get(), First(1200)), 1000u);
}

// Where the other went on after the common beginning: a window it kept, or as
// many rows again as errors can reach.
TEST_F(StateShareTest, BeginningsEndAnywhere) {
  Open(0, false);
  SessionPointer first = Make();
  Append(first.get(), prompt_, 0, 1200);
  for (const size_t same : {1150u, 1000u, 777u, 768u}) {
    const Tokens wanted = Differing(same, same + 40);
    const SessionPointer session = Make();
    const size_t reused = SetTokens(session.get(), wanted);
    EXPECT_GE(reused, same - 128 * 6) << same;
    EXPECT_EQ(Logits(session.get()), Fresh(wanted)) << same;
  }
  // Too short a beginning is computed anew.
  SessionPointer session = Make();
  EXPECT_EQ(SetTokens(session.get(), Differing(500, 600)), 0u);
  session.reset();
  first.reset();
  // With all windows any beginning will do.
  const SessionPointer full = Make(0, BALEEN_WINDOW_FULL);
  Append(full.get(), Differing(1190, 1200), 0, 1200);
  for (const size_t same : {1100u, 300u, 128u}) {
    const Tokens wanted = Differing(same, same + 40);
    const SessionPointer other = Make();
    EXPECT_GE(SetTokens(other.get(), wanted), same / 128 * 128) << same;
    EXPECT_EQ(Logits(other.get()), Fresh(wanted)) << same;
  }
}

// A session keeps the pages that it shares when the other changes its own.
TEST_F(StateShareTest, TheOtherMayGoElsewhere) {
  Open(0, false);
  SessionPointer first = Make();
  Append(first.get(), prompt_, 0, 900);
  const SessionPointer second = Make();
  SetTokens(second.get(), First(950));
  SetTokens(first.get(), Differing(300, 800));
  EXPECT_EQ(Logits(first.get()), Fresh(Differing(300, 800)));
  first.reset();
  Append(second.get(), prompt_, 950, 1000);
  EXPECT_EQ(Logits(second.get()), Fresh(First(1000)));
}

TEST_F(StateShareTest, SavedStatesAreFound) {
  Open(0, true);
  const std::string path = (folder_ / "prompt.state").string();
  {
    const SessionPointer session = Make();
    Append(session.get(), prompt_, 0, 900);
    ASSERT_EQ(
        baleen_session_save_file(session.get(), nullptr, path.c_str(), nullptr),
        BALEEN_OK);
  }
  const std::vector<float> wanted = Fresh(First(1000));
  const SessionPointer same = Make();
  EXPECT_EQ(SetTokens(same.get(), First(1000)), 900u);
  EXPECT_EQ(Logits(same.get()), wanted);
  // Also by a context that did not write it.
  model_.reset();
  context_.reset();
  std::ofstream(folder_ / "noise.state") << "no state at all";
  Open(0, true);
  {
    const SessionPointer session = Make();
    EXPECT_EQ(SetTokens(session.get(), First(1000)), 900u);
    EXPECT_EQ(Logits(session.get()), wanted);
  }
  // A state that was changed is not believed.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-300, std::ios::end);
  file.put('x');
  file.close();
  const SessionPointer session = Make();
  SetTokens(session.get(), First(1000));
  EXPECT_EQ(Logits(session.get()), wanted);
}

TEST_F(StateShareTest, EvictedStatesComeBack) {
  Open(0, true, allocator_.hooks());
  const SessionPointer session = Make();
  Append(session.get(), prompt_, 0, 1000);
  const std::vector<float> logits = Logits(session.get());
  const uint64_t held = Stats(session.get()).state_bytes;
  const int64_t before = allocator_.bytes();
  ASSERT_EQ(baleen_session_evict(session.get(), nullptr), BALEEN_OK);
  EXPECT_EQ(Stats(session.get()).state_bytes, 0u);
  EXPECT_EQ(Stats(session.get()).evictions, 1u);
  EXPECT_LE(allocator_.bytes(), before - static_cast<int64_t>(held));
  EXPECT_EQ(FileCount(), 1u);
  // What does not need the state leaves it there.
  EXPECT_EQ(Logits(session.get()), logits);
  EXPECT_EQ(FileCount(), 1u);
  Append(session.get(), prompt_, 1000, 1100);
  EXPECT_EQ(Logits(session.get()), Fresh(First(1100)));
  EXPECT_EQ(FileCount(), 0u);
  // Twice is once, and whoever goes takes the file along.
  ASSERT_EQ(baleen_session_evict(session.get(), nullptr), BALEEN_OK);
  ASSERT_EQ(baleen_session_evict(session.get(), nullptr), BALEEN_OK);
  EXPECT_EQ(Stats(session.get()).evictions, 2u);
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(StateShareTest, AnEvictedStateThatIsLostIsComputedAgain) {
  Open(0, true);
  const SessionPointer session = Make();
  Append(session.get(), prompt_, 0, 300);
  ASSERT_EQ(baleen_session_evict(session.get(), nullptr), BALEEN_OK);
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    std::filesystem::remove(file.path());
  }
  Append(session.get(), prompt_, 300, 310);
  EXPECT_EQ(Logits(session.get()), Fresh(First(310)));
}

TEST_F(StateShareTest, TheLongestIdleGoesFirst) {
  Open(0, false);
  uint64_t one = 0;
  {
    const SessionPointer session = Make();
    Append(session.get(), prompt_, 0, 600);
    one = Stats(session.get()).state_bytes;
  }
  Open(one * 5 / 2 + (1 << 20), true);
  const SessionPointer a = Make(BALEEN_SESSION_PRIVATE);
  const SessionPointer b = Make(BALEEN_SESSION_PRIVATE);
  const SessionPointer c = Make(BALEEN_SESSION_PRIVATE);
  Append(a.get(), prompt_, 0, 600);
  Append(b.get(), prompt_, 0, 600);
  Append(a.get(), prompt_, 600, 601);
  Append(c.get(), prompt_, 0, 600);
  EXPECT_EQ(Stats(a.get()).evictions, 0u);
  EXPECT_EQ(Stats(b.get()).evictions, 1u);
  EXPECT_EQ(Stats(b.get()).state_bytes, 0u);
  Append(b.get(), prompt_, 600, 700);
  EXPECT_EQ(Stats(a.get()).evictions, 1u);
  const std::vector<float> evicted_twice = Logits(b.get());
  Open(0, false);
  EXPECT_EQ(evicted_twice, Fresh(First(700)));
}

TEST_F(StateShareTest, WithoutAFolderTheLimitIsAnError) {
  Open(0, false);
  uint64_t one = 0;
  {
    const SessionPointer session = Make();
    Append(session.get(), prompt_, 0, 600);
    one = Stats(session.get()).state_bytes;
  }
  Open(one * 3 / 2 + (1 << 20), false);
  SessionPointer a = Make(BALEEN_SESSION_PRIVATE);
  const SessionPointer b = Make(BALEEN_SESSION_PRIVATE);
  Append(a.get(), prompt_, 0, 600);
  baleen_error error = {};
  EXPECT_EQ(baleen_session_append(b.get(), prompt_.data(), 1200, &error),
            BALEEN_OUT_OF_MEMORY);
  EXPECT_NE(std::string(error.message).find("state_memory_limit"),
            std::string::npos)
      << error.message;
  EXPECT_EQ(baleen_session_evict(a.get(), &error), BALEEN_NOT_FOUND);
  // Both go on as soon as there is room.
  Append(a.get(), prompt_, 600, 610);
  ASSERT_EQ(baleen_session_truncate(b.get(), 0, &error), BALEEN_OK);
  a.reset();
  Append(b.get(), prompt_, 0, 300);
}

// Threads that each make sessions with some of the same beginnings, under a
// limit that holds two or three of them, and fork, evict and release them.
TEST_F(StateShareTest, ManyThreadsAtOnce) {
  Open(0, false);
  const std::vector<size_t> ends = {200, 520, 600};
  std::map<std::pair<size_t, bool>, std::vector<float>> wanted;
  for (const size_t end : ends) {
    wanted[{end, false}] = Fresh(First(end));
    wanted[{end, true}] = Fresh(Differing(end - 30, end));
  }
  uint64_t one = 0;
  {
    const SessionPointer session = Make(0, BALEEN_WINDOW_FULL);
    Append(session.get(), prompt_, 0, 600);
    one = Stats(session.get()).state_bytes;
  }
  Open(one * 6, true);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::vector<SessionPointer> kept(2);
      for (size_t round = 0; round < 8; ++round) {
        const size_t end = ends[(round + t) % ends.size()];
        const bool differs = (round + t) % 2 == 1;
        SessionPointer& session = kept[round % 2];
        if (session == nullptr || round % 4 < 2) {
          session = Make(
              0, round % 3 == 0 ? BALEEN_WINDOW_FULL : BALEEN_WINDOW_DEFAULT);
        }
        SetTokens(session.get(),
                  differs ? Differing(end - 30, end) : First(end));
        if (round % 3 == 1) {
          baleen_error error = {};
          EXPECT_EQ(baleen_session_evict(session.get(), &error), BALEEN_OK)
              << error.message;
        }
        if (round % 3 == 2) {
          baleen_session* fork = nullptr;
          baleen_error error = {};
          EXPECT_EQ(baleen_session_fork(session.get(), &fork, &error),
                    BALEEN_OK)
              << error.message;
          session.reset(fork);
        }
        EXPECT_EQ(Logits(session.get()), (wanted[{end, differs}]))
            << "thread " << t << " round " << round;
        Stats(session.get());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(FileCount(), 0u);
}

// ---- Failures ----------------------------------------------------------------

// What a host does with states: shares one, evicts, saves, goes back.
struct Host {
  SessionPointer first;
  SessionPointer second;
  std::string path;
  Tokens prompt;
  std::vector<float> logits;

  using Call = std::function<baleen_status(baleen_error*)>;
  std::vector<Call> Calls(baleen_model* model) {
    const auto make = [model](SessionPointer* out) {
      return [model, out](baleen_error* error) {
        baleen_session_options options = SessionOptions();
        options.seed = 1;
        options.window = BALEEN_WINDOW_FULL;
        baleen_session* session = nullptr;
        const baleen_status status =
            baleen_session_create(model, &options, &session, error);
        out->reset(session);
        return status;
      };
    };
    return {make(&first),
            [this](baleen_error* error) {
              return baleen_session_set_tokens(first.get(), prompt.data(), 300,
                                               nullptr, error);
            },
            [this](baleen_error* error) {
              return baleen_session_evict(first.get(), error);
            },
            make(&second),
            // From the file that the first was evicted to.
            [this](baleen_error* error) {
              return baleen_session_set_tokens(second.get(), prompt.data(), 290,
                                               nullptr, error);
            },
            [this](baleen_error* error) {
              return baleen_session_set_tokens(first.get(), prompt.data(), 310,
                                               nullptr, error);
            },
            [this](baleen_error* error) {
              return baleen_session_save_file(first.get(), nullptr,
                                              path.c_str(), error);
            },
            [this](baleen_error* error) {
              return baleen_session_load_file(second.get(), path.c_str(),
                                              error);
            },
            [this](baleen_error* error) {
              return baleen_session_truncate(second.get(), 280, error);
            },
            // From the first, where it lies in memory.
            [this](baleen_error* error) {
              return baleen_session_set_tokens(second.get(), prompt.data(), 305,
                                               nullptr, error);
            },
            [this](baleen_error* error) {
              const float* found = nullptr;
              size_t count = 0;
              const baleen_status status =
                  baleen_session_logits(second.get(), &found, &count, error);
              if (status == BALEEN_OK) logits.assign(found, found + count);
              return status;
            }};
  }
};

// Each call that fails is made again and then works.
template <typename Failed>
std::vector<float> RunHost(baleen_model* model, const std::string& path,
                           const Tokens& prompt, const Failed& failed) {
  Host host;
  host.path = path;
  host.prompt = prompt;
  for (const Host::Call& call : host.Calls(model)) {
    baleen_error error = {};
    const baleen_status status = call(&error);
    if (status == BALEEN_OK) continue;
    EXPECT_TRUE(failed(status)) << error.message;
    EXPECT_NE(error.message[0], '\0');
    EXPECT_EQ(call(&error), BALEEN_OK) << error.message;
  }
  return host.logits;
}

TEST_F(StateShareTest, EveryAllocationMayFail) {
  Open(uint64_t{1} << 40, true, allocator_.hooks());
  const std::string path = (folder_ / "saved.state").string();
  const auto run = [&] {
    std::filesystem::remove(path);
    return RunHost(model_.get(), path, prompt_, [&](baleen_status status) {
      return allocator_.failed() && status == BALEEN_OUT_OF_MEMORY;
    });
  };
  const std::vector<float> wanted = run();
  const std::vector<float> warm = run();
  ASSERT_EQ(warm, wanted);
  const int64_t bytes = allocator_.bytes();
  const int64_t first = allocator_.calls();
  run();
  const int64_t all = allocator_.calls() - first;
  // Every third, so that the test takes seconds.
  for (int64_t k = 1; k <= all; k += 3) {
    allocator_.FailAt(k);
    ASSERT_EQ(run(), wanted) << k;
    ASSERT_EQ(allocator_.mistakes(), 0) << allocator_.last_mistake();
    allocator_.FailAt(0);
  }
  std::filesystem::remove(path);
  EXPECT_LE(allocator_.bytes(), bytes + (16 << 10));
}

TEST_F(StateShareTest, EveryCallOfTheFilesMayFail) {
  baleen_context_options options = ContextOptions();
  options.thread_count = 2;
  options.state_path = folder_.c_str();
  options.files = files_.hooks();
  context_ = MakeContext(&options);
  model_ = LoadPocket(context_.get());
  prompt_ = Prompt(model_.get(), 400);
  const int64_t open_files = files_.open_files();
  const std::string path = (folder_ / "saved.state").string();
  const auto run = [&] {
    std::filesystem::remove(path);
    return RunHost(model_.get(), path, prompt_, [&](baleen_status status) {
      return files_.failed() &&
             (status == BALEEN_IO || status == BALEEN_NOT_FOUND);
    });
  };
  const std::vector<float> wanted = run();
  const int64_t first = files_.calls();
  run();
  const int64_t all = files_.calls() - first;
  EXPECT_GT(all, 20);
  for (int64_t k = 1; k <= all; ++k) {
    files_.FailAt(k);
    ASSERT_EQ(run(), wanted) << k;
    files_.FailAt(0);
    ASSERT_EQ(files_.open_files(), open_files) << k;
  }
}

}  // namespace
}  // namespace baleen_test
