// `pack`, and what the other commands make of its file.
#include <sys/stat.h>

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "gtest/gtest.h"

namespace baleen::cli_test {
namespace {

const std::string kPocket = BALEEN_TEST_DATA "/pocket";

TEST(PackTest, WritesAModelThatWritesTheSame) {
  const std::string path = TemporaryPath("pocket.baleen");
  const Output packed = RunTool({"pack", kPocket, path});
  ASSERT_EQ(packed.exit_code, 0) << packed.err;
  EXPECT_EQ(packed.err, "");
  EXPECT_EQ(packed.out.rfind(path + ": ", 0), 0u) << packed.out;
  EXPECT_NE(packed.out.find("GB/s"), std::string::npos) << packed.out;
  const std::vector<std::string> line = {
      "complete", "Call me", "--seed", "5", "--max-tokens", "24", "--model"};
  std::vector<std::string> with_packed = line;
  with_packed.push_back(path);
  std::vector<std::string> with_raw = line;
  with_raw.push_back(kPocket);
  const Output from_packed = RunTool(with_packed);
  EXPECT_EQ(from_packed.exit_code, 0) << from_packed.err;
  EXPECT_FALSE(from_packed.out.empty());
  EXPECT_EQ(from_packed.out, RunTool(with_raw).out);
}

TEST(PackTest, InfoTellsOfThePackedFile) {
  const std::string path = TemporaryPath("pocket.baleen");
  ASSERT_EQ(RunTool({"pack", kPocket, path}).exit_code, 0);
  const Output text = RunTool({"info", "--model", path});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("packed file"), std::string::npos) << text.out;
  EXPECT_EQ(text.out.rfind("pocket\n", 0), 0u) << text.out;
  const Output output = RunTool({"info", "--json", "--model", path});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const auto json = nlohmann::json::parse(output.out);
  EXPECT_EQ(json["packed"], true);
  EXPECT_EQ(json["name"], "pocket");
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(json["memory"]["weights_mapped"], status.st_size);
}

TEST(PackTest, ReplacesNoFileUnasked) {
  const std::string path = TemporaryPath("taken");
  std::ofstream(path) << "precious";
  const Output refused = RunTool({"pack", kPocket, path});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("--force"), std::string::npos) << refused.err;
  std::string word;
  std::ifstream(path) >> word;
  EXPECT_EQ(word, "precious");
  EXPECT_EQ(RunTool({"pack", "--force", kPocket, path}).exit_code, 0);
}

TEST(PackTest, FailsInOneSentence) {
  const Output output =
      RunTool({"pack", kPocket, "/no/such/folder/pocket.baleen"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_NE(output.err.find("/no/such/folder"), std::string::npos)
      << output.err;
  EXPECT_EQ(RunTool({"pack", "/no/such/model", "x"}).exit_code, 2);
  EXPECT_EQ(RunTool({"pack", kPocket}).exit_code, 2);
}

}  // namespace
}  // namespace baleen::cli_test
