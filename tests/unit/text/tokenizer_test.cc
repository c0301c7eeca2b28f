// The tokenizer against the recorded encodings of the official one, and its
// promises about parts, names and bytes.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "unit/text/tokenizer_test_data.h"

namespace baleen {
namespace {

using nlohmann::json;
using Tokens = std::vector<baleen_token>;

TEST(TokenizerTest, EncodesTheGoldenTexts) {
  const json vectors = json::parse(OfficialFile("hf_golden_vectors.json"));
  ASSERT_EQ(vectors.size(), 1589u);
  for (const json& vector : vectors) {
    const auto text = vector["t"].get<std::string>();
    EXPECT_EQ(EncodeText(OfficialTokenizer(), text, true),
              vector["ids"].get<Tokens>())
        << text;
  }
}

TEST(TokenizerTest, EncodesTheAdversarialTexts) {
  const json vectors =
      json::parse(OfficialFile("pretokenizer_fuzz_vectors.json"));
  ASSERT_EQ(vectors.size(), 471u);
  for (const json& vector : vectors) {
    const auto text = vector["t"].get<std::string>();
    EXPECT_EQ(EncodeText(OfficialTokenizer(), text),
              vector["ids"].get<Tokens>())
        << text;
  }
}

TEST(TokenizerTest, DecodesTheGoldenTexts) {
  for (const char* name :
       {"hf_golden_vectors.json", "pretokenizer_fuzz_vectors.json"}) {
    for (const json& vector : json::parse(OfficialFile(name))) {
      EXPECT_EQ(DecodeTokens(OfficialTokenizer(), vector["ids"].get<Tokens>()),
                vector["t"].get<std::string>());
    }
  }
}

// The public service counted these prompts' tokens: begin, user, text,
// assistant, and the end of a thinking that did not take place.
TEST(TokenizerTest, CountsTokensAsTheServiceDoes) {
  const std::string folder = BALEEN_TEST_DATA "/api_samples/";
  const json manifest = json::parse(ReadTestFile(folder + "manifest.json"));
  ASSERT_EQ(manifest["prompts"].size(), 4u);
  for (const json& prompt : manifest["prompts"]) {
    const auto id = prompt["id"].get<std::string>();
    const json call = json::parse(ReadTestFile(folder + id + ".official.json"));
    const std::string text = ReadTestFile(folder + id + ".txt");
    ASSERT_FALSE(text.empty());
    const Tokens tokens = EncodeParts(
        OfficialTokenizer(), {{"<｜begin▁of▁sentence｜><｜User｜>", true},
                              {text, false},
                              {"<｜Assistant｜></think>", true}});
    const json* usage = &call;
    for (const char* key : {"response", "usage"}) {
      if (usage->contains(key)) usage = &(*usage)[key];
    }
    EXPECT_EQ(tokens.size(), (*usage)["prompt_tokens"].get<size_t>()) << id;
  }
}

TEST(TokenizerTest, KnowsTheAddedTokensByName) {
  const json tokens = json::parse(
      ReadTestFile(BALEEN_TEST_DATA "/tokenizer/added_tokens.json"))["tokens"];
  ASSERT_EQ(tokens.size(), 1283u);
  const Tokenizer& tokenizer = OfficialTokenizer();
  EXPECT_EQ(tokenizer.size(), 129280);
  for (const json& token : tokens) {
    const auto id = token["id"].get<baleen_token>();
    const auto name = token["content"].get<std::string>();
    EXPECT_EQ(tokenizer.Find(name), id);
    EXPECT_TRUE(tokenizer.IsKnown(id));
    EXPECT_TRUE(tokenizer.IsAdded(id));
    EXPECT_EQ(EncodeText(tokenizer, "a" + name + "b", true),
              (Tokens{67, id, 68}));
    EXPECT_EQ(DecodeTokens(tokenizer, Tokens{id}, true), name);
    EXPECT_EQ(DecodeTokens(tokenizer, Tokens{id}, false), "");
  }
}

TEST(TokenizerTest, TellsKindsOfTokens) {
  const Tokenizer& tokenizer = OfficialTokenizer();
  EXPECT_TRUE(tokenizer.IsSpecial(0));
  EXPECT_TRUE(tokenizer.IsAdded(128821));  // <think>
  EXPECT_FALSE(tokenizer.IsSpecial(128821));
  EXPECT_TRUE(tokenizer.IsKnown(67));
  EXPECT_FALSE(tokenizer.IsAdded(67));
  EXPECT_FALSE(tokenizer.IsKnown(-1));
  EXPECT_FALSE(tokenizer.IsKnown(129280));
  EXPECT_FALSE(tokenizer.IsAdded(129280));
  EXPECT_EQ(tokenizer.Find(" the"), 270);
  EXPECT_EQ(tokenizer.Find("\n"), 201);
  EXPECT_EQ(tokenizer.Find("surely no token"), -1);
  EXPECT_EQ(tokenizer.Find(""), -1);
}

TEST(TokenizerTest, ReadsNamesInSpecialPartsOnly) {
  const Tokenizer& tokenizer = OfficialTokenizer();
  const Tokens plain = EncodeText(tokenizer, "</think>");
  EXPECT_GT(plain.size(), 1u);
  for (const baleen_token token : plain) EXPECT_FALSE(tokenizer.IsAdded(token));
  EXPECT_EQ(EncodeText(tokenizer, "</think>", true), Tokens{128822});
  // In two special parts side by side; not where half of it is a stranger's.
  EXPECT_EQ(EncodeParts(tokenizer, {{"</thi", true}, {"nk>", true}}),
            Tokens{128822});
  EXPECT_EQ(EncodeParts(tokenizer, {{"</thi", true}, {"nk>", false}}), plain);
  EXPECT_EQ(EncodeParts(tokenizer, {{"</thi", false}, {"nk>", true}}), plain);
  EXPECT_EQ(
      EncodeParts(tokenizer, {{"</thi", true}, {"", false}, {"nk>", true}}),
      Tokens{128822});
}

TEST(TokenizerTest, TakesTheLongestNameThatBeginsFirst) {
  std::string text = PocketTokenizerText();
  const std::string before = "\"added_tokens\": [";
  const size_t place = text.find(before);
  ASSERT_NE(place, std::string::npos);
  text.insert(place + before.size(),
              R"({"id": 5000, "content": "<a", "special": true},
                 {"id": 5001, "content": "<ab>", "special": true},
                 {"id": 5002, "content": "ab>c", "special": true},)");
  HostMemory memory(nullptr);
  const auto tokenizer = Tokenizer::Parse(text, "tokenizer.json", &memory);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->size(), 5003);
  EXPECT_FALSE(tokenizer->IsKnown(4999));
  const baleen_token c = tokenizer->Find("c");
  const baleen_token b = tokenizer->Find("b");
  EXPECT_EQ(EncodeText(*tokenizer, "<ab>c", true), (Tokens{5001, c}));
  EXPECT_EQ(EncodeText(*tokenizer, "<abc", true),
            (Tokens{5000, tokenizer->Find("b"), c}));
  EXPECT_EQ(EncodeText(*tokenizer, "<ab", true), (Tokens{5000, b}));
  EXPECT_EQ(EncodeText(*tokenizer, "ab>c<a", true), (Tokens{5002, 5000}));
}

TEST(TokenizerTest, JoinsPartsBeforeCutting) {
  const Tokenizer& tokenizer = OfficialTokenizer();
  const std::string text =
      "Hello there, 12345 whales! 你好，世界。\n\n  if (x) {\r\n\treturn 1;}";
  const Tokens whole = EncodeText(tokenizer, text);
  for (size_t i = 0; i <= text.size(); ++i) {
    const std::string_view view = text;
    EXPECT_EQ(EncodeParts(tokenizer, {{view.substr(0, i), false},
                                      {view.substr(i), (i & 1) != 0}}),
              whole);
  }
  EXPECT_EQ(EncodeParts(tokenizer, {}), Tokens{});
  EXPECT_EQ(EncodeParts(tokenizer, {{"", true}, {"", false}}), Tokens{});
}

TEST(TokenizerTest, GivesAnyBytesBack) {
  const Tokenizer& tokenizer = OfficialTokenizer();
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 200, '\0');
    // Many bytes that are nearly UTF-8: leads and tails, mostly.
    for (char& c : text) {
      c = static_cast<char>(i % 2 == 0 ? random() : 0x80 | random() % 128);
    }
    EXPECT_EQ(DecodeTokens(tokenizer, EncodeText(tokenizer, text)), text);
  }
}

TEST(TokenizerTest, PocketModelsTextComesBack) {
  HostMemory memory(nullptr);
  const auto tokenizer =
      Tokenizer::Parse(PocketTokenizerText(), "tokenizer.json", &memory);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->size(), 2048);
  const std::string text = ReadTestFile(BALEEN_TEST_DATA "/pocket/heldout.txt");
  ASSERT_GT(text.size(), 200000u);
  const Tokens tokens = EncodeText(*tokenizer, text);
  EXPECT_EQ(DecodeTokens(*tokenizer, tokens), text);
  // The model was trained with 3.2 bytes a token on texts like this.
  EXPECT_LT(tokens.size(), text.size() / 3);
  EXPECT_EQ(tokenizer->Find("<｜User｜>"),
            EncodeText(*tokenizer, "<｜User｜>", true)[0]);
}

// Texts that make quadratic tokenizers take hours.  A million letters are one
// piece; were the work more than nearly linear, the test would run out of time.
TEST(TokenizerTest, LongMonotonousTextsAreNoBurden) {
  const Tokenizer& tokenizer = OfficialTokenizer();
  const char* units[] = {"a",    " ",        "1",    "\n",
                         "!",    "\t",       "ab",   "中",
                         "天地", "\xCC\x81", "\x01", "\xFF",
                         "a1",   " \n",      "<",    "<｜place▁holder▁no▁"};
  for (const char* unit : units) {
    std::string text;
    while (text.size() < 1 << 20) text += unit;
    const Tokens tokens = EncodeText(tokenizer, text, true);
    EXPECT_EQ(DecodeTokens(tokenizer, tokens), text) << unit;
  }
  const std::string letters(1 << 21, 'a');
  EXPECT_EQ(DecodeTokens(tokenizer, EncodeText(tokenizer, letters)), letters);
}

}  // namespace
}  // namespace baleen
