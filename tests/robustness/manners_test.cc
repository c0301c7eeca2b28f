// A guest in someone else's process: what the library must leave as it finds
// it, and must not need.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <locale.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cfenv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "robustness/pocket.h"

extern char** environ;

namespace baleen_test {
namespace {

// A whole visit: loads, reads, generates, saves, restores, leaves.
std::vector<float> Visit(const baleen_context_options* options = nullptr) {
  const ContextPointer context = MakeContext(options);
  const ModelPointer model = LoadPocket(context.get());
  baleen_session_options session_options = SessionOptions();
  session_options.seed = 11;
  const SessionPointer session = MakeSession(model.get(), &session_options);
  if (session == nullptr) return {};
  const std::vector<baleen_token> prompt = Prompt(model.get(), 150);
  baleen_error error = {};
  EXPECT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK)
      << error.message;
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.max_tokens = 10;
  EXPECT_EQ(
      baleen_session_generate(session.get(), &generation, nullptr, &error),
      BALEEN_OK)
      << error.message;
  size_t size = 0;
  EXPECT_EQ(
      baleen_session_save(session.get(), nullptr, nullptr, 0, &size, &error),
      BALEEN_BUFFER_TOO_SMALL);
  std::vector<char> saved(size);
  EXPECT_EQ(baleen_session_save(session.get(), nullptr, saved.data(), size,
                                &size, &error),
            BALEEN_OK)
      << error.message;
  EXPECT_EQ(baleen_session_load(session.get(), saved.data(), size, &error),
            BALEEN_OK)
      << error.message;
  return Logits(session.get());
}

const std::vector<float>& Expected() {
  static const auto* expected = new std::vector<float>(Visit());
  return *expected;
}

// Runs `body` in a child process; its result is what `body` returns, 0 for
// success, or 1000 and more for a signal.
int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    const int result = body();
    _exit(result);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(MannersTest, RoundingModeAndFlushToZeroChangeNothingAndStay) {
  ASSERT_FALSE(Expected().empty());
  for (const int rounding : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    ASSERT_EQ(std::fesetround(rounding), 0);
    const std::vector<float> logits = Visit();
    const int after = std::fegetround();
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(after, rounding);
    EXPECT_EQ(logits, Expected()) << rounding;
  }
#if defined(__SSE__)
  const unsigned before = _mm_getcsr();
  const unsigned odd = before | 0x8040 | 0x3F;  // Flush, and flags raised.
  _mm_setcsr(odd);
  const std::vector<float> logits = Visit();
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(after, odd);
  EXPECT_EQ(logits, Expected());
#endif
}

// Each entry by itself, also one that fails.
TEST(MannersTest, EntriesLeaveNoExceptionFlags) {
  const ContextPointer context = MakeContext();
  const ModelPointer model = LoadPocket(context.get());
  const SessionPointer session = MakeSession(model.get());
  ASSERT_TRUE(session != nullptr);
  const std::vector<baleen_token> prompt = Prompt(model.get(), 20);
  std::feclearexcept(FE_ALL_EXCEPT);
  baleen_session_append(session.get(), prompt.data(), prompt.size(), nullptr);
  EXPECT_EQ(std::fetestexcept(FE_ALL_EXCEPT), 0);
  baleen_session_truncate(session.get(), 1000, nullptr);
  baleen_model* none = nullptr;
  baleen_model_load(context.get(), "/no/such/folder", nullptr, &none, nullptr);
  EXPECT_EQ(std::fetestexcept(FE_ALL_EXCEPT), 0);
}

TEST(MannersTest, PrintsNothingAndNeedsNoStandardStreams) {
  const std::vector<float>& expected = Expected();
  // With the streams closed, files of the model get descriptors 0, 1 and 2.
  EXPECT_EQ(InChild([&expected] {
              close(0);
              close(1);
              close(2);
              const std::vector<float> logits = Visit();
              if (logits != expected) return 1;
              for (int descriptor = 0; descriptor < 3; ++descriptor) {
                if (fcntl(descriptor, F_GETFD) != -1) return 2;
              }
              return 0;
            }),
            0);
  // With the streams in a file, nothing is in it afterwards.
  std::string name =
      (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
  const int file = mkstemp(name.data());
  ASSERT_GE(file, 0);
  EXPECT_EQ(InChild([file] {
              dup2(file, 1);
              dup2(file, 2);
              Visit();
              baleen_context* context = nullptr;
              baleen_context_create(nullptr, &context, nullptr);
              baleen_model* model = nullptr;
              baleen_model_load(context, "/no/such/folder", nullptr, &model,
                                nullptr);
              baleen_context_release(context);
              return 0;
            }),
            0);
  EXPECT_EQ(lseek(file, 0, SEEK_END), 0);
  close(file);
  std::filesystem::remove(name);
}

std::vector<std::string> Environment() {
  std::vector<std::string> lines;
  for (char** line = environ; *line != nullptr; ++line) lines.push_back(*line);
  return lines;
}

std::vector<struct sigaction> Handlers() {
  std::vector<struct sigaction> handlers;
  for (int signal = 1; signal < 65; ++signal) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) == 0) handlers.push_back(action);
  }
  return handlers;
}

TEST(MannersTest, LeavesEnvironmentAndSignalHandlersAlone) {
  ASSERT_FALSE(Expected().empty());
  const std::vector<std::string> environment = Environment();
  const std::vector<struct sigaction> handlers = Handlers();
  sigset_t mask_before;
  sigprocmask(SIG_SETMASK, nullptr, &mask_before);
  Visit();
  EXPECT_EQ(Environment(), environment);
  const std::vector<struct sigaction> after = Handlers();
  ASSERT_EQ(after.size(), handlers.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].sa_handler, handlers[i].sa_handler) << i;
    EXPECT_EQ(after[i].sa_flags, handlers[i].sa_flags) << i;
  }
  sigset_t mask_after;
  sigprocmask(SIG_SETMASK, nullptr, &mask_after);
  for (int signal = 1; signal < 65; ++signal) {
    EXPECT_EQ(sigismember(&mask_after, signal),
              sigismember(&mask_before, signal));
  }
}

// Makes a locale with a decimal comma in a folder and takes it; false if the
// system lacks the sources of locales.
bool TakeGermanLocale(const std::filesystem::path& folder) {
  const std::string command = "localedef -i de_DE -f UTF-8 '" +
                              (folder / "de_DE.UTF-8").string() +
                              "' >/dev/null 2>&1";
  // Its status is that of warnings too; what counts is the locale.
  (void)!std::system(command.c_str());
  setenv("LOCPATH", folder.c_str(), 1);
  const bool taken = setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
  unsetenv("LOCPATH");
  return taken && std::strcmp(localeconv()->decimal_point, ",") == 0;
}

TEST(MannersTest, AnOddLocaleChangesNothingAndStays) {
  const std::vector<float>& expected = Expected();
  std::string name =
      (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(name.data());
  constexpr int kNoLocale = 77;
  const int result = InChild([&] {
    if (!TakeGermanLocale(folder)) return kNoLocale;
    const std::string before = setlocale(LC_ALL, nullptr);
    if (Visit() != expected) return 1;
    return before == setlocale(LC_ALL, nullptr) ? 0 : 2;
  });
  std::filesystem::remove_all(folder);
  if (result == kNoLocale) {
    GTEST_SKIP() << "localedef cannot make a locale with a decimal comma here";
  }
  EXPECT_EQ(result, 0);
}

size_t EntryCount(const char* folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    (void)entry;
    ++count;
  }
  return count;
}

TEST(MannersTest, GivesThreadsAndFilesBack) {
  ASSERT_FALSE(Expected().empty());
  const size_t files = EntryCount("/proc/self/fd");
  const size_t threads = EntryCount("/proc/self/task");
  Visit();
  EXPECT_EQ(EntryCount("/proc/self/fd"), files);
  EXPECT_EQ(EntryCount("/proc/self/task"), threads);
}

TEST(MannersTest, MakesNoThreadWhereTheHostBringsWorkers) {
  static size_t most_threads;
  most_threads = EntryCount("/proc/self/task");
  const size_t before = most_threads;
  baleen_workers workers = {};
  workers.struct_size = sizeof workers;
  workers.width = 1;
  workers.run = [](void*, uint32_t count, baleen_task_fn task, void* data) {
    most_threads = std::max(most_threads, EntryCount("/proc/self/task"));
    for (uint32_t i = 0; i < count; ++i) task(data, i);
  };
  baleen_context_options options = ContextOptions();
  options.workers = &workers;
  EXPECT_EQ(Visit(&options), Expected());
  most_threads = std::max(most_threads, EntryCount("/proc/self/task"));
  EXPECT_EQ(most_threads, before);
}

// No signal of the host's is delivered to a thread of ours.
TEST(MannersTest, ItsThreadsBlockSignals) {
  baleen_context_options options = ContextOptions();
  options.thread_count = 3;
  const size_t before = EntryCount("/proc/self/task");
  const ContextPointer context = MakeContext(&options);
  ASSERT_EQ(EntryCount("/proc/self/task"), before + 2);
  size_t blocking = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(entry.path() / "status");
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("SigBlk:", 0) != 0) continue;
      const uint64_t mask = std::strtoull(line.c_str() + 7, nullptr, 16);
      const uint64_t interrupt = uint64_t{1} << (SIGINT - 1);
      blocking += (mask & interrupt) != 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(blocking, 2u);
}

}  // namespace
}  // namespace baleen_test
