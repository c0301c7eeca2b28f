// The k-th call to the host's file system fails, for every k: each call says
// so, leaves no file open, and works when called again.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "robustness/files.h"
#include "robustness/pocket.h"

namespace baleen_test {
namespace {

class IoFaultTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string State() const { return (folder_ / "state").string(); }
  size_t FileCount() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      (void)entry;
      ++count;
    }
    return count;
  }

  std::filesystem::path folder_;
};

// Hosts whose files can be written.
class IoFaultWriterTest : public IoFaultTest {};

// What the files can say went wrong: no such file, or a read or write refused.
bool IsIoStatus(baleen_status status) {
  return status == BALEEN_NOT_FOUND || status == BALEEN_IO;
}

baleen_status Load(const ContextPointer& context, ModelPointer* model,
                   baleen_error* error) {
  baleen_model* handle = nullptr;
  const baleen_status status = baleen_model_load(
      context.get(), PocketPath().c_str(), nullptr, &handle, error);
  model->reset(handle);
  return status;
}

TEST_P(IoFaultTest, EveryCallOfALoadMayFail) {
  TestFiles files(GetParam());
  baleen_context_options options = ContextOptions();
  options.files = files.hooks();
  const ContextPointer context = MakeContext(&options);
  ModelPointer model;
  baleen_error error = {};
  ASSERT_EQ(Load(context, &model, &error), BALEEN_OK) << error.message;
  const int64_t all = files.calls();
  model.reset();
  EXPECT_EQ(files.open_files(), 0);
  int64_t refused = 0;
  for (int64_t k = 1; k <= all; ++k) {
    files.FailAt(k);
    const baleen_status status = Load(context, &model, &error);
    ASSERT_TRUE(files.failed()) << k;
    if (status == BALEEN_OK) {
      // Of a file that need not be there, or of a mapping: it was read instead.
      ASSERT_NE(model, nullptr);
    } else {
      ++refused;
      EXPECT_TRUE(IsIoStatus(status)) << k << ": " << error.message;
      EXPECT_NE(std::string(error.message).find("/"), std::string::npos)
          << "names no file: " << error.message;
      EXPECT_EQ(model, nullptr);
      EXPECT_EQ(files.open_files(), 0) << k;
      EXPECT_EQ(files.mapped(), 0) << k;
      ASSERT_EQ(Load(context, &model, &error), BALEEN_OK) << error.message;
    }
    model.reset();
    ASSERT_EQ(files.open_files(), 0) << k;
    ASSERT_EQ(files.mapped(), 0) << k;
  }
  EXPECT_GT(refused, 3);
}

TEST_P(IoFaultWriterTest, EveryCallOfASaveMayFailAndTheOldBytesStay) {
  TestFiles files(GetParam());
  baleen_context_options options = ContextOptions();
  options.files = files.hooks();
  const ContextPointer context = MakeContext(&options);
  const ModelPointer model = LoadPocket(context.get());
  const SessionPointer session = MakeSession(model.get());
  ASSERT_TRUE(session != nullptr);
  const std::vector<baleen_token> prompt = Prompt(model.get(), 40);
  baleen_error error = {};
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data(), 20, &error),
            BALEEN_OK);
  const auto save = [&] {
    return baleen_session_save_file(session.get(), nullptr, State().c_str(),
                                    &error);
  };
  ASSERT_EQ(save(), BALEEN_OK) << error.message;
  const std::vector<float> old_logits = Logits(session.get());
  ASSERT_EQ(
      baleen_session_append(session.get(), prompt.data() + 20, 20, &error),
      BALEEN_OK);
  const std::vector<float> new_logits = Logits(session.get());
  const SessionPointer other = MakeSession(model.get());
  for (int64_t k = 1;; ++k) {
    files.FailAt(k);
    const baleen_status status = save();
    files.FailAt(0);
    if (status == BALEEN_OK) {
      ASSERT_GT(k, 3) << "creating, writing, syncing and renaming can fail";
      break;
    }
    EXPECT_TRUE(IsIoStatus(status)) << error.message;
    EXPECT_EQ(FileCount(), 1u) << "a file that is not complete stayed, " << k;
    ASSERT_EQ(baleen_session_load_file(other.get(), State().c_str(), &error),
              BALEEN_OK)
        << error.message;
    EXPECT_EQ(Logits(other.get()), old_logits) << k;
  }
  ASSERT_EQ(baleen_session_load_file(other.get(), State().c_str(), &error),
            BALEEN_OK)
      << error.message;
  EXPECT_EQ(Logits(other.get()), new_logits);
}

TEST_P(IoFaultWriterTest, EveryCallOfARestoreMayFailAndTheSessionIsAsBefore) {
  TestFiles files(GetParam());
  baleen_context_options options = ContextOptions();
  options.files = files.hooks();
  const ContextPointer context = MakeContext(&options);
  const ModelPointer model = LoadPocket(context.get());
  const SessionPointer session = MakeSession(model.get());
  ASSERT_TRUE(session != nullptr);
  const std::vector<baleen_token> prompt = Prompt(model.get(), 20);
  baleen_error error = {};
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data(), 20, &error),
            BALEEN_OK);
  ASSERT_EQ(
      baleen_session_save_file(session.get(), nullptr, State().c_str(), &error),
      BALEEN_OK);
  const std::vector<float> saved = Logits(session.get());
  ASSERT_EQ(baleen_session_truncate(session.get(), 7, &error), BALEEN_OK);
  const std::vector<float> before = Logits(session.get());
  for (int64_t k = 1;; ++k) {
    files.FailAt(k);
    const baleen_status status =
        baleen_session_load_file(session.get(), State().c_str(), &error);
    const bool failed = files.failed();
    files.FailAt(0);
    if (status == BALEEN_OK && !failed) break;
    if (status == BALEEN_OK) {  // The mapping failed, so it was read.
      ASSERT_EQ(baleen_session_truncate(session.get(), 7, &error), BALEEN_OK);
      continue;
    }
    EXPECT_TRUE(IsIoStatus(status)) << error.message;
    EXPECT_EQ(Logits(session.get()), before) << k;
  }
  EXPECT_EQ(Logits(session.get()), saved);
}

TEST_P(IoFaultTest, WithoutMapWeightsAreReadAndTheLogitsAreTheSame) {
  const ContextPointer plain = MakeContext();
  const ModelPointer plain_model = LoadPocket(plain.get());
  const SessionPointer plain_session = MakeSession(plain_model.get());
  ASSERT_TRUE(plain_session != nullptr);
  const std::vector<baleen_token> prompt = Prompt(plain_model.get(), 20);
  baleen_error error = {};
  ASSERT_EQ(baleen_session_append(plain_session.get(), prompt.data(),
                                  prompt.size(), &error),
            BALEEN_OK);

  TestFiles files(GetParam());
  baleen_context_options options = ContextOptions();
  options.files = files.hooks();
  const ContextPointer context = MakeContext(&options);
  const ModelPointer model = LoadPocket(context.get());
  EXPECT_EQ(files.maps() == 0, (GetParam() & TestFiles::kNoMap) != 0);
  const SessionPointer session = MakeSession(model.get());
  ASSERT_TRUE(session != nullptr);
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK);
  EXPECT_EQ(Logits(session.get()), Logits(plain_session.get()));
}

TEST_P(IoFaultTest, OnlyHostsWithWritersSaveToFiles) {
  TestFiles files(GetParam());
  baleen_context_options options = ContextOptions();
  options.files = files.hooks();
  const ContextPointer context = MakeContext(&options);
  const ModelPointer model = LoadPocket(context.get());
  const SessionPointer session = MakeSession(model.get());
  ASSERT_TRUE(session != nullptr);
  const bool writes = (GetParam() & TestFiles::kReadOnly) == 0;
  baleen_error error = {};
  EXPECT_EQ(
      baleen_session_save_file(session.get(), nullptr, State().c_str(), &error),
      writes ? BALEEN_OK : BALEEN_UNSUPPORTED);
  EXPECT_EQ(FileCount(), writes ? 1u : 0u);
}

constexpr int kReadOnlyNoMap = TestFiles::kReadOnly | TestFiles::kNoMap;
INSTANTIATE_TEST_SUITE_P(Hosts, IoFaultTest,
                         testing::Values(0, TestFiles::kNoMap,
                                         TestFiles::kReadOnly, kReadOnlyNoMap));
INSTANTIATE_TEST_SUITE_P(Hosts, IoFaultWriterTest,
                         testing::Values(0, TestFiles::kNoMap));

}  // namespace
}  // namespace baleen_test
