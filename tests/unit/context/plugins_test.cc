// Backends in shared libraries: found, opened, refused.
#include "context/plugins.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "context/context.h"

namespace baleen {
namespace {

// A folder for one test, removed with it.
class Folder {
 public:
  Folder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const {
    return (path_ / name).string();
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(PluginsTest, OpensAPluginByItsFullPath) {
  const Result<baleen_backend_entry_fn> entry = OpenPlugin(BALEEN_NULL_PLUGIN);
  ASSERT_TRUE(entry.ok()) << entry.status().message();
  EXPECT_NE(*entry, nullptr);
}

TEST(PluginsTest, RefusesARelativePath) {
  const Status status = OpenPlugin("libbaleen-null.so").status();
  EXPECT_EQ(status.code(), BALEEN_INVALID_ARGUMENT);
  EXPECT_STREQ(status.message(),
               "the path of a backend must be absolute, not libbaleen-null.so");
}

TEST(PluginsTest, SaysWhatIsWrongWithAFile) {
  const Folder folder;
  const std::string text = folder.File("libbaleen-text.so");
  std::ofstream(text) << "not a library";
  const Status none = OpenPlugin(text.c_str()).status();
  EXPECT_EQ(none.code(), BALEEN_NOT_FOUND);
  EXPECT_NE(std::string(none.message()).find(text), std::string::npos);

  const Status other = OpenPlugin("/lib/x86_64-linux-gnu/libm.so.6").status();
  if (other.code() == BALEEN_NOT_FOUND) {
    GTEST_SKIP() << "there is no libm.so.6 at its usual place";
  }
  EXPECT_EQ(other.code(), BALEEN_UNSUPPORTED);
}

TEST(PluginsTest, FindsThePluginsOfAFolderByName) {
  const Folder folder;
  for (const char* name : {"libbaleen-b.so", "libbaleen-a.so", "libbaleen.so",
                           "libbaleen-.so", "libbaleen-c.so.1", "other.so"}) {
    std::ofstream(folder.File(name)) << "x";
  }
  HostMemory memory(nullptr);
  const Result<Vector<String>> found = FindPlugins(folder.path(), &memory);
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0], folder.File("libbaleen-a.so").c_str());
  EXPECT_EQ((*found)[1], folder.File("libbaleen-b.so").c_str());
}

TEST(PluginsTest, FindsTheFolderOfTheLibraryItself) {
  HostMemory memory(nullptr);
  EXPECT_TRUE(FindPlugins("", &memory).ok());
  EXPECT_EQ(FindPlugins("/no/such/folder", &memory).status().code(),
            BALEEN_NOT_FOUND);
}

TEST(PluginsTest, AContextTakesWhatWorksFromItsFolderAndLogsTheRest) {
  const Folder folder;
  std::filesystem::copy(BALEEN_NULL_PLUGIN, folder.File("libbaleen-null.so"));
  std::ofstream(folder.File("libbaleen-broken.so")) << "not a library";
  const std::string path = folder.path();
  std::string log;
  baleen_context_options options = {};
  options.struct_size = sizeof options;
  options.thread_count = 1;
  options.backend_path = path.c_str();
  options.log_level = BALEEN_LOG_WARNING;
  options.log_user_data = &log;
  options.log = [](void* data, baleen_log_level, const char* message) {
    *static_cast<std::string*>(data) += message;
  };
  const Result<Ref<Context>> context = Context::Create(options);
  ASSERT_TRUE(context.ok()) << context.status().message();
  EXPECT_NE(log.find("left out " + folder.File("libbaleen-broken.so")),
            std::string::npos)
      << log;
  baleen_device_info info = {};
  ASSERT_TRUE(
      (*context)->device_info((*context)->device_count() - 1, &info).ok());
  EXPECT_STREQ(info.backend, "null");
}

}  // namespace
}  // namespace baleen
