// The tool's command line itself, `tokenize` and `info`.
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "gtest/gtest.h"

namespace baleen::cli_test {
namespace {

using Json = nlohmann::json;

// "<｜begin▁of▁sentence｜>", in pieces that every editor shows.
const std::string kBegin =
    "<\uff5c"
    "begin\u2581of\u2581sentence"
    "\uff5c>";

TEST(CommandLineTest, HelpIsNoFailure) {
  const Output output = RunTool({"--help"});
  EXPECT_EQ(output.exit_code, 0);
  for (const char* command : {"chat", "complete", "tokenize", "info", "pack",
                              "perplexity", "bench"}) {
    EXPECT_NE(output.out.find(command), std::string::npos) << command;
    EXPECT_EQ(RunTool({command, "--help"}).exit_code, 0) << command;
  }
  EXPECT_EQ(output.err, "");
}

TEST(CommandLineTest, NonsenseIsAUsageError) {
  const std::vector<std::vector<std::string>> lines = {
      {},
      {"sing"},
      {"complete", "--no-such-option"},
      {"complete", "text", "--file", "file"},
      {"complete", "text", "--top-p", "2"},
      {"complete", "text", "--max-tokens", "many"},
      {"complete", "text", "--mode", "sloppy"},
      {"complete", "text", "--set", "no-equals-sign"},
      {"chat", "--think", "hard"},
      {"perplexity"}};
  for (const auto& line : lines) {
    const Output output = RunTool(line);
    EXPECT_EQ(output.exit_code, 2) << output.err;
    EXPECT_EQ(output.err.rfind("baleen: ", 0), 0u) << output.err;
    EXPECT_EQ(output.out, "");
  }
}

TEST(CommandLineTest, AFailureIsOneSentence) {
  const Output output = RunTool({"info", "--model", "/no/such/folder"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_EQ(output.out, "");
  EXPECT_EQ(output.err.rfind("baleen: ", 0), 0u) << output.err;
  EXPECT_NE(output.err.find("/no/such/folder"), std::string::npos)
      << output.err;
  EXPECT_EQ(output.err.find('\n'), output.err.size() - 1) << output.err;
}

TEST(CommandLineTest, AnUnknownSettingIsNamed) {
  const Output output = RunTool({"complete", "text", "--set", "no.such=1"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_NE(output.err.find("no.such"), std::string::npos) << output.err;
}

TEST(TokenizeTest, GoesThereAndBack) {
  const std::string text = "Call me Ishmael.\n\u4f60\u597d, \U0001f40b!\n";
  const Output tokens = RunTool({"tokenize"}, text);
  ASSERT_EQ(tokens.exit_code, 0) << tokens.err;
  EXPECT_EQ(tokens.out.find_first_not_of("0123456789 \n"), std::string::npos);
  const Output decoded = RunTool({"tokenize", "--decode"}, tokens.out);
  EXPECT_EQ(decoded.exit_code, 0) << decoded.err;
  EXPECT_EQ(decoded.out, text);
}

TEST(TokenizeTest, ReadsArgumentsAndFiles) {
  const std::string path = TemporaryPath("tokenize.txt");
  std::ofstream(path) << "Moby Dick";
  const Output from_pipe = RunTool({"tokenize"}, "Moby Dick");
  EXPECT_EQ(RunTool({"tokenize", "--file", path}).out, from_pipe.out);
  EXPECT_EQ(RunTool({"tokenize", "Moby", "Dick"}).out, from_pipe.out);
  EXPECT_EQ(RunTool({"tokenize", "-f", path + ".none"}).exit_code, 1);
}

TEST(TokenizeTest, SpecialTokensAreReadOnRequestOnly) {
  EXPECT_EQ(RunTool({"tokenize", "--special", kBegin}).out, "0\n");
  EXPECT_GT(RunTool({"tokenize", kBegin}).out.size(), 4u);
  EXPECT_EQ(RunTool({"tokenize", "--decode", "--special", "0"}).out, kBegin);
}

TEST(TokenizeTest, PiecesShowEachToken) {
  const Output output = RunTool({"tokenize", "--pieces", "a\nb"});
  EXPECT_NE(output.out.find("\t\"a\"\n"), std::string::npos) << output.out;
  EXPECT_NE(output.out.find("\t\"\\n\"\n"), std::string::npos) << output.out;
}

TEST(TokenizeTest, RefusesWhatIsNoToken) {
  EXPECT_EQ(RunTool({"tokenize", "--decode", "12 whales"}).exit_code, 1);
  EXPECT_EQ(RunTool({"tokenize", "--decode", "99999999999"}).exit_code, 1);
  EXPECT_EQ(RunTool({"tokenize", "--decode", "2048"}).exit_code, 1);
  EXPECT_EQ(RunTool({"tokenize", "--decode", "[1, 2]"}).exit_code, 0);
}

// The numbers of the pocket model's card.
TEST(InfoTest, TellsThePocketModel) {
  const Output output = RunTool({"info", "--json", "--context", "4096"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const Json info = Json::parse(output.out);
  EXPECT_EQ(info["architecture"], "deepseek_v4");
  EXPECT_EQ(info["parameters"], 10115778);  // As its model card says.
  EXPECT_EQ(info["hidden_size"], 256);
  EXPECT_EQ(info["layers"], Json::parse(R"({"all": 4, "window": 1, "csa": 2,
                                            "hca": 1})"));
  EXPECT_EQ(info["experts"], 8);
  EXPECT_EQ(info["experts_per_token"], 2);
  EXPECT_EQ(info["drafter"], "mtp");
  EXPECT_EQ(info["vocabulary"], 2048);
  EXPECT_EQ(info["memory"]["context"], 4096);
  EXPECT_GT(info["memory"]["session_host"], 0);
  uint64_t parts = 0;
  for (const auto& part : info["weight_bytes_by_part"]) {
    parts += part.get<uint64_t>();
  }
  EXPECT_EQ(parts, info["weight_bytes"].get<uint64_t>());
}

TEST(InfoTest, MoreContextTakesMoreMemory) {
  const auto session_bytes = [](const std::string& context) {
    const Output output = RunTool({"info", "--json", "--context", context});
    return Json::parse(output.out)["memory"]["session_host"].get<uint64_t>();
  };
  EXPECT_LT(session_bytes("1024"), session_bytes("65536"));
}

TEST(InfoTest, TheTableNamesEveryLayerKind) {
  const Output output = RunTool({"info"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_NE(output.out.find("4: 1 window, 2 CSA, 1 HCA"), std::string::npos)
      << output.out;
  EXPECT_NE(output.out.find("10,115,778"), std::string::npos) << output.out;
}

}  // namespace
}  // namespace baleen::cli_test
