// The scanner against Oniguruma itself, the engine behind the official
// tokenizer, on random texts of the characters that matter.  Built where
// Oniguruma 6.9.8 is; others know another Unicode.
#include <gtest/gtest.h>

// GoogleTest brings the system's <regex.h>, with a struct of the same name.
#define ONIG_ESCAPE_REGEX_T_COLLISION
#define re_registers OnigRegisters
#include <oniguruma.h>
#undef re_registers

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/pretokenize.h"

namespace baleen {
namespace {

using Pieces = std::vector<std::string_view>;

const OnigUChar* Bytes(const char* text) {
  return reinterpret_cast<const OnigUChar*>(text);
}

class Expression {
 public:
  explicit Expression(std::string_view source) {
    OnigErrorInfo error;
    EXPECT_EQ(onig_new(&regex_, Bytes(source.data()),
                       Bytes(source.data() + source.size()), ONIG_OPTION_NONE,
                       ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &error),
              ONIG_NORMAL);
  }
  ~Expression() { onig_free(regex_); }
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  // Matches and the gaps between them.
  Pieces Split(std::string_view text) const {
    Pieces pieces;
    OnigRegion* region = onig_region_new();
    const OnigUChar* begin = Bytes(text.data());
    const OnigUChar* end = begin + text.size();
    size_t at = 0;
    while (at < text.size() && onig_search(regex_, begin, end, begin + at, end,
                                           region, ONIG_OPTION_NONE) >= 0) {
      const auto first = static_cast<size_t>(region->beg[0]);
      const auto last = static_cast<size_t>(region->end[0]);
      if (first > at) pieces.push_back(text.substr(at, first - at));
      pieces.push_back(text.substr(first, last - first));
      at = last;
    }
    if (at < text.size()) pieces.push_back(text.substr(at));
    onig_region_free(region, 1);
    return pieces;
  }

 private:
  OnigRegex regex_ = nullptr;
};

TEST(PretokenizeTest, CutsAsOnigurumaDoes) {
  OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
  ASSERT_EQ(onig_initialize(encodings, 1), ONIG_NORMAL);
  std::vector<std::unique_ptr<Expression>> expressions;
  for (const std::string_view source : kPieceExpressions) {
    expressions.push_back(std::make_unique<Expression>(source));
  }
  const std::vector<uint32_t> points = {
      ' ',    ' ',     '\n',    '\r',    '\t',    'a',    'Z',    '0',
      '9',    '!',     '\'',    '$',     '~',     1,      0x7F,   0x85,
      0xA0,   0xAB,    0xB2,    0xD7,    0xE9,    0x301,  0x37E,  0x3A9,
      0x903,  0x966,   0x200B,  0x2028,  0x2029,  0x20AC, 0x2160, 0x3000,
      0x3005, 0x3007,  0x3040,  0x3042,  0x3099,  0x309C, 0x30A0, 0x30A2,
      0x30FB, 0x3400,  0x4E00,  0x9FA5,  0x9FA6,  0xE000, 0xFEFF, 0xFF01,
      0xFF11, 0x1F600, 0x1D7D8, 0x20000, 0x10FFFF};
  std::mt19937 random(11);
  for (int i = 0; i < 20000; ++i) {
    String text;
    for (size_t size = random() % 24; size > 0; --size) {
      uint32_t point = points[random() % points.size()];
      // Now and then any other.
      if (random() % 8 == 0) point = static_cast<uint32_t>(random() % 0x110000);
      if (point < 0xD800 || point > 0xDFFF) AppendUtf8(point, &text);
    }
    Pieces expected = {text};
    for (const auto& expression : expressions) {
      Pieces split;
      for (const std::string_view piece : expected) {
        for (const std::string_view part : expression->Split(piece)) {
          split.push_back(part);
        }
      }
      expected = split;
    }
    Pieces pieces;
    PieceScanner scanner(text);
    std::string_view piece;
    while (scanner.Next(&piece)) pieces.push_back(piece);
    ASSERT_EQ(pieces, expected) << text;
  }
  onig_end();
}

}  // namespace
}  // namespace baleen
