// The scanner: how the three expressions become one pass.
//
// Numbers are taken first, in threes; a run of ideographs, or of anything else,
// between them is matched against the alternatives A to F of the third
// expression, in their order.  A number, or a change from ideographs to others,
// ends such a run like the end of the text, which is what the look-ahead of E
// sees: the space in "a 1" is a piece.
#include "text/pretokenize.h"

#include "base/utf8.h"
#include "text/unicode_table.h"

namespace baleen {
namespace {

// What the alternatives tell apart, as bits, so that a run is one test.
enum Kind : uint8_t {
  kEnd = 0,  // Of the run.
  kOther = 1 << 0,
  kNumber = 1 << 1,
  kLetter = 1 << 2,
  kMark = 1 << 3,
  kGraphic = 1 << 4,  // \p{P} or \p{S}
  kSpace = 1 << 5,    // \s but for the next.
  kBreak = 1 << 6,    // \r or \n
  kWord = kLetter | kMark,
  kBlank = kSpace | kBreak
};

constexpr uint8_t kKindOfClass[] = {kOther,   kNumber,  kLetter, kMark,
                                    kGraphic, kGraphic, kSpace};

constexpr uint8_t KindOf(uint32_t point) {
  if (point == '\r' || point == '\n') return kBreak;
  return kKindOfClass[static_cast<size_t>(ClassOf(point))];
}

constexpr std::array<uint8_t, 128> kKindOfAscii = [] {
  std::array<uint8_t, 128> kinds{};
  for (uint32_t point = 0; point < 128; ++point) kinds[point] = KindOf(point);
  return kinds;
}();

bool IsIdeograph(uint32_t point) {
  return (point >= 0x4E00 && point <= 0x9FA5) ||
         (point >= 0x3040 && point <= 0x30FF);
}

bool IsAsciiLetter(char c) {
  return static_cast<unsigned char>((c | 0x20) - 'a') < 26;
}

}  // namespace

struct PieceScanner::Character {
  uint8_t kind;
  bool ideograph;
  size_t size;  // 0 at the end.
};

// The character at `at`, whatever run it belongs to.
PieceScanner::Character PieceScanner::Read(const char* at) const {
  if (at == end_) return {kEnd, false, 0};
  const auto lead = static_cast<unsigned char>(*at);
  if (lead < 0x80) return {kKindOfAscii[lead], false, 1};
  size_t size = 0;
  if (ReadUtf8(at, end_, &size) != Utf8::kCharacter) return {kOther, false, 1};
  const uint32_t point = CodePoint(at, size);
  return {KindOf(point), IsIdeograph(point), size};
}

// The character at `at` if it belongs to the run.
PieceScanner::Character PieceScanner::Peek(const char* at) const {
  const Character c = Read(at);
  if (c.kind == kNumber || c.ideograph != ideographs_) return {kEnd, false, 0};
  return c;
}

// The end of the characters of these kinds at `at`.
const char* PieceScanner::Skip(const char* at, uint8_t kinds) const {
  for (;;) {
    const Character c = Peek(at);
    if ((c.kind & kinds) == 0) return at;
    at += c.size;
  }
}

// \p{N}{1,3}
const char* PieceScanner::SkipDigits(const char* at) const {
  for (int i = 0; i < 3; ++i) {
    const Character c = Read(at);
    if (c.kind != kNumber) break;
    at += c.size;
  }
  return at;
}

// D, E or F: of the spaces at `at`, those up to the last line break; else all,
// if the run ends with them; else all but the last, which may begin a word; of
// one, that one.
const char* PieceScanner::SkipSpace(const char* at) const {
  const char* last_break = nullptr;
  const char* last = at;
  const char* end = at;
  for (;;) {
    const Character c = Peek(end);
    if ((c.kind & kBlank) == 0) {
      if (last_break != nullptr) return last_break;
      return c.kind == kEnd || last == at ? end : last;
    }
    last = end;
    end += c.size;
    if (c.kind == kBreak) last_break = end;
  }
}

// The end of the first alternative that matches at `at`, or NULL.
const char* PieceScanner::Match(const char* at) const {
  const Character c = Peek(at);
  const char* next = at + c.size;
  if ((c.kind & kWord) != 0) return Skip(next, kWord);  // B
  if (c.kind == kGraphic) {
    if (c.size == 1 && next != end_ && IsAsciiLetter(*next)) {
      do ++next;
      while (next != end_ && IsAsciiLetter(*next));
      return next;  // A: every graphic character of ASCII is in its class.
    }
    return Skip(Skip(next, kGraphic), kBreak);  // C
  }
  if (c.kind != kBreak) {
    const Character behind = Peek(next);
    if ((behind.kind & kWord) != 0) {
      return Skip(next + behind.size, kWord);  // B
    }
    if (*at == ' ' && behind.kind == kGraphic) {
      return Skip(Skip(next + behind.size, kGraphic), kBreak);  // C
    }
  }
  return (c.kind & kBlank) != 0 ? SkipSpace(at) : nullptr;
}

bool PieceScanner::Next(std::string_view* piece) {
  const char* begin = at_;
  if (begin == end_) return false;
  const Character first = Read(begin);
  if (first.kind == kNumber) {
    at_ = SkipDigits(begin);
  } else {
    ideographs_ = first.ideograph;
    at_ = Match(begin);
    if (at_ == nullptr) {
      // What nothing matches is a piece, up to where something does.
      at_ = begin + first.size;
      for (;;) {
        const Character c = Peek(at_);
        if (c.kind == kEnd || Match(at_) != nullptr) break;
        at_ += c.size;
      }
    }
  }
  *piece = std::string_view(begin, static_cast<size_t>(at_ - begin));
  return true;
}

}  // namespace baleen
