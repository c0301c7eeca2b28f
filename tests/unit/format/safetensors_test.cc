// The header of a safetensors file: every rule of the format, and every cut and
// every flipped bit of a small file.
#include "format/safetensors.h"

#include <gtest/gtest.h>

#include <string>

#include "unit/format/safetensors_text.h"
#include "unit/memory_files.h"

namespace baleen {
namespace {

class SafetensorsTest : public ::testing::Test {
 protected:
  // Reads `file` as what lies at "a.safetensors".
  Status Read(const std::string& file) {
    MemoryFiles hooks;
    hooks["a.safetensors"] = file;
    const FileSystem files(hooks.hooks(), &memory_);
    Result<File> opened = files.Open("a.safetensors");
    if (!opened.ok()) return opened.status();
    tensors_.clear();
    return ReadSafetensorsHeader(*opened, 7, &memory_, &names_, &tensors_);
  }

  // Expects a refusal with `code` whose message names the file and has `part`.
  void ExpectRefused(const std::string& file, baleen_status code,
                     const std::string& part) {
    const Status status = Read(file);
    EXPECT_EQ(status.code(), code) << file;
    const std::string message = status.message();
    EXPECT_NE(message.find("a.safetensors"), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }

  HostMemory memory_{nullptr};
  Block names_;
  Vector<StoredTensor> tensors_{&memory_};
};

TEST_F(SafetensorsTest, ReadsNamesTypesShapesAndPlaces) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},)"
      R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("\u0061":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("empty":{"dtype":"I64","shape":[0,5],"data_offsets":[16,16]}}  )";
  const Status status = Read(Safetensors(header, std::string(16, 'x')));
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(tensors_.size(), 3u);
  EXPECT_EQ(tensors_[0].name, "b");
  EXPECT_EQ(tensors_[0].type, StoredType::kBf16);
  EXPECT_EQ(tensors_[0].rank, 2);
  EXPECT_EQ(tensors_[0].shape[0], 2);
  EXPECT_EQ(tensors_[0].shape[1], 3);
  EXPECT_EQ(tensors_[0].ElementCount(), 6);
  EXPECT_EQ(tensors_[0].offset, 8 + header.size() + 4);
  EXPECT_EQ(tensors_[0].byte_count, 12u);
  EXPECT_EQ(tensors_[0].file, 7u);
  EXPECT_EQ(tensors_[1].name, "a");
  EXPECT_EQ(tensors_[1].rank, 0);
  EXPECT_EQ(tensors_[1].ElementCount(), 1);
  EXPECT_EQ(tensors_[2].byte_count, 0u);
}

TEST_F(SafetensorsTest, KnowsTheSizeOfEveryType) {
  const struct {
    StoredType type;
    const char* name;
    size_t bytes;  // Of eight elements.
  } kTypes[] = {
      {StoredType::kBool, "BOOL", 8},      {StoredType::kU8, "U8", 8},
      {StoredType::kI8, "I8", 8},          {StoredType::kI16, "I16", 16},
      {StoredType::kU16, "U16", 16},       {StoredType::kI32, "I32", 32},
      {StoredType::kU32, "U32", 32},       {StoredType::kI64, "I64", 64},
      {StoredType::kU64, "U64", 64},       {StoredType::kF16, "F16", 16},
      {StoredType::kBf16, "BF16", 16},     {StoredType::kF32, "F32", 32},
      {StoredType::kF64, "F64", 64},       {StoredType::kF8E4m3, "F8_E4M3", 8},
      {StoredType::kF8E5m2, "F8_E5M2", 8}, {StoredType::kF8E8m0, "F8_E8M0", 8},
      {StoredType::kF4, "F4", 4}};
  for (const auto& type : kTypes) {
    const std::string header = std::string(R"({"t":{"dtype":")") + type.name +
                               R"(","shape":[8],"data_offsets":[0,)" +
                               std::to_string(type.bytes) + "]}}";
    const Status status =
        Read(Safetensors(header, std::string(type.bytes, '\0')));
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(tensors_[0].type, type.type);
    EXPECT_STREQ(StoredTypeName(type.type), type.name);
    EXPECT_EQ(StoredTypeBits(type.type), type.bytes);
  }
}

TEST_F(SafetensorsTest, AnEmptyFileOfTensorsIsOne) {
  EXPECT_TRUE(Read(Safetensors("{}", "")).ok());
  EXPECT_TRUE(tensors_.empty());
}

TEST_F(SafetensorsTest, RefusesWhatTheFormatForbids) {
  const auto one = [](const std::string& value) {
    return Safetensors(R"({"t":)" + value + "}", std::string(8, 'x'));
  };
  const struct {
    std::string file;
    baleen_status code;
    const char* part;
  } kCases[] = {
      {"", BALEEN_CORRUPT, "too short"},
      {"1234567", BALEEN_CORRUPT, "too short"},
      {Safetensors("", ""), BALEEN_CORRUPT, "not valid JSON"},
      {Safetensors("[]", ""), BALEEN_CORRUPT, "not an object"},
      {Safetensors("{", ""), BALEEN_CORRUPT, "not valid JSON"},
      {Safetensors("{}", "").substr(0, 9), BALEEN_CORRUPT, "2 bytes"},
      {std::string(8, '\xFF') + "{}", BALEEN_CORRUPT, "header has"},
      {one("1"), BALEEN_CORRUPT, "tensor t"},
      {one("{}"), BALEEN_CORRUPT, "no dtype"},
      {one(R"({"dtype":"F3","shape":[2],"data_offsets":[0,8]})"),
       BALEEN_UNSUPPORTED, "unknown dtype F3"},
      {one(R"({"dtype":"F32","data_offsets":[0,8]})"), BALEEN_CORRUPT,
       "no shape"},
      {one(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"), BALEEN_CORRUPT,
       "no shape"},
      {one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"),
       BALEEN_CORRUPT, "no size"},
      {one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"),
       BALEEN_CORRUPT, "no size"},
      {one(R"({"dtype":"F32","shape":["2"],"data_offsets":[0,8]})"),
       BALEEN_CORRUPT, "no size"},
      {one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],)"
           R"("data_offsets":[0,8]})"),
       BALEEN_CORRUPT, "8 dimensions"},
      {one(R"({"dtype":"F32","shape":[4294967296,4294967296],)"
           R"("data_offsets":[0,8]})"),
       BALEEN_CORRUPT, "overflows"},
      {one(R"({"dtype":"F4","shape":[15],"data_offsets":[0,8]})"),
       BALEEN_CORRUPT, "inside a byte"},
      {one(R"({"dtype":"F32","shape":[2]})"), BALEEN_CORRUPT, "data_offsets"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})"), BALEEN_CORRUPT,
       "data_offsets"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})"),
       BALEEN_CORRUPT, "data_offsets"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"),
       BALEEN_CORRUPT, "data_offsets"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"),
       BALEEN_CORRUPT, "bytes 8 to 0"},
      {one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,12]})"),
       BALEEN_CORRUPT, "of 8 bytes of data"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,8]})"),
       BALEEN_CORRUPT, "type and shape make 4"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
       BALEEN_CORRUPT, "4 bytes behind its last tensor"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})"),
       BALEEN_CORRUPT, "hole"},
      {Safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                   R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                   std::string(8, 'x')),
       BALEEN_CORRUPT, "overlap before tensor a"},
      {Safetensors(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                   R"("b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
                   "12345"),
       BALEEN_CORRUPT, "hole in its data before tensor b"},
      {Safetensors("{}", "x"), BALEEN_CORRUPT, "1 bytes behind"}};
  for (const auto& test : kCases) {
    ExpectRefused(test.file, test.code, test.part);
  }
}

TEST_F(SafetensorsTest, LongNamesAreCutInMessages) {
  const Status status =
      Read(Safetensors("{\"" + std::string(10'000, 'n') + "\":{}}", ""));
  EXPECT_NE(std::string(status.message()).find("has no dtype"),
            std::string::npos)
      << status.message();
}

}  // namespace
}  // namespace baleen
