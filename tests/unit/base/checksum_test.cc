// XXH64's published values, and independence of how the bytes are cut.
#include "base/checksum.h"

#include <gtest/gtest.h>

#include <string>

namespace baleen {
namespace {

uint64_t Of(const std::string& text) {
  return ChecksumOf(text.data(), text.size());
}

TEST(Checksum, PublishedValues) {
  EXPECT_EQ(Of(""), 0xEF46DB3751D8E999u);
  EXPECT_EQ(Of("a"), 0xD24EC4F1A98C6E5Bu);
  EXPECT_EQ(Of("abc"), 0x44BC2CF5AD770999u);
  EXPECT_EQ(Of("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1u);
}

TEST(Checksum, CutsChangeNothing) {
  std::string text(300, '\0');
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(i * 37 + 11);
  }
  for (size_t piece = 1; piece < 70; ++piece) {
    Checksum checksum;
    for (size_t at = 0; at < text.size(); at += piece) {
      checksum.Add(text.data() + at, std::min(piece, text.size() - at));
    }
    EXPECT_EQ(checksum.Value(), Of(text)) << "pieces of " << piece;
  }
}

}  // namespace
}  // namespace baleen
