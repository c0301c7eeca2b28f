// Every code point's bytes, their beginnings, and bytes that are no character:
// the reader that JSON, tokenizer and streams share.
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace baleen {
namespace {

TEST(Utf8Test, EveryCodePointComesBack) {
  for (uint32_t point = 0; point < 0x110000; ++point) {
    if (point >= 0xD800 && point < 0xE000) continue;
    String text;
    AppendUtf8(point, &text);
    size_t size = 0;
    ASSERT_EQ(ReadUtf8(text.data(), text.data() + text.size(), &size),
              Utf8::kCharacter);
    ASSERT_EQ(size, text.size());
    ASSERT_EQ(CodePoint(text.data(), size), point);
    // Each beginning of it is incomplete, and is that long.
    for (size_t length = 1; length < text.size(); ++length) {
      ASSERT_EQ(ReadUtf8(text.data(), text.data() + length, &size),
                Utf8::kIncomplete);
      ASSERT_EQ(size, length);
    }
  }
}

TEST(Utf8Test, RefusesWhatIsNoCharacter) {
  const struct {
    std::string bytes;
    size_t size;
  } cases[] = {
      {"\x80", 1},
      {"\xBF"
       "a",
       1},
      {"\xC0\x80", 1},
      {"\xC1\xBF", 1},
      {"\xC2"
       "a",
       1},
      {"\xE0\x9F\xBF", 1},
      {"\xE0\xA0"
       "a",
       2},
      {"\xED\xA0\x80", 1},
      {"\xED\xBF\xBF", 1},
      {"\xF0\x8F\xBF\xBF", 1},
      {"\xF0\x90\x80"
       "a",
       3},
      {"\xF4\x90\x80\x80", 1},
      {"\xF5\x80\x80\x80", 1},
      {"\xFF", 1},
  };
  for (const auto& c : cases) {
    size_t size = 0;
    EXPECT_EQ(ReadUtf8(c.bytes.data(), c.bytes.data() + c.bytes.size(), &size),
              Utf8::kInvalid)
        << testing::PrintToString(c.bytes);
    EXPECT_EQ(size, c.size) << testing::PrintToString(c.bytes);
  }
}

}  // namespace
}  // namespace baleen
