// `baleen perplexity` against the golden value, and `baleen bench`.
#include <cmath>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "gtest/gtest.h"

namespace baleen::cli_test {
namespace {

using Json = nlohmann::json;

const char kHeldOut[] = BALEEN_TEST_DATA "/pocket/heldout.txt";

Json GoldenPerplexity() {
  std::ifstream file(BALEEN_TEST_DATA "/pocket/golden/perplexity.json");
  return Json::parse(file);
}

// One chunk is enough here: the tests of the model cover all of them.  The
// bounds are those of the whole text.
void ExpectGoldenChunk(const std::string& mode, double bound) {
  const Json golden = GoldenPerplexity();
  const double nats = golden["chunk_nats"][0].get<double>();
  const Output output = RunTool(
      {"perplexity", kHeldOut, "--tokens", "2048", "--mode", mode, "--json"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const Json result = Json::parse(output.out);
  EXPECT_EQ(result["tokens"], 2048);
  EXPECT_EQ(result["chunk"], golden["chunk"]);
  EXPECT_NEAR(result["total_nats"].get<double>() / nats, 1, bound);
  EXPECT_NEAR(result["nats_per_token"].get<double>(), nats / 2048,
              nats / 2048 * bound);
}

TEST(PerplexityTest, ReferenceModeMatchesTheGoldenChunk) {
  ExpectGoldenChunk("reference", 0.001);
}

TEST(PerplexityTest, FastModeIsAsGood) { ExpectGoldenChunk("fast", 0.003); }

TEST(PerplexityTest, BytesAndTokensAddUp) {
  const Output output =
      RunTool({"perplexity", "-", "--chunk", "5", "--per-token"},
              "It is a truth universally acknowledged, that a single man");
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_NE(output.out.find("(57 bytes)"), std::string::npos) << output.out;
  double nats = 0;
  size_t count = 0;
  size_t begin = 0;
  for (size_t tab = output.out.find('\t'); tab != std::string::npos;
       tab = output.out.find('\t', begin)) {
    nats += std::stod(output.out.substr(tab + 1));
    begin = tab + 1;
    ++count;
  }
  const std::string label = "nats per token";
  const size_t at = output.out.find(label);
  ASSERT_NE(at, std::string::npos);
  // Both are printed with four digits.
  EXPECT_NEAR(std::stod(output.out.substr(at + label.size())),
              nats / static_cast<double>(count), 2e-4);
}

TEST(PerplexityTest, ATerminalGetsABar) {
  Process process(
      {"perplexity", kHeldOut, "--tokens", "1024", "--chunk", "128"},
      Process::Ends::kTerminal);
  const Output output = process.Finish();
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_NE(output.out.find("\rscoring ["), std::string::npos) << output.out;
  EXPECT_NE(output.out.find("of 1024 tokens"), std::string::npos);
  // It is gone when the figures come.
  EXPECT_NE(output.out.find("\r\033[Ktokens "), std::string::npos);
}

TEST(PerplexityTest, NothingToScoreIsAFailure) {
  EXPECT_EQ(RunTool({"perplexity", "-"}, "").exit_code, 1);
  EXPECT_EQ(RunTool({"perplexity", "/no/such/file"}).exit_code, 1);
}

TEST(BenchTest, MeasuresEachContext) {
  const Output output = RunTool({"bench", "--contexts", "16,64", "--decode",
                                 "4", "--repetitions", "1", "--json"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const Json bench = Json::parse(output.out);
  ASSERT_EQ(bench["results"].size(), 2u);
  EXPECT_EQ(bench["results"][0]["context"], 16);
  EXPECT_EQ(bench["results"][1]["context"], 64);
  // Of a token, whatever its context: two of eight experts in four layers.
  for (const Json& result : bench["results"]) {
    EXPECT_EQ(result["decode_token"]["operations_by_part"]["experts"], 1572864);
    EXPECT_GT(result["state_bytes"], 584 * 4 * 128);
  }
  EXPECT_LT(bench["results"][0]["decode_token"]["state_bytes_read"],
            bench["results"][1]["decode_token"]["state_bytes_read"]);
  for (const Json& result : bench["results"]) {
    EXPECT_GT(result["prefill_tokens_per_second"].get<double>(), 0);
    EXPECT_GT(result["decode_tokens_per_second"].get<double>(), 0);
  }
}

TEST(BenchTest, TheTableHasALineForEachContext) {
  const Output output = RunTool({"bench", "--contexts", "16,1024", "--decode",
                                 "2", "--repetitions", "1"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_NE(output.out.find("prefill tok/s"), std::string::npos);
  EXPECT_NE(output.out.find("1,024"), std::string::npos) << output.out;
}

}  // namespace
}  // namespace baleen::cli_test
