// Cuts a text into the pieces inside which tokens are merged (text.md §3.3).
//
// The checkpoint describes this by three regular expressions, each applied to
// what the ones before left.  A scanner by hand does all three in one pass: the
// expressions need look-ahead, which rules out linear-time engines, and
// backtracking ones are slow and can be made quadratic.  Here every character
// is looked at a fixed number of times at most.
//
// Bytes that are not UTF-8 are characters of their own, of class "other", so
// any text is cut into pieces that make it up again.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace baleen {

// The three expressions, as tokenizer.json has them.
inline constexpr std::array<std::string_view, 3> kPieceExpressions = {
    "\\p{N}{1,3}",
    // U+4E00-9FA5, U+3040-309F, U+30A0-30FF
    "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F"
    "\xE3\x82\xA0-\xE3\x83\xBF]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
    "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
    "\\s*[\r\n]+|\\s+(?!\\S)|\\s+"};

class PieceScanner {
 public:
  explicit PieceScanner(std::string_view text)
      : at_(text.data()), end_(text.data() + text.size()) {}

  // Takes the next piece, which is not empty; false at the end of the text.
  bool Next(std::string_view* piece);

 private:
  struct Character;

  Character Read(const char* at) const;
  Character Peek(const char* at) const;
  const char* Skip(const char* at, uint8_t kinds) const;
  const char* SkipDigits(const char* at) const;
  const char* SkipSpace(const char* at) const;
  const char* Match(const char* at) const;

  const char* at_;
  const char* end_;
  // Whether the characters now being matched are those of the second
  // expression.  Others end the match, as if they were the end of the text.
  bool ideographs_ = false;
};

}  // namespace baleen
