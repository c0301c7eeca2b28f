// Whatever happens inside an entry, what comes out of it is a status.
#include "api/guard.h"

#include <gtest/gtest.h>

#include <cfenv>

namespace baleen {
namespace {

TEST(GuardTest, CopiesAFailureToTheCallersError) {
  baleen_error error = {};
  EXPECT_EQ(Guard(&error, [] { return NotFound("no %s here", "whale"); }),
            BALEEN_NOT_FOUND);
  EXPECT_EQ(error.status, BALEEN_NOT_FOUND);
  EXPECT_STREQ(error.message, "no whale here");
  EXPECT_EQ(Guard(nullptr, [] { return NotFound("no whale"); }),
            BALEEN_NOT_FOUND);
}

TEST(GuardTest, LeavesTheErrorOfASuccessAlone) {
  baleen_error error = {42, "as it was"};
  EXPECT_EQ(Guard(&error, [] { return Status(); }), BALEEN_OK);
  EXPECT_EQ(error.status, 42);
  EXPECT_STREQ(error.message, "as it was");
}

TEST(GuardTest, LetsNoExceptionOut) {
  baleen_error error = {};
  EXPECT_EQ(Guard(&error, []() -> Status { throw std::bad_alloc(); }),
            BALEEN_OUT_OF_MEMORY);
  EXPECT_NE(error.message[0], '\0');
  EXPECT_EQ(Guard(&error, []() -> Status { throw std::length_error("long"); }),
            BALEEN_OUT_OF_MEMORY);
  EXPECT_EQ(Guard(&error, []() -> Status { throw std::runtime_error("odd"); }),
            BALEEN_INTERNAL);
  EXPECT_STREQ(error.message, "a bug in the library: odd");
  EXPECT_EQ(Guard(&error, []() -> Status { throw 7; }), BALEEN_INTERNAL);
  EXPECT_EQ(GuardValue(-1, []() -> int { throw 7; }), -1);
}

TEST(GuardTest, TheModeInsideIsTheDefaultAndComesBackAfterwards) {
  std::fesetround(FE_DOWNWARD);
  int inside = -1;
  Guard(nullptr, [&inside]() -> Status {
    inside = std::fegetround();
    throw std::bad_alloc();
  });
  const int after = std::fegetround();
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(inside, FE_TONEAREST);
  EXPECT_EQ(after, FE_DOWNWARD);
}

}  // namespace
}  // namespace baleen
