// What is on the disk when the host ends in the middle, when the disk is full,
// and when two processes use one file.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "robustness/pocket.h"

namespace baleen_test {
namespace {

class StateCrashTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const char* name) const { return (folder_ / name).string(); }

  // Runs `body` in a process of its own, which ends with what it returns.
  static pid_t Start(const std::function<int()>& body) {
    const pid_t child = fork();
    if (child == 0) _exit(body());
    return child;
  }
  static int Wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::filesystem::path folder_;
};

// One thread, so that a forked process needs no others.
ContextPointer OneThread() {
  baleen_context_options options = ContextOptions();
  options.thread_count = 1;
  return MakeContext(&options);
}

bool Append(baleen_session* session, const std::vector<baleen_token>& tokens,
            size_t first, size_t count) {
  return baleen_session_append(session, tokens.data() + first, count,
                               nullptr) == BALEEN_OK;
}

// Saves two states in turn until it is killed.
int SaveForever(const std::string& path) {
  const ContextPointer context = OneThread();
  const ModelPointer model = LoadPocket(context.get());
  const SessionPointer small = MakeSession(model.get());
  const SessionPointer large = MakeSession(model.get());
  const std::vector<baleen_token> prompt = Prompt(model.get(), 600);
  if (!Append(small.get(), prompt, 0, 20)) return 1;
  if (!Append(large.get(), prompt, 0, 600)) return 1;
  for (;;) {
    for (const SessionPointer* one : {&small, &large}) {
      if (baleen_session_save_file(one->get(), nullptr, path.c_str(),
                                   nullptr) != BALEEN_OK) {
        return 2;
      }
    }
  }
}

TEST_F(StateCrashTest, AKilledHostLeavesAWholeState) {
  const std::string path = Path("state");
  // The moments of death: some while it computes still, most while it saves.
  for (int round = 0; round < 12; ++round) {
    const pid_t child = Start([&] { return SaveForever(path); });
    const auto begin = std::chrono::steady_clock::now();
    while (!std::filesystem::exists(path) &&
           std::chrono::steady_clock::now() - begin <
               std::chrono::seconds(60)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(700 * round));
    kill(child, SIGKILL);
    EXPECT_EQ(Wait(child), -SIGKILL);
    const ContextPointer context = OneThread();
    const ModelPointer model = LoadPocket(context.get());
    const SessionPointer session = MakeSession(model.get());
    baleen_error error = {};
    ASSERT_EQ(baleen_session_load_file(session.get(), path.c_str(), &error),
              BALEEN_OK)
        << error.message;
    size_t count = 0;
    baleen_session_tokens(session.get(), &count);
    EXPECT_TRUE(count == 20 || count == 600) << count;
  }
}

// Two processes save to one path: each time one of the two is there, whole.
TEST_F(StateCrashTest, OfTwoWritersTheLastWins) {
  const std::string path = Path("state");
  const auto save = [&](size_t count) {
    const ContextPointer context = OneThread();
    const ModelPointer model = LoadPocket(context.get());
    const SessionPointer session = MakeSession(model.get());
    const std::vector<baleen_token> prompt = Prompt(model.get(), 600);
    if (!Append(session.get(), prompt, 0, count)) return 1;
    for (int i = 0; i < 40; ++i) {
      if (baleen_session_save_file(session.get(), nullptr, path.c_str(),
                                   nullptr) != BALEEN_OK) {
        return 2;
      }
    }
    return 0;
  };
  const pid_t first = Start([&] { return save(30); });
  const pid_t second = Start([&] { return save(600); });
  const ContextPointer context = OneThread();
  const ModelPointer model = LoadPocket(context.get());
  const SessionPointer session = MakeSession(model.get());
  int loaded = 0;
  int running = 2;
  while (running > 0) {
    int status = 0;
    if (waitpid(-1, &status, WNOHANG) > 0) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
      --running;
    }
    if (!std::filesystem::exists(path)) continue;
    baleen_error error = {};
    ASSERT_EQ(baleen_session_load_file(session.get(), path.c_str(), &error),
              BALEEN_OK)
        << error.message;
    size_t count = 0;
    baleen_session_tokens(session.get(), &count);
    ASSERT_TRUE(count == 30 || count == 600) << count;
    ++loaded;
  }
  EXPECT_GT(loaded, 0);
  (void)first;
  (void)second;
  // Nothing else was left behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_),
                          std::filesystem::directory_iterator()),
            1);
}

// In a process of its own: no file may grow beyond `bytes` there.
void LimitFiles(rlim_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {bytes, bytes};
  setrlimit(RLIMIT_FSIZE, &limit);
}

// Sums up what failed, so that one exit code says it.
class Findings {
 public:
  void Expect(bool right) {
    ++count_;
    if (!right && first_ == 0) first_ = count_;
  }
  int first() const { return first_; }

 private:
  int count_ = 0;
  int first_ = 0;
};

TEST_F(StateCrashTest, AFullDiskLeavesTheOldStateAndAWorkingSession) {
  const std::string path = Path("state");
  const pid_t child = Start([&] {
    const ContextPointer context = OneThread();
    const ModelPointer model = LoadPocket(context.get());
    const SessionPointer session = MakeSession(model.get());
    const std::vector<baleen_token> prompt = Prompt(model.get(), 500);
    Findings findings;
    baleen_error error = {};
    findings.Expect(Append(session.get(), prompt, 0, 10));
    findings.Expect(baleen_session_save_file(session.get(), nullptr,
                                             path.c_str(),
                                             &error) == BALEEN_OK);
    const std::vector<float> old = Logits(session.get());
    findings.Expect(Append(session.get(), prompt, 10, 490));
    const std::vector<float> logits = Logits(session.get());
    LimitFiles(100 << 10);
    findings.Expect(baleen_session_save_file(session.get(), nullptr,
                                             path.c_str(),
                                             &error) == BALEEN_IO);
    findings.Expect(Logits(session.get()) == logits);
    findings.Expect(baleen_session_load_file(session.get(), path.c_str(),
                                             &error) == BALEEN_OK);
    findings.Expect(Logits(session.get()) == old);
    return findings.first();
  });
  EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_),
                          std::filesystem::directory_iterator()),
            1);
}

TEST_F(StateCrashTest, AFullDiskEvictsNothing) {
  const std::string states = Path("states");
  std::filesystem::create_directory(states);
  const pid_t child = Start([&] {
    baleen_context_options options = ContextOptions();
    options.thread_count = 1;
    options.state_path = states.c_str();
    const ContextPointer context = MakeContext(&options);
    const ModelPointer model = LoadPocket(context.get());
    const SessionPointer session = MakeSession(model.get());
    const std::vector<baleen_token> prompt = Prompt(model.get(), 500);
    Findings findings;
    findings.Expect(Append(session.get(), prompt, 0, 500));
    const std::vector<float> logits = Logits(session.get());
    LimitFiles(100 << 10);
    findings.Expect(baleen_session_evict(session.get(), nullptr) == BALEEN_IO);
    baleen_session_stats stats = {};
    stats.struct_size = sizeof stats;
    baleen_session_get_stats(session.get(), &stats, nullptr);
    findings.Expect(stats.evictions == 0 && stats.state_bytes > 0);
    findings.Expect(baleen_session_truncate(session.get(), 400, nullptr) ==
                    BALEEN_OK);
    findings.Expect(Append(session.get(), prompt, 400, 100));
    findings.Expect(Logits(session.get()) == logits);
    return findings.first();
  });
  EXPECT_EQ(Wait(child), 0);
  EXPECT_TRUE(std::filesystem::is_empty(states));
}

// ---- Logs --------------------------------------------------------------------

baleen_session_options LogOptions(const std::string& path, bool resume) {
  baleen_session_options options = SessionOptions();
  options.log_path = path.c_str();
  if (resume) options.flags = BALEEN_SESSION_RESUME;
  return options;
}

baleen_sampling Warm() {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = 1.0f;
  return sampling;
}

bool StepOn(baleen_session* session, int count) {
  const baleen_sampling sampling = Warm();
  for (int i = 0; i < count; ++i) {
    baleen_token token = -1;
    size_t got = 0;
    if (baleen_session_step(session, &sampling, &token, 1, &got, nullptr) !=
        BALEEN_OK) {
      return false;
    }
  }
  return true;
}

std::vector<baleen_token> TokensOf(baleen_session* session) {
  size_t count = 0;
  const baleen_token* tokens = baleen_session_tokens(session, &count);
  return {tokens, tokens + count};
}

TEST_F(StateCrashTest, AKilledHostGoesOnFromItsLog) {
  const std::string path = Path("log");
  const ContextPointer context = OneThread();
  const ModelPointer model = LoadPocket(context.get());
  const std::vector<baleen_token> prompt = Prompt(model.get(), 60);
  baleen_session_options plain = SessionOptions();
  plain.seed = 77;
  const SessionPointer whole = MakeSession(model.get(), &plain);
  ASSERT_TRUE(Append(whole.get(), prompt, 0, 60));
  ASSERT_TRUE(StepOn(whole.get(), 40));
  const std::vector<baleen_token> wanted = TokensOf(whole.get());
  for (int round = 0; round < 6; ++round) {
    std::filesystem::remove(path);
    const pid_t child = Start([&] {
      const ContextPointer own = OneThread();
      const ModelPointer own_model = LoadPocket(own.get());
      baleen_session_options options = LogOptions(path, false);
      options.seed = 77;
      const SessionPointer session = MakeSession(own_model.get(), &options);
      if (!Append(session.get(), prompt, 0, 60)) return 1;
      StepOn(session.get(), 1000000);
      return 2;
    });
    const auto begin = std::chrono::steady_clock::now();
    std::error_code gone;
    while ((!std::filesystem::exists(path) ||
            std::filesystem::file_size(path, gone) < 400) &&
           std::chrono::steady_clock::now() - begin <
               std::chrono::seconds(60)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * round));
    kill(child, SIGKILL);
    EXPECT_EQ(Wait(child), -SIGKILL);
    const baleen_session_options options = LogOptions(path, true);
    const SessionPointer session = MakeSession(model.get(), &options);
    ASSERT_TRUE(session != nullptr);
    const std::vector<baleen_token> tokens = TokensOf(session.get());
    ASSERT_GE(tokens.size(), 60u);
    if (tokens.size() < wanted.size()) {
      ASSERT_TRUE(StepOn(session.get(),
                         static_cast<int>(wanted.size() - tokens.size())));
    }
    std::vector<baleen_token> now = TokensOf(session.get());
    now.resize(wanted.size());
    EXPECT_EQ(now, wanted) << "resumed with " << tokens.size() << " tokens";
  }
}

// A log that is cut anywhere holds the tokens of its whole records.
TEST_F(StateCrashTest, ATornLogLosesItsLastRecordOnly) {
  const std::string path = Path("log");
  const ContextPointer context = OneThread();
  const ModelPointer model = LoadPocket(context.get());
  const std::vector<baleen_token> prompt = Prompt(model.get(), 30);
  std::vector<std::vector<baleen_token>> states = {{}};
  {
    const baleen_session_options options = LogOptions(path, false);
    const SessionPointer session = MakeSession(model.get(), &options);
    const auto note = [&] { states.push_back(TokensOf(session.get())); };
    ASSERT_TRUE(Append(session.get(), prompt, 0, 30));
    note();
    ASSERT_TRUE(StepOn(session.get(), 1));
    note();
    ASSERT_EQ(baleen_session_truncate(session.get(), 10, nullptr), BALEEN_OK);
    note();
    ASSERT_TRUE(Append(session.get(), prompt, 20, 7));
    note();
    ASSERT_EQ(baleen_session_set_tokens(session.get(), prompt.data(), 25,
                                        nullptr, nullptr),
              BALEEN_OK);
    note();
  }
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)),
                          std::istreambuf_iterator<char>());
  const std::string cut = Path("cut");
  size_t last = 0;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    std::ofstream(cut, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(size));
    const baleen_session_options options = LogOptions(cut, true);
    const SessionPointer session = MakeSession(model.get(), &options);
    ASSERT_TRUE(session != nullptr) << size;
    const std::vector<baleen_token> tokens = TokensOf(session.get());
    if (last + 1 < states.size() && tokens == states[last + 1]) ++last;
    ASSERT_EQ(tokens, states[last]) << "cut to " << size;
  }
  EXPECT_EQ(last + 1, states.size());
}

TEST_F(StateCrashTest, LogsOfOthersAreRefused) {
  const std::string path = Path("log");
  const ContextPointer context = OneThread();
  const ModelPointer model = LoadPocket(context.get());
  const auto refuse = [&](const baleen_session_options& options,
                          baleen_status status, const char* words) {
    baleen_session* session = nullptr;
    baleen_error error = {};
    EXPECT_EQ(baleen_session_create(model.get(), &options, &session, &error),
              status);
    EXPECT_NE(std::string(error.message).find(words), std::string::npos)
        << error.message;
  };
  {
    const baleen_session_options options = LogOptions(path, false);
    const SessionPointer session = MakeSession(model.get(), &options);
    // Here, and in another process.
    refuse(LogOptions(path, true), BALEEN_BUSY, path.c_str());
    const pid_t child = Start([&] {
      const int file = open(path.c_str(), O_RDWR);
      return flock(file, LOCK_EX | LOCK_NB) == 0 ? 1 : 0;
    });
    EXPECT_EQ(Wait(child), 0);
  }
  baleen_session_options other = LogOptions(path, true);
  other.mode = BALEEN_MODE_REFERENCE;
  refuse(other, BALEEN_UNSUPPORTED, "another mode");
  const std::string letter = Path("letter");
  std::ofstream(letter) << "Call me Ishmael. Some years ago, never mind how "
                           "long precisely, having little or no money";
  for (const bool resume : {false, true}) {
    refuse(LogOptions(letter, resume), BALEEN_CORRUPT, "no log of tokens");
  }
  EXPECT_GT(std::filesystem::file_size(letter), 80u);
  refuse(LogOptions(folder_.string(), true), BALEEN_IO, "cannot open");
}

TEST_F(StateCrashTest, AFullDiskEndsACallAndTheLogGoesOnLater) {
  const std::string path = Path("log");
  const pid_t child = Start([&] {
    const ContextPointer context = OneThread();
    const ModelPointer model = LoadPocket(context.get());
    const std::vector<baleen_token> prompt = Prompt(model.get(), 200);
    Findings findings;
    {
      const baleen_session_options options = LogOptions(path, false);
      const SessionPointer session = MakeSession(model.get(), &options);
      findings.Expect(Append(session.get(), prompt, 0, 100));
      // Only the soft limit, which can be lifted again.
      std::signal(SIGXFSZ, SIG_IGN);
      rlimit limit = {};
      getrlimit(RLIMIT_FSIZE, &limit);
      const rlim_t before = limit.rlim_cur;
      limit.rlim_cur = 600;
      setrlimit(RLIMIT_FSIZE, &limit);
      findings.Expect(baleen_session_append(session.get(), prompt.data() + 100,
                                            50, nullptr) == BALEEN_IO);
      findings.Expect(TokensOf(session.get()).size() == 150);
      limit.rlim_cur = before;
      setrlimit(RLIMIT_FSIZE, &limit);
      findings.Expect(Append(session.get(), prompt, 150, 50));
    }
    const baleen_session_options options = LogOptions(path, true);
    const SessionPointer session = MakeSession(model.get(), &options);
    findings.Expect(TokensOf(session.get()) == prompt);
    return findings.first();
  });
  EXPECT_EQ(Wait(child), 0);
}

}  // namespace
}  // namespace baleen_test
