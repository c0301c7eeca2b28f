// Streams of text: whole characters only, the same however they are cut.
#include "text/utf8_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/utf8.h"
#include "unit/failing_memory.h"

namespace baleen {
namespace {

const String kReplacement = "\xEF\xBF\xBD";

String Whole(std::string_view bytes) {
  Utf8Stream stream;
  String text;
  stream.Write(bytes, &text);
  stream.Finish(&text);
  return text;
}

TEST(Utf8StreamTest, ReplacesWhatIsNoCharacter) {
  const String r = kReplacement;
  const std::pair<std::string, String> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"a中é😀", "a中é😀"},
      // The examples of the Unicode standard 14, tables 3-8 to 3-11.
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41",
       r + r + r + r + r + r + r + r + "A"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41",
       r + r + r + r + r + r + r + r + "A"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42",
       r + r + r + r + r + "A" + r + r + "B"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", r + r + r + r + "A"},
      {"a\xF1\x80\x80\xE1\x80\xC2"
       "b\x80"
       "c\x80\xBF"
       "d",
       "a" + r + r + r + "b" + r + "c" + r + r + "d"},
      // Cut off at the end: one for each beginning.
      {"a\xE4\xB8", "a" + r},
      {"\xF0\x9F\x98", r},
      {"\xC3", r},
  };
  for (const auto& [bytes, text] : cases) EXPECT_EQ(Whole(bytes), text);
}

TEST(Utf8StreamTest, HoldsBackTheBeginningOfACharacter) {
  Utf8Stream stream;
  String text;
  stream.Write("a\xF0\x9F", &text);
  EXPECT_EQ(text, "a");
  EXPECT_EQ(stream.held_size(), 2u);
  stream.Write("\x98", &text);
  EXPECT_EQ(text, "a");
  stream.Write("", &text);
  EXPECT_EQ(text, "a");
  stream.Write(
      "\x80"
      "b\xC3",
      &text);
  EXPECT_EQ(text, "a😀b");
  EXPECT_EQ(stream.held_size(), 1u);
  // Now it is certain that the C3 is none.
  stream.Write("c", &text);
  EXPECT_EQ(text, "a😀b" + kReplacement + "c");
  stream.Finish(&text);
  EXPECT_EQ(text, "a😀b" + kReplacement + "c");
}

TEST(Utf8StreamTest, AnyCutsGiveTheSameText) {
  std::mt19937 random(2);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes;
    for (size_t size = random() % 12; size > 0; --size) {
      const char* units[] = {"a",    "é",    "中",   "😀",    "\xF0", "\xE4",
                             "\x80", "\xC3", "\xBF", "\xFF", "\xED", "\xA0"};
      bytes += units[random() % std::size(units)];
    }
    Utf8Stream stream;
    String text;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = std::min<size_t>(random() % 6, bytes.size() - at);
      stream.Write(std::string_view(bytes).substr(at, size), &text);
      at += size;
      // Whatever has come out is whole characters.
      for (size_t place = 0, length = 0; place < text.size(); place += length) {
        ASSERT_EQ(
            ReadUtf8(text.data() + place, text.data() + text.size(), &length),
            Utf8::kCharacter);
      }
      ASSERT_LE(stream.held_size(), 3u);
    }
    stream.Finish(&text);
    ASSERT_EQ(text, Whole(bytes)) << testing::PrintToString(bytes);
  }
}

TEST(Utf8StreamTest, LosesNothingWhenMemoryRunsOut) {
  const std::string first = "a long enough beginning, and then \xF0\x9F";
  const std::string second = "\x98\x80\xFF, and some more text after that";
  for (int64_t k = 1;; ++k) {
    FailingMemory memory(k);
    Utf8Stream stream;
    String text(&memory);
    int failures = 0;
    for (const std::string& bytes : {first, second}) {
      for (;;) {
        try {
          stream.Write(bytes, &text);
          break;
        } catch (const std::bad_alloc&) {
          ++failures;
        }
      }
    }
    EXPECT_EQ(text, Whole(first + second));
    if (failures == 0) break;
    ASSERT_LT(k, 100);
  }
}

}  // namespace
}  // namespace baleen
