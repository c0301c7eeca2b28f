// Each file says what it is, and none says that it is unfinished.
//
// A source file that begins by including its own header has said it there.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "source_tree.h"

namespace baleen::style {
namespace {

// In two parts, so that this file does not hold them.
const std::array<std::string, 4> kMarks = {
    "TO"
    "DO",
    "FIX"
    "ME",
    "X"
    "XX",
    "HA"
    "CK"};

bool IsWordPart(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool HoldsWord(std::string_view line, std::string_view word) {
  for (size_t at = line.find(word); at != std::string_view::npos;
       at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || !IsWordPart(line[at - 1]);
    const bool ends = end == line.size() || !IsWordPart(line[end]);
    if (begins && ends) return true;
  }
  return false;
}

bool HoldsMark(std::string_view line) {
  for (const std::string& mark : kMarks) {
    if (HoldsWord(line, mark)) return true;
  }
  return false;
}

bool IsComment(std::string_view line) {
  return line.starts_with("//") || line.starts_with("/*");
}

bool IsClean(std::string_view line) {
  return line.find('\t') == std::string::npos &&
         line.find('\r') == std::string::npos &&
         (line.empty() || line.back() != ' ');
}

// No formatter looks after these.
constexpr ptrdiff_t kLuaColumns = 80;

// In characters of UTF-8: bytes that do not go on with one.
ptrdiff_t Width(std::string_view line) {
  return std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  });
}

// "lib/base/json.cc" -> "json.h"
std::string OwnHeader(const std::string& path) {
  const size_t begin = path.rfind('/') + 1;
  return path.substr(begin, path.rfind('.') - begin) + ".h";
}

bool IncludesOwnHeader(const SourceFile& source) {
  const std::string header = OwnHeader(source.path);
  const std::string& line = source.lines[0];
  return line.starts_with("#include") && (line.ends_with("/" + header + "\"") ||
                                          line.ends_with("\"" + header + "\""));
}

TEST(CommentTest, FilesBeginByTellingWhatTheyAre) {
  for (const SourceFile& source : ReadCode()) {
    const bool told = !source.lines.empty() &&
                      (IsComment(source.lines[0]) || IncludesOwnHeader(source));
    EXPECT_TRUE(told) << source.path;
  }
}

TEST(CommentTest, LuaFilesDoTooAndEndTheirLinesCleanly) {
  const std::vector<SourceFile> sources = ReadSources({".lua"});
  ASSERT_FALSE(sources.empty());
  for (const SourceFile& source : sources) {
    const bool told =
        !source.lines.empty() && source.lines[0].starts_with("-- ");
    EXPECT_TRUE(told) << source.path;
    for (const std::string& line : source.lines) {
      EXPECT_TRUE(IsClean(line)) << source.path << ": " << line;
      if (IsGenerated(source.path)) continue;
      EXPECT_LE(Width(line), kLuaColumns) << source.path << ": " << line;
    }
  }
}

TEST(CommentTest, NothingIsMarkedUnfinished) {
  for (const SourceFile& source :
       ReadSources({".c", ".cc", ".h", ".hpp", ".cu", ".cuh", ".rs", ".go",
                    ".py", ".lua", ".cmake", ".sh", ".txt", ".md"})) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      EXPECT_FALSE(HoldsMark(source.lines[i]))
          << source.path << ":" << i + 1 << ": " << source.lines[i];
    }
  }
}

TEST(CommentTest, MarksAreFoundAsWords) {
  EXPECT_TRUE(HoldsMark("// " + kMarks[0] + ": later"));
  EXPECT_TRUE(HoldsMark("int a;  // " + kMarks[1]));
  EXPECT_FALSE(HoldsMark("// " + kMarks[3] + "ERS"));
  EXPECT_FALSE(HoldsMark("// mktemp " + kMarks[2] + "X"));
}

TEST(CommentTest, LinesEndCleanly) {
  for (const SourceFile& source : ReadCode()) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      EXPECT_TRUE(IsClean(source.lines[i])) << source.path << ":" << i + 1;
    }
  }
}

}  // namespace
}  // namespace baleen::style
