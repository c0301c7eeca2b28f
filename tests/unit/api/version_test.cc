// What the library says about itself.
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include <baleen/baleen.h>

namespace {

TEST(VersionTest, IsThatOfTheHeaderAndOfTheProject) {
  EXPECT_EQ(baleen_version(), uint32_t{BALEEN_VERSION});
  const std::string version = baleen_version_string();
  EXPECT_EQ(version.rfind(BALEEN_PROJECT_VERSION, 0), 0u) << version;
  const std::string rest = version.substr(std::strlen(BALEEN_PROJECT_VERSION));
  EXPECT_TRUE(rest.empty() || rest.rfind("-dev+", 0) == 0) << version;
}

TEST(VersionTest, KnowsItsFeatures) {
  EXPECT_EQ(baleen_has_feature("backend.cpu"), 1);
  EXPECT_EQ(baleen_has_feature("session.save"), 1);
  EXPECT_EQ(baleen_has_feature("session.sav"), 0);
  EXPECT_EQ(baleen_has_feature(""), 0);
  EXPECT_EQ(baleen_has_feature(nullptr), 0);
}

TEST(VersionTest, NamesEachStatusOnce) {
  std::set<std::string> names;
  for (baleen_status status = 0; status >= BALEEN_DEVICE_LOST; --status) {
    const std::string name = baleen_status_name(status);
    EXPECT_EQ(name.rfind("BALEEN_", 0), 0u) << status;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_STREQ(baleen_status_name(BALEEN_DEVICE_LOST), "BALEEN_DEVICE_LOST");
  EXPECT_STREQ(baleen_status_name(BALEEN_DEVICE_LOST - 1), "an unknown status");
  EXPECT_STREQ(baleen_status_name(1), "an unknown status");
}

}  // namespace
