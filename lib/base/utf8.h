// UTF-8 read strictly: no overlong forms, no surrogates, nothing past U+10FFFF.
//
// One reader for all who need it (JSON, the pre-tokenizer, streams of text), so
// that they agree about which bytes are a character.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/memory.h"

namespace baleen {

enum class Utf8 : uint8_t {
  kCharacter,
  kIncomplete,  // The text ends inside what may still become a character.
  kInvalid
};

// What stands at `text`, and how many bytes of it there are: those of the
// character, or of its longest beginning that more bytes could have completed
// (at least 1), which is what one U+FFFD replaces (Unicode 14, §3.9, "maximal
// subpart").  REQUIRES: text < end.
inline Utf8 ReadUtf8(const char* text, const char* end, size_t* size) {
  const auto lead = static_cast<unsigned char>(*text);
  *size = 1;
  if (lead < 0x80) return Utf8::kCharacter;
  if (lead < 0xC2 || lead > 0xF4) return Utf8::kInvalid;
  // Some leads narrow the range of the byte behind them.
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  for (size_t i = 1; i < length; ++i) {
    *size = i;
    if (text + i == end) return Utf8::kIncomplete;
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < low || byte > high) return Utf8::kInvalid;
    low = 0x80;
    high = 0xBF;
  }
  *size = length;
  return Utf8::kCharacter;
}

// The code point of a character of `size` bytes.
inline uint32_t CodePoint(const char* text, size_t size) {
  const auto byte = [&](size_t i) -> uint32_t {
    return static_cast<unsigned char>(text[i]);
  };
  switch (size) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 |
             (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  }
}

inline void AppendUtf8(uint32_t point, String* text) {
  char bytes[4];
  size_t size = 0;
  const auto put = [&](uint32_t byte) {
    bytes[size++] = static_cast<char>(byte);
  };
  const auto put_tail = [&](uint32_t bits) { put(0x80 | (bits & 0x3F)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | point >> 6);
    put_tail(point);
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12);
    put_tail(point >> 6);
    put_tail(point);
  } else {
    put(0xF0 | point >> 18);
    put_tail(point >> 12);
    put_tail(point >> 6);
    put_tail(point);
  }
  text->append(bytes, size);
}

}  // namespace baleen
