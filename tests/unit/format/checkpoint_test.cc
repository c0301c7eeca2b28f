// Checkpoints as folders: one file or shards, what an index may say, and what is
// refused; through POSIX and through hosts that fail or cannot map.
#include "format/checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "unit/failing_memory.h"
#include "unit/format/safetensors_text.h"
#include "unit/memory_files.h"

namespace baleen {
namespace {

constexpr char kIndex[] = "m/model.safetensors.index.json";
constexpr char kSingle[] = "m/model.safetensors";

std::string ReadTestFile(const std::string& name) {
  std::ifstream in(BALEEN_TEST_DATA "/" + name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string U8(const std::string& name, size_t begin, size_t end) {
  return "\"" + name + R"(":{"dtype":"U8","shape":[)" +
         std::to_string(end - begin) + R"(],"data_offsets":[)" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

// Two shards of three tensors.
void AddShards(MemoryFiles* files) {
  (*files)["m/1.safetensors"] =
      Safetensors("{" + U8("a", 0, 2) + "," + U8("b", 2, 3) + "}", "aab");
  (*files)["m/2.safetensors"] = Safetensors("{" + U8("c", 0, 4) + "}", "cccc");
  (*files)[kIndex] =
      R"({"metadata":{"total_size":7},"weight_map":{"a":"1.safetensors",)"
      R"("c":"2.safetensors","b":"1.safetensors"}})";
}

class CheckpointTest : public ::testing::Test {
 protected:
  ~CheckpointTest() override {
    EXPECT_EQ(hooks_.open, 0);
    EXPECT_EQ(hooks_.mapped, 0);
    EXPECT_EQ(hooks_.unmapped_after_close, 0);
  }

  Result<Checkpoint> Open() {
    files_.emplace(hooks_.hooks(), &memory_);
    return Checkpoint::Open(*files_, "m");
  }

  void ExpectRefused(baleen_status code, const std::string& part) {
    const Status status = Open().status();
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(std::string(status.message()).find(part), std::string::npos)
        << status.message();
  }

  // Opens with a changed file, which must load or be refused with a message
  // that names a file.  Says whether it was refused.
  bool IsRefused(const std::string& file, const std::string& changed) {
    hooks_[file] = changed;
    const Result<Checkpoint> opened = Open();
    if (opened.ok()) return false;
    EXPECT_NE(std::string(opened.status().message()).find("m/"),
              std::string::npos)
        << opened.status().message();
    return true;
  }

  HostMemory memory_{nullptr};
  MemoryFiles hooks_;
  std::optional<FileSystem> files_;
};

TEST_F(CheckpointTest, OpensShardsThroughTheIndex) {
  AddShards(&hooks_);
  const Result<Checkpoint> opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_EQ(opened->tensors().size(), 3u);
  EXPECT_EQ(opened->file_count(), 2u);
  EXPECT_EQ(opened->byte_count(), 7u);
  EXPECT_EQ(opened->copied_bytes(), 0u);
  EXPECT_EQ(opened->mapped_bytes(), hooks_["m/1.safetensors"].size() +
                                        hooks_["m/2.safetensors"].size());
  const struct {
    const char* name;
    const char* data;
    const char* file;
  } kTensors[] = {{"a", "aa", "m/1.safetensors"},
                  {"b", "b", "m/1.safetensors"},
                  {"c", "cccc", "m/2.safetensors"}};
  for (const auto& expected : kTensors) {
    const StoredTensor* tensor = opened->Find(expected.name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->name, expected.name);
    EXPECT_STREQ(opened->file_name(tensor->file), expected.file);
    EXPECT_EQ(std::string(static_cast<const char*>(tensor->data),
                          static_cast<size_t>(tensor->byte_count)),
              expected.data);
    // Viewed, not copied.
    const std::string& file = hooks_[expected.file];
    EXPECT_EQ(tensor->data, file.data() + tensor->offset);
  }
  EXPECT_EQ(opened->Find("d"), nullptr);
  EXPECT_EQ(opened->Find(""), nullptr);
}

TEST_F(CheckpointTest, ReadsWhatTheHostCannotMap) {
  AddShards(&hooks_);
  hooks_.ForbidMapping();
  const Result<Checkpoint> opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_EQ(opened->mapped_bytes(), 0u);
  EXPECT_EQ(opened->copied_bytes(), hooks_["m/1.safetensors"].size() +
                                        hooks_["m/2.safetensors"].size());
  EXPECT_EQ(std::memcmp(opened->Find("c")->data, "cccc", 4), 0);
}

TEST_F(CheckpointTest, CopiesOnlyTensorsThatLieMisaligned) {
  // One byte, then a float that lies at an odd place, then bytes.
  std::string header =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
      R"("f":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},)"
      R"("e":{"dtype":"F32","shape":[0],"data_offsets":[1,1]},)"
      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const float values[2] = {1.5F, -2.25F};
  std::string data = "a";
  data.append(reinterpret_cast<const char*>(values), sizeof values);
  hooks_[kSingle] = Safetensors(header, data + "b");
  const Result<Checkpoint> opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_EQ(opened->copied_bytes(), 8u);
  const StoredTensor* tensor = opened->Find("f");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->data) % sizeof(float), 0u);
  EXPECT_EQ(static_cast<const float*>(tensor->data)[0], 1.5F);
  EXPECT_EQ(static_cast<const float*>(tensor->data)[1], -2.25F);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(opened->Find("e")->data) % 4, 0u);
  EXPECT_EQ(opened->Find("b")->data,
            hooks_[kSingle].data() + opened->Find("b")->offset);
}

TEST_F(CheckpointTest, MovesWithItsNamesAndViews) {
  AddShards(&hooks_);
  Result<Checkpoint> opened = Open();
  ASSERT_TRUE(opened.ok());
  Checkpoint moved = *std::move(opened);
  Result<Checkpoint> again = Checkpoint::Open(*files_, "m");
  ASSERT_TRUE(again.ok());
  moved = *std::move(again);
  ASSERT_NE(moved.Find("c"), nullptr);
  EXPECT_EQ(std::memcmp(moved.Find("c")->data, "cccc", 4), 0);
}

TEST_F(CheckpointTest, TheIndexDecidesBeforeASingleFile) {
  hooks_[kSingle] = Safetensors("{" + U8("x", 0, 1) + "}", "x");
  ASSERT_TRUE(Open().ok());
  EXPECT_NE(Open()->Find("x"), nullptr);
  AddShards(&hooks_);
  EXPECT_EQ(Open()->Find("x"), nullptr);
}

TEST_F(CheckpointTest, TensorsBesideTheIndexAreThere) {
  AddShards(&hooks_);
  hooks_[kIndex] = R"({"weight_map":{"a":"1.safetensors"}})";
  const Result<Checkpoint> opened = Open();
  ASSERT_TRUE(opened.ok());
  EXPECT_NE(opened->Find("b"), nullptr);
  EXPECT_EQ(opened->Find("c"), nullptr);
}

TEST_F(CheckpointTest, RefusesAFolderWithoutWeights) {
  ExpectRefused(BALEEN_NOT_FOUND, "m has neither");
}

TEST_F(CheckpointTest, RefusesIndexesThatAreWrong) {
  const struct {
    const char* index;
    baleen_status code;
    const char* part;
  } kCases[] = {
      {"", BALEEN_CORRUPT, kIndex},
      {"[]", BALEEN_CORRUPT, "no weight_map"},
      {R"({"weight_map":[]})", BALEEN_CORRUPT, "no weight_map"},
      {R"({"weight_map":{}})", BALEEN_CORRUPT, "names no file"},
      {R"({"weight_map":{"a":1}})", BALEEN_CORRUPT, "no plain name"},
      {R"({"weight_map":{"a":""}})", BALEEN_CORRUPT, "no plain name"},
      {R"({"weight_map":{"a":".."}})", BALEEN_CORRUPT, "no plain name"},
      {R"({"weight_map":{"a":"../m/1.safetensors"}})", BALEEN_CORRUPT,
       "no plain name"},
      {R"({"weight_map":{"a":"/m/1.safetensors"}})", BALEEN_CORRUPT,
       "no plain name"},
      {R"({"weight_map":{"a":"..\\1.safetensors"}})", BALEEN_CORRUPT,
       "no plain name"},
      {R"({"weight_map":{"a":"1.safetensors\u0000"}})", BALEEN_CORRUPT,
       "no plain name"},
      {R"({"weight_map":{"a":"3.safetensors"}})", BALEEN_NOT_FOUND,
       "m/3.safetensors"},
      {R"({"weight_map":{"a":"1.safetensors","c":"1.safetensors"}})",
       BALEEN_CORRUPT, "tensor c is in"},
      {R"({"weight_map":{"a":"2.safetensors","b":"1.safetensors"}})",
       BALEEN_CORRUPT, "tensor a is in m/1.safetensors, not in 2.safetensors"},
  };
  for (const auto& test : kCases) {
    AddShards(&hooks_);
    hooks_[kIndex] = test.index;
    ExpectRefused(test.code, test.part);
  }
}

TEST_F(CheckpointTest, RefusesTooManyFiles) {
  std::string index = R"({"weight_map":{)";
  for (int i = 0; i < 5000; ++i) {
    const std::string number = std::to_string(i);
    index += (i == 0 ? "\"" : ",\"") + number + "\":\"" + number + "\"";
  }
  hooks_[kIndex] = index + "}}";
  ExpectRefused(BALEEN_CORRUPT, "5000 files");
}

TEST_F(CheckpointTest, RefusesNamesThatOccurTwice) {
  hooks_[kSingle] =
      Safetensors("{" + U8("a", 0, 2) + "," + U8("a", 2, 3) + "}", "aab");
  ExpectRefused(BALEEN_CORRUPT, "m/model.safetensors has tensor a twice");
  AddShards(&hooks_);
  hooks_["m/2.safetensors"] =
      Safetensors("{" + U8("c", 0, 4) + "," + U8("b", 4, 5) + "}", "ccccb");
  ExpectRefused(BALEEN_CORRUPT, "tensor b is in both m/1.safetensors and m/2");
}

TEST_F(CheckpointTest, EveryTruncationAndBitFlipIsDefined) {
  AddShards(&hooks_);
  for (const char* file : {kIndex, "m/1.safetensors"}) {
    const std::string good = hooks_[file];
    for (size_t size = 0; size < good.size(); ++size) {
      EXPECT_TRUE(IsRefused(file, good.substr(0, size))) << size;
    }
    size_t refused = 0;
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      std::string changed = good;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
      if (IsRefused(file, changed)) ++refused;
    }
    // What may pass: flips in data, metadata, and letters of names and types.
    EXPECT_GT(refused, 4 * good.size()) << file;
    hooks_[file] = good;
  }
}

TEST_F(CheckpointTest, EveryFailingReadIsAnError) {
  for (const bool mapped : {true, false}) {
    if (!mapped) hooks_.ForbidMapping();
    hooks_[kIndex] =
        ReadTestFile("tiny_v4_dspark/model.safetensors.index.json");
    hooks_[kSingle] = ReadTestFile("tiny_v4_dspark/model.safetensors");
    int64_t k = 1;
    for (;; ++k) {
      hooks_.reads = 0;
      hooks_.failing_read = k;
      const Result<Checkpoint> opened = Open();
      if (opened.ok()) break;
      EXPECT_EQ(opened.status().code(), BALEEN_IO);
      EXPECT_NE(std::string(opened.status().message()).find("m/model"),
                std::string::npos);
    }
    // The index, both parts of the header; the data, where it is not mapped.
    EXPECT_GT(k, mapped ? 3 : 4);
    EXPECT_EQ(hooks_.reads, k - 1);
    hooks_.failing_read = 0;
  }
}

TEST_F(CheckpointTest, EveryFailingAllocationLeavesNothing) {
  AddShards(&hooks_);
  bool failed = true;
  int64_t k = 1;
  for (; failed; ++k) {
    FailingMemory memory(k);
    failed = false;
    try {
      const FileSystem files(hooks_.hooks(), &memory);
      const Result<Checkpoint> opened = Checkpoint::Open(files, "m");
      EXPECT_TRUE(opened.ok());
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    EXPECT_EQ(memory.outstanding(), 0);
    EXPECT_EQ(hooks_.open, 0);
    EXPECT_EQ(hooks_.mapped, 0);
  }
  EXPECT_GT(k, 10);
}

TEST(CheckpointFilesTest, OpensTheBundledCheckpoints) {
  HostMemory memory(nullptr);
  const FileSystem files(nullptr, &memory);
  const struct {
    const char* name;
    size_t tensors;
    uint64_t bytes;
    bool misaligned;
  } kCheckpoints[] = {{"pocket", 427, 11937996, false},
                      {"tiny_v4", 427, 11667748, true},
                      {"tiny_v4_dspark", 493, 7684699, true}};
  for (const auto& expected : kCheckpoints) {
    const Result<Checkpoint> opened = Checkpoint::Open(
        files, std::string(BALEEN_TEST_DATA "/") + expected.name);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    EXPECT_EQ(opened->tensors().size(), expected.tensors);
    EXPECT_EQ(opened->byte_count(), expected.bytes);
    EXPECT_GT(opened->mapped_bytes(), opened->byte_count());
    EXPECT_EQ(opened->copied_bytes() > 0, expected.misaligned);
    const std::string file =
        ReadTestFile(std::string(expected.name) + "/model.safetensors");
    for (const StoredTensor& tensor : opened->tensors()) {
      EXPECT_EQ(opened->Find(tensor.name), &tensor);
      ASSERT_EQ(std::memcmp(tensor.data, file.data() + tensor.offset,
                            static_cast<size_t>(tensor.byte_count)),
                0)
          << tensor.name;
    }
  }
}

}  // namespace
}  // namespace baleen
