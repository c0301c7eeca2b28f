// `baleen chat`: turns, commands, saving, Ctrl-C, and how it looks.
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "gtest/gtest.h"

namespace baleen::cli_test {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

const char kWhale[] = "Tell me about the sea and the whale.\n";
const char kKing[] = "Who is the king of Israel?\n";

Arguments Chat(const Arguments& more = {}) {
  Arguments arguments = {"chat",          "--seed", "3",
                         "--temperature", "0.7",    "--top-p",
                         "0.9",           "-n",     "40"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Json ReadJson(const std::string& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

TEST(ChatTest, AnswersEachLine) {
  const Output one = RunTool(Chat({"--think", "off"}), kWhale);
  ASSERT_EQ(one.exit_code, 0) << one.err;
  EXPECT_GT(one.out.size(), 5u);
  EXPECT_EQ(one.err, "") << "neither thinking nor prompts nor bars";
  const Output two =
      RunTool(Chat({"--think", "off"}), std::string(kWhale) + kKing);
  ASSERT_EQ(two.exit_code, 0) << two.err;
  EXPECT_EQ(two.out.substr(0, one.out.size()), one.out);
  EXPECT_GT(two.out.size(), one.out.size() + 5);
}

TEST(ChatTest, TheConversationMatters) {
  const std::string alone = RunTool(Chat({"--think", "off"}), kKing).out;
  const std::string whale = RunTool(Chat({"--think", "off"}), kWhale).out;
  const std::string both =
      RunTool(Chat({"--think", "off"}), std::string(kWhale) + kKing).out;
  EXPECT_NE(both.substr(whale.size()), alone);
  const std::string reset = RunTool(Chat({"--think", "off"}),
                                    std::string(kWhale) + "/reset\n" + kKing)
                                .out;
  EXPECT_EQ(reset, whale + alone);
}

// Through a pipe, thinking goes to standard error.
TEST(ChatTest, ThinkingIsKeptApart) {
  const Output output = RunTool(Chat({"--think", "on"}), kWhale);
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_GT(output.err.size(), 5u);
  EXPECT_EQ(output.err.find("baleen:"), std::string::npos) << output.err;
  EXPECT_EQ(output.out.find("think"), std::string::npos) << output.out;
}

TEST(ChatTest, ThinkingIsDimmedOnATerminal) {
  Process process(Chat({"--think", "on"}), Process::Ends::kTerminal);
  process.Write(kWhale);
  const auto back_at_prompt = [](const std::string& out) {
    return out.size() > 3 && out.ends_with("\n> ") &&
           out.find("whale.") != std::string::npos;
  };
  EXPECT_TRUE(process.ReadUntil(back_at_prompt));
  process.Write("/exit\n");
  const Output output = process.Finish();
  EXPECT_EQ(output.exit_code, 0);
  const size_t dim = output.out.find("\033[2m");
  ASSERT_NE(dim, std::string::npos) << output.out;
  EXPECT_NE(output.out.find("\033[0m", dim), std::string::npos) << output.out;
}

TEST(ChatTest, CommandsAreNotSaid) {
  const Output output = RunTool(Chat(), "/help\n/nonsense\n/think\n/save\n");
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(output.out, "");
  EXPECT_NE(output.err.find("/reset"), std::string::npos) << output.err;
  EXPECT_NE(output.err.find("no command /nonsense"), std::string::npos)
      << output.err;
}

TEST(ChatTest, ExitEndsIt) {
  const std::string one = RunTool(Chat({"--think", "off"}), kKing).out;
  const Output output = RunTool(Chat({"--think", "off"}),
                                std::string(kKing) + "/exit\n" + kWhale);
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(output.out, one);
}

TEST(ChatTest, SaveKeepsMessagesAndTokens) {
  const std::string path = TemporaryPath("kept.json");
  const Output output =
      RunTool(Chat({"--think", "off", "--system", "Be brief."}),
              std::string(kWhale) + "/save " + path + "\n");
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const Json saved = ReadJson(path);
  ASSERT_EQ(saved.size(), 3u);
  EXPECT_EQ(saved[0]["role"], "system");
  EXPECT_EQ(saved[0]["content"], "Be brief.");
  EXPECT_EQ(saved[1]["role"], "user");
  EXPECT_EQ(saved[2]["role"], "assistant");
  EXPECT_EQ(saved[2]["content"].get<std::string>() + "\n", output.out);
  EXPECT_GT(saved[2]["tokens"].size(), 0u);
}

TEST(ChatTest, LoadGoesOnAsIfItHadNeverEnded) {
  const std::string path = TemporaryPath("going-on.json");
  const std::string whole =
      RunTool(Chat({"--think", "off"}), std::string(kWhale) + kKing).out;
  const std::string first =
      RunTool(Chat({"--think", "off"}), std::string(kWhale) + "/save " + path)
          .out;
  const std::string load = "/load " + path + "\n";
  const Output second = RunTool(Chat({"--think", "off"}), load + kKing);
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(second.err, "");
  EXPECT_EQ(first + second.out, whole);

  // Without the state the conversation is read again, to the same end.
  ASSERT_EQ(unlink((path + ".state").c_str()), 0);
  const Output reread = RunTool(Chat({"--think", "off"}), load + kKing);
  EXPECT_EQ(reread.exit_code, 0) << reread.err;
  EXPECT_NE(reread.err.find("reads the conversation anew"), std::string::npos)
      << reread.err;
  EXPECT_EQ(reread.out, second.out);
}

TEST(ChatTest, ABadFileLeavesTheConversationAlone) {
  const std::string path = TemporaryPath("bad.json");
  std::ofstream(path) << "[{\"role\": 3}]";
  const std::string whole =
      RunTool(Chat({"--think", "off"}), std::string(kWhale) + kKing).out;
  const Output output =
      RunTool(Chat({"--think", "off"}),
              std::string(kWhale) + "/load " + path + "\n" + kKing);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_NE(output.err.find(path), std::string::npos) << output.err;
  EXPECT_EQ(output.out, whole);
}

// Greedy text of a model this small runs in circles and does not end.
TEST(ChatTest, CtrlCStopsTheAnswerAndKeepsIt) {
  const std::string path = TemporaryPath("stopped.json");
  Process process({"chat", "--greedy", "--think", "off"});
  process.Write(kWhale);
  ASSERT_TRUE(process.ReadUntil(
      [](const std::string& out) { return out.size() > 60; }));
  process.Signal(SIGINT);
  ASSERT_TRUE(process.ReadUntil(
      [](const std::string& out) { return out.ends_with("\n"); }));
  process.Write("/save " + path + "\n/exit\n");
  const Output output = process.Finish();
  EXPECT_EQ(output.exit_code, 0) << output.err;
  const Json saved = ReadJson(path);
  ASSERT_EQ(saved.size(), 2u);
  EXPECT_EQ(saved[1]["content"].get<std::string>() + "\n", output.out);
}

TEST(ChatTest, GoesOnAfterAStoppedAnswer) {
  Process process({"chat", "--greedy", "--think", "off", "-n", "2000"});
  process.Write(kWhale);
  ASSERT_TRUE(process.ReadUntil(
      [](const std::string& out) { return out.size() > 60; }));
  process.Signal(SIGINT);
  size_t first = 0;
  ASSERT_TRUE(process.ReadUntil([&first](const std::string& out) {
    first = out.size();
    return out.ends_with("\n");
  }));
  process.Write(kKing);
  EXPECT_TRUE(process.ReadUntil(
      [first](const std::string& out) { return out.size() > first + 20; }));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Finish().exit_code, 0);
}

TEST(ChatTest, CtrlCTwiceAtThePromptLeaves) {
  Process process(Chat(), Process::Ends::kTerminal);
  const auto prompts = [](size_t wanted) {
    return [wanted](const std::string& out) {
      size_t count = 0;
      for (size_t at = out.find("> "); at != std::string::npos;
           at = out.find("> ", at + 1)) {
        ++count;
      }
      return count >= wanted;
    };
  };
  ASSERT_TRUE(process.ReadUntil(prompts(1)));
  process.Signal(SIGINT);
  ASSERT_TRUE(process.ReadUntil(prompts(2)));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Finish().exit_code, 130);
}

}  // namespace
}  // namespace baleen::cli_test
