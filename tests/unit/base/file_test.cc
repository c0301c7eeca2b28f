// Files through POSIX and through a host's functions, and what is left of them
// when one of these fails.
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "unit/failing_memory.h"
#include "unit/memory_files.h"

namespace baleen {
namespace {

class PosixFileTest : public testing::Test {
 protected:
  PosixFileTest() {
    char folder[] = "/tmp/baleen_file_test_XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~PosixFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const {
    return folder_ + "/" + name;
  }
  void Put(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }
  std::string Get(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t FileCount() const {
    const std::filesystem::directory_iterator files(folder_);
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  std::string folder_;
  FailingMemory memory_;
  FileSystem files_{nullptr, &memory_};
};

std::string Bytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  return bytes;
}

TEST_F(PosixFileTest, ReadsWhatIsThere) {
  const std::string bytes = Bytes(10000);
  Put("a", bytes);
  const auto file = files_.Open(Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size(), bytes.size());
  EXPECT_EQ(file->name(), Path("a"));
  std::string read(100, '\0');
  ASSERT_TRUE(file->Read(4321, read.data(), read.size()).ok());
  EXPECT_EQ(read, bytes.substr(4321, 100));
  EXPECT_TRUE(file->Read(10000, read.data(), 0).ok());
}

TEST_F(PosixFileTest, RefusesToReadBeyondTheEnd) {
  Put("a", Bytes(100));
  const auto file = files_.Open(Path("a"));
  ASSERT_TRUE(file.ok());
  char byte;
  for (const uint64_t offset : {uint64_t{100}, uint64_t{101}, ~uint64_t{0}}) {
    const Status status = file->Read(offset, &byte, 1);
    EXPECT_EQ(status.code(), BALEEN_CORRUPT);
    EXPECT_NE(std::string(status.message()).find(Path("a")), std::string::npos);
    EXPECT_EQ(file->View(offset, 1).status().code(), BALEEN_CORRUPT);
  }
  EXPECT_EQ(file->View(1, ~uint64_t{0}).status().code(), BALEEN_CORRUPT);
}

TEST_F(PosixFileTest, NoticesThatAFileWasCutMeanwhile) {
  Put("a", Bytes(100));
  const auto file = files_.Open(Path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(truncate(Path("a").c_str(), 50), 0);
  char bytes[60];
  EXPECT_EQ(file->Read(0, bytes, sizeof bytes).code(), BALEEN_IO);
}

TEST_F(PosixFileTest, MapsAnyStretch) {
  const std::string bytes = Bytes(20000);
  Put("a", bytes);
  const auto file = files_.Open(Path("a"));
  ASSERT_TRUE(file.ok());
  for (const size_t offset : {0u, 1u, 4095u, 4096u, 4097u, 12345u, 20000u}) {
    for (const size_t size : {0u, 1u, 4096u, 7000u}) {
      if (offset + size > bytes.size()) continue;
      auto view = file->View(offset, size);
      ASSERT_TRUE(view.ok());
      EXPECT_EQ(view->mapped(), size > 0);
      EXPECT_EQ(view->text(), bytes.substr(offset, size));
      const FileView moved = *std::move(view);
      EXPECT_EQ(moved.text(), bytes.substr(offset, size));
    }
  }
}

TEST_F(PosixFileTest, OpensOnlyFiles) {
  const std::string missing = Path("missing");
  const auto file = files_.Open(missing);
  EXPECT_EQ(file.status().code(), BALEEN_NOT_FOUND);
  EXPECT_EQ(file.status().message(), "cannot open " + missing);
  EXPECT_FALSE(files_.Exists(missing));
  EXPECT_EQ(files_.Open(folder_).status().code(), BALEEN_NOT_FOUND);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(files_.Open(Path("pipe")).status().code(), BALEEN_NOT_FOUND);
  Put("a", "");
  EXPECT_TRUE(files_.Exists(Path("a")));
}

TEST_F(PosixFileTest, ReadsSmallTexts) {
  Put("a", "some text");
  const auto text = files_.ReadText(Path("a"), 9);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "some text");
  EXPECT_EQ(files_.ReadText(Path("a"), 8).status().code(), BALEEN_CORRUPT);
  EXPECT_EQ(files_.ReadText(Path("b"), 8).status().code(), BALEEN_NOT_FOUND);
}

TEST_F(PosixFileTest, WritesAndReplaces) {
  Put("a", "old");
  {
    auto writer = files_.Create(Path("a"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Append("0123456789", 10).ok());
    ASSERT_TRUE(writer->WriteAt(2, "AB", 2).ok());
    ASSERT_TRUE(writer->Append("xyz", 3).ok());
    EXPECT_EQ(writer->size(), 13u);
    EXPECT_EQ(Get("a"), "old");
    ASSERT_TRUE(writer->Commit().ok());
    EXPECT_EQ(Get("a"), "01AB456789xyz");
  }
  EXPECT_EQ(Get("a"), "01AB456789xyz");
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(PosixFileTest, LeavesTheOldFileWithoutCommit) {
  Put("a", "old");
  {
    auto writer = files_.Create(Path("a"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Append("new", 3).ok());
    const FileWriter moved = *std::move(writer);
    EXPECT_EQ(moved.size(), 3u);
  }
  EXPECT_EQ(Get("a"), "old");
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(PosixFileTest, WritersOfOnePathDoNotMeet) {
  auto first = files_.Create(Path("a"));
  auto second = files_.Create(Path("a"));
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(FileCount(), 2u);
  ASSERT_TRUE(first->Append("first", 5).ok());
  ASSERT_TRUE(second->Append("the second", 10).ok());
  ASSERT_TRUE(first->Commit().ok());
  EXPECT_EQ(Get("a"), "first");
  ASSERT_TRUE(second->Commit().ok());
  EXPECT_EQ(Get("a"), "the second");
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(PosixFileTest, CannotWriteWhereThereIsNoFolder) {
  EXPECT_EQ(files_.Create(Path("no/such/folder")).status().code(), BALEEN_IO);
}

TEST_F(PosixFileTest, MovesFilesIntoOthers) {
  Put("a", "first");
  Put("b", "second");
  {
    // Names too long to lie in the object: they move with their memory.
    File file;
    for (const char* name : {"a", "b"}) {
      auto opened = files_.Open(Path(name));
      ASSERT_TRUE(opened.ok());
      file = *std::move(opened);
      EXPECT_EQ(file.name(), Path(name));
    }
    char bytes[6];
    ASSERT_TRUE(file.Read(0, bytes, sizeof bytes).ok());
    EXPECT_EQ(std::string(bytes, 6), "second");
    auto writer = files_.Create(Path("c"));
    auto other = files_.Create(Path("d"));
    ASSERT_TRUE(writer.ok() && other.ok());
    *writer = *std::move(other);
    ASSERT_TRUE(writer->Commit().ok());
  }
  EXPECT_EQ(FileCount(), 3u);
  EXPECT_EQ(memory_.outstanding(), 0);
}

TEST(FileTest, KeepsItsMemoryWhereItIsTold) {
  // Whatever comes from elsewhere would be seen here.
  FailingMemory elsewhere(1);
  std::pmr::memory_resource* before =
      std::pmr::set_default_resource(&elsewhere);
  FailingMemory memory;
  MemoryFiles host;
  host["a path that is too long to lie in the object"] = "bytes";
  {
    const FileSystem files(host.hooks(), &memory);
    auto file = files.Open("a path that is too long to lie in the object");
    ASSERT_TRUE(file.ok());
    const File moved = *std::move(file);
    EXPECT_TRUE(moved.View(0, 5).ok());
    auto writer = files.Create("another path, and one that is long as well");
    ASSERT_TRUE(writer.ok());
    EXPECT_TRUE(writer->Commit().ok());
    EXPECT_GT(memory.outstanding(), 0);
  }
  std::pmr::set_default_resource(before);
  EXPECT_EQ(elsewhere.allocations(), 0);
  EXPECT_EQ(memory.outstanding(), 0);
}

TEST(HostFileTest, ReadsThroughTheHost) {
  MemoryFiles host(MemoryFiles::kReadOnly | MemoryFiles::kNoMap);
  host["model/a"] = "whale song";
  HostMemory memory(nullptr);
  const FileSystem files(host.hooks(), &memory);
  EXPECT_FALSE(files.can_map());
  {
    const auto file = files.Open(JoinPath("model", "a", &memory));
    ASSERT_TRUE(file.ok());
    const auto view = file->View(6, 4);
    ASSERT_TRUE(view.ok());
    EXPECT_FALSE(view->mapped());
    EXPECT_EQ(view->text(), "song");
    EXPECT_EQ(host.open, 1);
  }
  EXPECT_EQ(host.open, 0);
  EXPECT_EQ(*files.ReadText("model/a", 100), "whale song");
  EXPECT_EQ(files.Create("b").status().code(), BALEEN_UNSUPPORTED);
}

TEST(HostFileTest, MapsThroughTheHost) {
  MemoryFiles host;
  host["a"] = "whale song";
  HostMemory memory(nullptr);
  const FileSystem files(host.hooks(), &memory);
  EXPECT_TRUE(files.can_map());
  const auto file = files.Open("a");
  {
    auto view = file->View(6, 4);
    EXPECT_TRUE(view->mapped());
    EXPECT_EQ(view->text(), "song");
    const FileView moved = *std::move(view);
    EXPECT_EQ(host.mapped, 1);
  }
  EXPECT_EQ(host.mapped, 0);
  // Where mapping fails, the bytes are read.
  host.failing = host.calls + 1;
  const auto view = file->View(0, 5);
  EXPECT_FALSE(view->mapped());
  EXPECT_EQ(view->text(), "whale");
}

// Each call of the host's fails in turn: the path has the old bytes or the new
// ones, no other file is left, and no handle.
TEST(HostFileTest, ReplacesAllOrNothing) {
  const std::string old_bytes = "old";
  const std::string new_bytes = "new bytes, and more of them";
  const auto replace = [&](const FileSystem& files) -> Status {
    BALEEN_ASSIGN_OR_RETURN(FileWriter writer, files.Create("a"));
    BALEEN_RETURN_IF_ERROR(writer.Append(new_bytes.data(), 9));
    BALEEN_RETURN_IF_ERROR(
        writer.Append(new_bytes.data() + 9, new_bytes.size() - 9));
    return writer.Commit();
  };
  int failures = 0;
  for (int failing = 1;; ++failing) {
    MemoryFiles host;
    host["a"] = old_bytes;
    host.failing = failing;
    HostMemory memory(nullptr);
    const Status status = replace(FileSystem(host.hooks(), &memory));
    EXPECT_EQ(host["a"], status.ok() ? new_bytes : old_bytes);
    EXPECT_EQ(host.size(), 1u);
    EXPECT_EQ(host.open, 0);
    if (status.ok()) break;
    EXPECT_EQ(status.code(), BALEEN_IO);
    EXPECT_NE(status.message()[0], '\0');
    ++failures;
  }
  EXPECT_EQ(failures, 5);  // Create, two writes, sync, rename.
}

TEST(HostFileTest, SaysWhatCannotBeRead) {
  MemoryFiles host;
  host["a"] = "bytes";
  HostMemory memory(nullptr);
  const FileSystem files(host.hooks(), &memory);
  host.failing = 2;
  const auto text = files.ReadText("a", 100);
  EXPECT_EQ(text.status().code(), BALEEN_IO);
  EXPECT_STREQ(text.status().message(), "cannot read 5 bytes at 0 of a");
  EXPECT_EQ(host.open, 0);
}

TEST(HostFileTest, AnyAllocationMayFail) {
  const std::string path(100, 'p');
  for (int64_t k = 1;; ++k) {
    MemoryFiles host;
    host[path] = Bytes(500);
    FailingMemory memory(k);
    try {
      const FileSystem files(host.hooks(), &memory);
      EXPECT_EQ(files.ReadText(path, 1000)->size(), 500u);
      const auto file = files.Open(path);
      EXPECT_EQ(file->View(10, 20)->size(), 20u);
      auto writer = files.Create(path);
      EXPECT_TRUE(writer->Commit().ok());
    } catch (const std::bad_alloc&) {
    }
    EXPECT_EQ(memory.outstanding(), 0);
    EXPECT_EQ(host.open, 0);
    EXPECT_EQ(host.size(), 1u);
    if (memory.allocations() < k) break;
  }
}

TEST(JoinPathTest, PutsOneSlashBetween) {
  HostMemory memory(nullptr);
  EXPECT_EQ(JoinPath("folder", "name", &memory), "folder/name");
  EXPECT_EQ(JoinPath("folder/", "name", &memory), "folder/name");
  EXPECT_EQ(JoinPath("", "name", &memory), "name");
  EXPECT_EQ(JoinPath("/", "name", &memory), "/name");
}

}  // namespace
}  // namespace baleen
