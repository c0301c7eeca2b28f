// Two copies of the library in one process, as when a program and a plug-in of
// it each bring their own: they share nothing, and do not get in each other's way.
#include <dlfcn.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <baleen/baleen.h>
#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

struct Log {
  int lines = 0;
};

void CountLine(void* log, baleen_log_level, const char*) {
  ++static_cast<Log*>(log)->lines;
}

// A library loaded from a file of its own, for itself.
class Copy {
 public:
  explicit Copy(const fs::path& path)
      : library_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    EXPECT_NE(library_, nullptr) << dlerror();
  }

  template <typename Function>
  Function* Find(Function*, const char* name) const {
    return reinterpret_cast<Function*>(dlsym(library_, name));
  }

 private:
  void* library_;  // Stays, as plug-ins do.
};

#define FIND(copy, name) \
  (copy).Find(static_cast<decltype(&name)>(nullptr), #name)

baleen_context* MakeContext(const Copy& copy, Log* log) {
  baleen_context_options options = {};
  options.struct_size = sizeof options;
  options.thread_count = 2;
  options.log = CountLine;
  options.log_level = BALEEN_LOG_DEBUG;
  options.log_user_data = log;
  baleen_context* context = nullptr;
  EXPECT_EQ(FIND(copy, baleen_context_create)(&options, &context, nullptr),
            BALEEN_OK);
  return context;
}

baleen_model* Load(const Copy& copy, baleen_context* context) {
  baleen_model* model = nullptr;
  EXPECT_EQ(FIND(copy, baleen_model_load)(context, BALEEN_TEST_DATA "/pocket",
                                          nullptr, &model, nullptr),
            BALEEN_OK);
  return model;
}

TEST(TwoCopiesTest, DoNotMeet) {
  std::string name = (fs::temp_directory_path() / "baleen-XXXXXX").string();
  const fs::path folder = mkdtemp(name.data());
  fs::copy_file(BALEEN_LIBRARY, folder / "first.so");
  fs::copy_file(BALEEN_LIBRARY, folder / "second.so");
  const Copy first(folder / "first.so");
  const Copy second(folder / "second.so");
  EXPECT_NE(FIND(first, baleen_context_create),
            FIND(second, baleen_context_create));
  Log logs[2];
  baleen_context* const one = MakeContext(first, &logs[0]);
  baleen_context* const two = MakeContext(second, &logs[1]);
  const int before = logs[0].lines;
  baleen_model* const model = Load(second, two);
  EXPECT_EQ(logs[0].lines, before);  // The other's log is the other's.
  FIND(first, baleen_context_release)(one);
  // One gone, the other computes on.
  baleen_session* session = nullptr;
  EXPECT_EQ(
      FIND(second, baleen_session_create)(model, nullptr, &session, nullptr),
      BALEEN_OK);
  const baleen_token tokens[] = {0, 300, 301};
  EXPECT_EQ(FIND(second, baleen_session_append)(session, tokens, 3, nullptr),
            BALEEN_OK);
  FIND(second, baleen_session_release)(session);
  FIND(second, baleen_model_release)(model);
  FIND(second, baleen_context_release)(two);
  fs::remove_all(folder);
}

}  // namespace
