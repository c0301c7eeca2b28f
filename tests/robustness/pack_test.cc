// Packing and packed models when files, disks and memory fail: the k-th call,
// for every k, and files that were cut or changed at every place that counts.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "robustness/allocator.h"
#include "robustness/files.h"
#include "robustness/pocket.h"

namespace baleen_test {
namespace {

namespace fs = std::filesystem;

class PackTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "baleen-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Packed() const { return (folder_ / "packed").string(); }
  size_t FileCount() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_),
                                             fs::directory_iterator()));
  }
  baleen_status Pack(const ContextPointer& context, baleen_error* error) const {
    return baleen_model_pack(context.get(), PocketPath().c_str(),
                             Packed().c_str(), nullptr, error);
  }
  baleen_status Load(const ContextPointer& context, uint32_t flags,
                     ModelPointer* model, baleen_error* error) const {
    baleen_model_options options = {};
    options.struct_size = sizeof options;
    options.flags = flags;
    baleen_model* handle = nullptr;
    const baleen_status status = baleen_model_load(
        context.get(), Packed().c_str(), &options, &handle, error);
    model->reset(handle);
    return status;
  }
  // A packed model, made without anything going wrong.
  void MakePacked() const {
    const ContextPointer context = MakeContext();
    baleen_error error = {};
    ASSERT_EQ(Pack(context, &error), BALEEN_OK) << error.message;
  }
  std::string ReadPacked() const {
    std::ifstream file(Packed(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void WritePacked(const std::string& bytes) const {
    std::ofstream(Packed(), std::ios::binary | std::ios::trunc) << bytes;
  }

  fs::path folder_;
};

// Hosts that map and hosts that do not.
class PackFileTest : public PackTest,
                     public testing::WithParamInterface<int> {};

TEST_P(PackFileTest, EveryCallOfAPackingMayFailAndNothingIsLeftBehind) {
  TestFiles files(GetParam());
  baleen_context_options options = ContextOptions();
  options.files = files.hooks();
  options.thread_count = 1;
  const ContextPointer context = MakeContext(&options);
  baleen_error error = {};
  ASSERT_EQ(Pack(context, &error), BALEEN_OK) << error.message;
  const std::string whole = ReadPacked();
  const int64_t all = files.calls();
  EXPECT_GT(all, 100);  // Reads of each tensor, writes of each part.
  // Each of the early and late ones, where calls differ; between them are
  // hundreds of reads and writes of parts.
  for (int64_t k = 1; k <= all; k += (k < 60 || k > all - 60) ? 1 : 23) {
    fs::remove(Packed());
    files.FailAt(k);
    const baleen_status status = Pack(context, &error);
    ASSERT_TRUE(files.failed()) << k;
    EXPECT_EQ(files.open_files(), 0) << k;
    EXPECT_EQ(files.mapped(), 0) << k;
    if (status == BALEEN_OK) {
      // Of a file that need not be there, or of a mapping: it was read instead.
      EXPECT_EQ(FileCount(), 1u) << k;
    } else {
      EXPECT_TRUE(status == BALEEN_IO || status == BALEEN_NOT_FOUND)
          << k << ": " << error.message;
      EXPECT_EQ(FileCount(), 0u) << k;
      EXPECT_NE(std::strchr(error.message, '/'), nullptr) << error.message;
    }
  }
  files.FailAt(0);
  ASSERT_EQ(Pack(context, &error), BALEEN_OK) << error.message;
  EXPECT_TRUE(ReadPacked() == whole);
}

TEST_P(PackFileTest, EveryCallOfALoadMayFail) {
  MakePacked();
  TestFiles files(GetParam());
  baleen_context_options options = ContextOptions();
  options.files = files.hooks();
  const ContextPointer context = MakeContext(&options);
  baleen_error error = {};
  ModelPointer model;
  ASSERT_EQ(Load(context, BALEEN_MODEL_VERIFY, &model, &error), BALEEN_OK)
      << error.message;
  model.reset();
  const int64_t all = files.calls();
  for (int64_t k = 1; k <= all; k += k < 60 ? 1 : 23) {
    files.FailAt(k);
    const baleen_status status =
        Load(context, BALEEN_MODEL_VERIFY, &model, &error);
    ASSERT_TRUE(files.failed()) << k;
    EXPECT_EQ(status == BALEEN_OK, model != nullptr);
    if (status != BALEEN_OK) {
      EXPECT_TRUE(status == BALEEN_IO || status == BALEEN_NOT_FOUND)
          << k << ": " << error.message;
    }
    model.reset();
    EXPECT_EQ(files.open_files(), 0) << k;
    EXPECT_EQ(files.mapped(), 0) << k;
  }
}

INSTANTIATE_TEST_SUITE_P(Hosts, PackFileTest,
                         testing::Values(0, TestFiles::kNoMap));

TEST_F(PackTest, EveryAllocationMayFail) {
  TestAllocator allocator;
  baleen_context_options options = ContextOptions();
  options.allocator = allocator.hooks();
  options.thread_count = 1;
  {
    const ContextPointer context = MakeContext(&options);
    const std::function<baleen_status(baleen_error*)> calls[] = {
        [&](baleen_error* error) { return Pack(context, error); },
        [&](baleen_error* error) {
          ModelPointer model;
          return Load(context, 0, &model, error);
        }};
    for (const auto& call : calls) {
      baleen_error error = {};
      // The first call of all opens the device, which stays.
      ASSERT_EQ(call(&error), BALEEN_OK) << error.message;
      const int64_t start = allocator.calls();
      ASSERT_EQ(call(&error), BALEEN_OK) << error.message;
      const int64_t all = allocator.calls() - start;
      const int64_t before = allocator.bytes();
      for (int64_t k = 1; k <= all; ++k) {
        allocator.FailAt(k);
        EXPECT_EQ(call(&error), BALEEN_OUT_OF_MEMORY) << k;
        // A context keeps a thread's last failure of a backend.
        EXPECT_LE(allocator.bytes(), before + 512) << "a leak at " << k;
      }
      allocator.FailAt(0);
      ASSERT_EQ(call(&error), BALEEN_OK) << error.message;
    }
    EXPECT_EQ(FileCount(), 1u);
  }
  EXPECT_EQ(allocator.bytes(), 0);
  EXPECT_EQ(allocator.mistakes(), 0) << allocator.last_mistake();
}

// The system's limit of a file's size is met as a full disk is: a write fails.
TEST_F(PackTest, AFullDiskIsAStatusAndLeavesNothingBehind) {
  const ContextPointer context = MakeContext();
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  baleen_error error = {};
  for (const rlim_t limit : {rlim_t{0}, rlim_t{5000}, rlim_t{3'000'000}}) {
    const rlimit small = {limit, old.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const baleen_status status = Pack(context, &error);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
    EXPECT_EQ(status, BALEEN_IO) << error.message;
    EXPECT_EQ(FileCount(), 0u);
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(Pack(context, &error), BALEEN_OK) << error.message;
}

TEST_F(PackTest, AnOldFileStaysUntilTheNewOneIsWhole) {
  WritePacked("old");
  TestFiles files;
  baleen_context_options options = ContextOptions();
  options.files = files.hooks();
  const ContextPointer context = MakeContext(&options);
  baleen_error error = {};
  ASSERT_EQ(Pack(context, &error), BALEEN_OK) << error.message;
  const int64_t all = files.calls();
  WritePacked("old");
  for (const int64_t k : {all, all - 1}) {  // Renaming, and syncing.
    files.FailAt(k);
    EXPECT_EQ(Pack(context, &error), BALEEN_IO);
    EXPECT_EQ(ReadPacked(), "old");
    EXPECT_EQ(FileCount(), 1u);
  }
}

TEST_F(PackTest, NoTruncatedFileIsOpened) {
  MakePacked();
  const std::string whole = ReadPacked();
  const ContextPointer context = MakeContext();
  std::vector<size_t> sizes = {whole.size() - 1, whole.size() / 2, 100'000};
  for (size_t size = 0; size <= 320; ++size) sizes.push_back(size);
  for (const size_t size : sizes) {
    WritePacked(whole.substr(0, size));
    ModelPointer model;
    baleen_error error = {};
    EXPECT_EQ(Load(context, 0, &model, &error), BALEEN_CORRUPT) << size;
    EXPECT_NE(std::strstr(error.message, Packed().c_str()), nullptr)
        << error.message;
  }
  WritePacked(whole + '\0');
  ModelPointer model;
  baleen_error error = {};
  EXPECT_EQ(Load(context, 0, &model, &error), BALEEN_CORRUPT);
}

// Of the header, the index, the texts, and (when it is asked for) the weights.
TEST_F(PackTest, NoChangedFileIsOpened) {
  MakePacked();
  const std::string whole = ReadPacked();
  const ContextPointer context = MakeContext();
  std::vector<size_t> places;
  for (size_t place = 0; place < 300; ++place) places.push_back(place);
  for (size_t place = 300; place < whole.size(); place += whole.size() / 99) {
    places.push_back(place);
  }
  size_t refused = 0;
  for (const size_t place : places) {
    std::string changed = whole;
    changed[place] = static_cast<char>(changed[place] ^ 1 << place % 8);
    WritePacked(changed);
    ModelPointer model;
    baleen_error error = {};
    const baleen_status status =
        Load(context, BALEEN_MODEL_VERIFY, &model, &error);
    if (status == BALEEN_OK) {
      // Between ranges there are zeros, which nobody reads.
      EXPECT_EQ(whole[place], '\0') << place;
      continue;
    }
    ++refused;
    // A version that is not known is refused as such.
    EXPECT_EQ(status,
              place >= 8 && place < 12 ? BALEEN_UNSUPPORTED : BALEEN_CORRUPT)
        << place << ": " << error.message;
  }
  EXPECT_GT(refused, 320u);
}

// Memory while packing, weights and files of any size beside it.
TEST_F(PackTest, TakesNoMoreMemoryThanItsBatches) {
  TestAllocator allocator;
  baleen_context_options options = ContextOptions();
  options.allocator = allocator.hooks();
  const ContextPointer context = MakeContext(&options);
  allocator.ResetPeak();
  baleen_error error = {};
  ASSERT_EQ(Pack(context, &error), BALEEN_OK) << error.message;
  // The pocket model is smaller than a batch: twice its weights, and texts.
  EXPECT_LT(allocator.peak_bytes(), int64_t{40} << 20);
}

}  // namespace
}  // namespace baleen_test
