// What a status says, that its message is never half a character, and how
// results and statuses are handed on.
#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/utf8.h"

namespace baleen {
namespace {

constexpr size_t kMostBytes = sizeof(baleen_error::message) - 1;

TEST(StatusTest, CarriesCodeAndMessage) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status().code(), BALEEN_OK);
  EXPECT_STREQ(Status().message(), "");
  const Status status = Corrupt("%s ends at byte %d", "a.bin", 7);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), BALEEN_CORRUPT);
  EXPECT_STREQ(status.message(), "a.bin ends at byte 7");
  const Status copy = status;
  EXPECT_EQ(copy.code(), BALEEN_CORRUPT);
  EXPECT_STREQ(copy.message(), "a.bin ends at byte 7");
  EXPECT_EQ(InvalidArgument("x").code(), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(NotFound("x").code(), BALEEN_NOT_FOUND);
  EXPECT_EQ(Unsupported("x").code(), BALEEN_UNSUPPORTED);
  EXPECT_EQ(Internal("x").code(), BALEEN_INTERNAL);
  EXPECT_EQ(OutOfMemory("x").code(), BALEEN_OUT_OF_MEMORY);
  EXPECT_EQ(Status::Error(BALEEN_IO, "x").code(), BALEEN_IO);
}

TEST(StatusTest, CopiesToTheCallersError) {
  baleen_error error = {};
  EXPECT_EQ(NotFound("no such thing").CopyTo(&error), BALEEN_NOT_FOUND);
  EXPECT_EQ(error.status, BALEEN_NOT_FOUND);
  EXPECT_STREQ(error.message, "no such thing");
  // Success leaves the error alone, and the error may be missing.
  EXPECT_EQ(Status().CopyTo(&error), BALEEN_OK);
  EXPECT_EQ(error.status, BALEEN_NOT_FOUND);
  EXPECT_EQ(NotFound("no such thing").CopyTo(nullptr), BALEEN_NOT_FOUND);
}

// Messages of characters of each length, at each place relative to the limit.
TEST(StatusTest, CutsLongMessagesBetweenCharacters) {
  for (const std::string character : {"a", "é", "中", "😀"}) {
    for (size_t before = 0; before < 5; ++before) {
      std::string text(before, 'x');
      while (text.size() <= kMostBytes + 8) text += character;
      const std::string message = NotFound("%s", text.c_str()).message();
      EXPECT_EQ(text.compare(0, message.size(), message), 0);
      EXPECT_LE(message.size(), kMostBytes);
      EXPECT_GT(message.size() + character.size(), kMostBytes);
      EXPECT_EQ((message.size() - before) % character.size(), 0u) << message;
    }
  }
}

TEST(StatusTest, KeepsMessagesThatJustFit) {
  const std::string text = std::string(kMostBytes - 4, 'x') + "😀";
  EXPECT_EQ(NotFound("%s", text.c_str()).message(), text);
}

TEST(StatusTest, CutsWhatIsNotUtf8Somewhere) {
  const std::string text(1000, '\x80');
  const std::string message = NotFound("%s", text.c_str()).message();
  EXPECT_LE(message.size(), kMostBytes);
}

Result<std::unique_ptr<int>> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("%d is odd", value);
  return std::make_unique<int>(value / 2);
}

Result<int> Quarter(int value) {
  BALEEN_ASSIGN_OR_RETURN(const auto half, Half(value));
  BALEEN_ASSIGN_OR_RETURN(const auto quarter, Half(*half));
  return *quarter;
}

Status CheckQuarter(int value) {
  BALEEN_RETURN_IF_ERROR(Quarter(value).status());
  return Status();
}

TEST(ResultTest, IsAValueOrAStatus) {
  const auto quarter = Quarter(12);
  ASSERT_TRUE(quarter.ok());
  EXPECT_EQ(*quarter, 3);
  EXPECT_TRUE(quarter.status().ok());
  EXPECT_FALSE(Quarter(6).ok());
  EXPECT_STREQ(Quarter(6).status().message(), "3 is odd");
  EXPECT_TRUE(CheckQuarter(4).ok());
  EXPECT_STREQ(CheckQuarter(5).message(), "5 is odd");
}

}  // namespace
}  // namespace baleen
