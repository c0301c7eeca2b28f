// The scanner against pieces that Oniguruma cut, and its class table against
// the classes measured in Oniguruma.
#include "text/pretokenize.h"

#include <gtest/gtest.h>

#include <random>

#include "text/unicode_table.h"
#include "unit/text/tokenizer_test_data.h"

namespace baleen {
namespace {

using nlohmann::json;
using Pieces = std::vector<std::string>;

Pieces Cut(std::string_view text) {
  PieceScanner scanner(text);
  Pieces pieces;
  std::string_view piece;
  while (scanner.Next(&piece)) pieces.emplace_back(piece);
  return pieces;
}

TEST(UnicodeTableTest, HasTheClassOfEveryCodePoint) {
  const json ranges = json::parse(
      ReadTestFile(BALEEN_TEST_DATA "/tokenizer/unicode_classes_onig698.json"));
  std::vector<CharacterClass> expected(0x110000, CharacterClass::kOther);
  const std::pair<const char*, CharacterClass> classes[] = {
      {"N", CharacterClass::kNumber}, {"L", CharacterClass::kLetter},
      {"M", CharacterClass::kMark},   {"P", CharacterClass::kPunctuation},
      {"S", CharacterClass::kSymbol}, {"space", CharacterClass::kSpace}};
  size_t count = 0;
  for (const auto& [name, character_class] : classes) {
    for (const json& range : ranges[name]) {
      for (auto point = range[0].get<size_t>(); point <= range[1].get<size_t>();
           ++point) {
        expected[point] = character_class;
        ++count;
      }
    }
  }
  EXPECT_EQ(count, 1791u + 131756u + 2408u + 819u + 7741u + 25u);
  for (uint32_t point = 0; point < expected.size(); ++point) {
    ASSERT_EQ(ClassOf(point), expected[point]) << std::hex << point;
  }
  EXPECT_LE(sizeof unicode_table::kGroups + sizeof unicode_table::kBlocks +
                sizeof unicode_table::kWords,
            20u << 10);
}

TEST(PretokenizeTest, CutsTheAdversarialTexts) {
  const json vectors =
      json::parse(OfficialFile("pretokenizer_fuzz_vectors.json"));
  ASSERT_EQ(vectors.size(), 471u);
  for (const json& vector : vectors) {
    const auto text = vector["t"].get<std::string>();
    EXPECT_EQ(Cut(text), vector["pieces"].get<Pieces>()) << text;
  }
}

TEST(PretokenizeTest, ExpressionsAreTheOfficialOnes) {
  const json file = json::parse(OfficialTokenizerText());
  const json& steps = file["pre_tokenizer"]["pretokenizers"];
  ASSERT_EQ(steps.size(), kPieceExpressions.size() + 1);
  for (size_t i = 0; i < kPieceExpressions.size(); ++i) {
    EXPECT_EQ(steps[i]["pattern"]["Regex"], kPieceExpressions[i]);
  }
}

// One line for each rule that is easily got wrong.
TEST(PretokenizeTest, CutsByTheRules) {
  const struct {
    const char* text;
    Pieces pieces;
  } cases[] = {
      {"", {}},
      {"Hello world", {"Hello", " world"}},
      // Numbers in threes from the left, and before all else.
      {"1234567", {"123", "456", "7"}},
      {"a1b", {"a", "1", "b"}},
      // A number ends what is before it like the end of the text.
      {"a 1", {"a", " ", "1"}},
      {"a  1", {"a", "  ", "1"}},
      {"a  b", {"a", " ", " b"}},
      {"a  !", {"a", " ", " !"}},
      {"a \t b", {"a", " \t", " b"}},
      {"a  \tb", {"a", "  ", "\tb"}},
      // ASCII punctuation takes ASCII letters along, and no others.
      {"(naïve)", {"(na", "ïve", ")"}},
      {"!!ab", {"!!", "ab"}},
      {" !ab", {" !", "ab"}},
      {"“ab", {"“", "ab"}},
      {"!!\r\n\r\nx", {"!!\r\n\r\n", "x"}},
      // Spaces go with the last line break among them.
      {"a \n \n  b", {"a", " \n \n", " ", " b"}},
      {"\n\n\n", {"\n\n\n"}},
      {"\r\n  ", {"\r\n", "  "}},
      // Marks are part of words, alone too.
      {"e\xCC\x81t", {"e\xCC\x81t"}},
      {"\xCC\x81", {"\xCC\x81"}},
      {" \xCC\x81", {" \xCC\x81"}},
      // Ideographs apart from others, and by the rules of words inside.
      {"ab中文cd", {"ab", "中文", "cd"}},
      {"ア・イ", {"ア", "・", "イ"}},
      {" 中", {" ", "中"}},
      {"中 文", {"中", " ", "文"}},
      {"㐀中", {"㐀", "中"}},  // U+3400 is no ideograph of the expression.
      // What nothing matches stays together; before a word, one joins it.
      {"\x01\x02\x03", {"\x01\x02\x03"}},
      {"\x01\x02z", {"\x01", "\x02z"}},
      {"\x01 z", {"\x01", " z"}},
      {"\x01\n", {"\x01", "\n"}},
      {"\x01"
       "1",
       {"\x01", "1"}},
      // Not UTF-8: like controls.
      {"\xFF\xFE", {"\xFF\xFE"}},
      {"a\xE4\xB8", {"a", "\xE4\xB8"}},
      {"\xE4\xB8z", {"\xE4", "\xB8z"}},
      {"\xED\xA0\x80", {"\xED\xA0\x80"}},
  };
  for (const auto& c : cases) EXPECT_EQ(Cut(c.text), c.pieces) << c.text;
}

TEST(PretokenizeTest, PiecesMakeUpAnyBytes) {
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random() >> 8);
    std::string joined;
    for (const std::string& piece : Cut(text)) {
      EXPECT_FALSE(piece.empty());
      joined += piece;
    }
    ASSERT_EQ(joined, text);
  }
}

}  // namespace
}  // namespace baleen
