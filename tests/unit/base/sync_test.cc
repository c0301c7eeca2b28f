// What a power failure leaves of a new file: its bytes are on the disk before its
// name is, and the name before the writer says so.
//
// A test cannot cut the power.  It sees the calls instead, whose order is what
// the promise rests on: this program's fsync and rename stand in for libc's.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/posix_io.h"
#include "unit/failing_memory.h"

namespace {

struct Calls {
  bool noted = false;
  int folder_error = 0;  // What syncing a folder fails with.
  std::vector<std::string> names;
};

Calls& GetCalls() {
  static Calls calls;
  return calls;
}

// The calls of what is done inside; not thread-safe.
class Watch {
 public:
  explicit Watch(int folder_error = 0) {
    GetCalls() = {true, folder_error, {}};
  }
  ~Watch() { GetCalls() = {}; }
  const std::vector<std::string>& names() const { return GetCalls().names; }
};

}  // namespace

extern "C" int fsync(int descriptor) {
  Calls& calls = GetCalls();
  if (calls.noted) {
    struct stat status = {};
    const bool folder =
        fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
    calls.names.push_back(
        folder ? "sync folder " + std::to_string(status.st_ino) : "sync file");
    if (folder && calls.folder_error != 0) {
      errno = calls.folder_error;
      return -1;
    }
  }
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}

extern "C" int rename(const char* from, const char* to) noexcept {
  if (GetCalls().noted) GetCalls().names.push_back("rename");
  return static_cast<int>(
      syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

namespace baleen {
namespace {

class SyncTest : public testing::Test {
 protected:
  SyncTest() {
    std::string name =
        (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~SyncTest() override { std::filesystem::remove_all(folder_); }

  std::string SyncOf(const std::string& folder) const {
    struct stat status = {};
    EXPECT_EQ(stat(folder.c_str(), &status), 0);
    return "sync folder " + std::to_string(status.st_ino);
  }
  Status Replace() {
    Result<FileWriter> writer = files_.Create(folder_ + "/file");
    if (!writer.ok()) return writer.status();
    if (Status status = writer->Append("abc", 3); !status.ok()) return status;
    return writer->Commit();
  }

  std::string folder_;
  FailingMemory memory_;
  FileSystem files_{nullptr, &memory_};
};

TEST_F(SyncTest, BytesThenNameThenFolder) {
  const Watch watch;
  ASSERT_TRUE(Replace().ok());
  const std::vector<std::string> wanted = {"sync file", "rename",
                                           SyncOf(folder_)};
  EXPECT_EQ(watch.names(), wanted);
}

TEST_F(SyncTest, AFolderThatIsNotSyncedIsAFailure) {
  ASSERT_TRUE(Replace().ok());
  const Watch watch(EIO);
  EXPECT_EQ(Replace().code(), BALEEN_IO);
}

// As on file systems of networks.
TEST_F(SyncTest, AFolderThatCannotBeSyncedIsNone) {
  const Watch watch(EINVAL);
  EXPECT_TRUE(Replace().ok());
}

TEST_F(SyncTest, TheFolderOfAnyName) {
  const struct {
    std::string path, folder;
  } kCases[] = {{"file", "."},
                {"/file", "/"},
                {folder_ + "/a", folder_},
                {folder_ + "//a", folder_}};
  for (const auto& one : kCases) {
    const Watch watch;
    EXPECT_TRUE(SyncFolderOf(one.path.c_str())) << one.path;
    EXPECT_EQ(watch.names(), std::vector<std::string>{SyncOf(one.folder)})
        << one.path;
  }
  EXPECT_FALSE(SyncFolderOf((folder_ + "/no/file").c_str()));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(SyncFolderOf((std::string(5000, 'a') + "/file").c_str()));
  EXPECT_EQ(errno, ENAMETOOLONG);
}

}  // namespace
}  // namespace baleen
