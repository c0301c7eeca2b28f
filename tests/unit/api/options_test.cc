// Options structs of older and newer callers, and info structs of both.
#include "api/options.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>

namespace baleen {
namespace {

struct Options {
  uint32_t struct_size;
  uint32_t flags;
  uint64_t capacity;
  uint64_t seed;
};

// The same as a later version has it.
struct LaterOptions {
  Options options;
  uint64_t later;
};

Status Read(const void* given, Options* options) {
  return ReadOptions(static_cast<const Options*>(given), "options", options);
}

TEST(ReadOptionsTest, NullMeansDefaults) {
  Options options = {1, 2, 3, 4};
  ASSERT_TRUE(Read(nullptr, &options).ok());
  EXPECT_EQ(options.struct_size, sizeof(Options));
  EXPECT_EQ(options.flags, 0u);
  EXPECT_EQ(options.seed, 0u);
}

TEST(ReadOptionsTest, WhatAnOlderCallerLacksIsZero) {
  Options given = {offsetof(Options, seed), 2, 3, 4};
  Options options = {};
  ASSERT_TRUE(Read(&given, &options).ok());
  EXPECT_EQ(options.flags, 2u);
  EXPECT_EQ(options.capacity, 3u);
  EXPECT_EQ(options.seed, 0u);
}

TEST(ReadOptionsTest, ANewerCallersWishIsRefusedUnlessZero) {
  LaterOptions given = {{sizeof(LaterOptions), 2, 3, 4}, 0};
  Options options = {};
  ASSERT_TRUE(Read(&given, &options).ok());
  EXPECT_EQ(options.seed, 4u);
  EXPECT_EQ(options.struct_size, sizeof(Options));
  given.later = uint64_t{1} << 63;
  const Status status = Read(&given, &options);
  EXPECT_EQ(status.code(), BALEEN_UNSUPPORTED);
  EXPECT_STREQ(status.message(),
               "options has a member set that this version of the library does "
               "not know");
}

TEST(ReadOptionsTest, ASizeThatNoVersionHasIsRefused) {
  for (const uint32_t size : {0u, 3u, 4u, 12u, 25u, 0xFFFFFFF8u, 4104u}) {
    Options given = {size, 0, 0, 0};
    Options options = {};
    const Status status = Read(&given, &options);
    EXPECT_EQ(status.code(), BALEEN_INVALID_ARGUMENT) << size;
    EXPECT_NE(std::strstr(status.message(), "options.struct_size"), nullptr);
  }
}

TEST(WriteInfoTest, WritesWhatThereIsRoomFor) {
  const Options info = {0, 2, 3, 4};
  Options out = {offsetof(Options, seed), 9, 9, 9};
  ASSERT_TRUE(WriteInfo(info, "info", &out).ok());
  EXPECT_EQ(out.struct_size, offsetof(Options, seed));
  EXPECT_EQ(out.capacity, 3u);
  EXPECT_EQ(out.seed, 9u) << "behind what the caller has";
}

TEST(WriteInfoTest, WhatWeDoNotKnowBecomesZero) {
  const Options info = {0, 2, 3, 4};
  LaterOptions out = {{sizeof(LaterOptions), 9, 9, 9}, 9};
  ASSERT_TRUE(WriteInfo(info, "info", reinterpret_cast<Options*>(&out)).ok());
  EXPECT_EQ(out.options.struct_size, sizeof(LaterOptions));
  EXPECT_EQ(out.options.seed, 4u);
  EXPECT_EQ(out.later, 0u);
}

TEST(WriteInfoTest, RefusesAnUnsetSize) {
  const Options info = {0, 2, 3, 4};
  Options out = {0, 9, 9, 9};
  EXPECT_EQ(WriteInfo(info, "info", &out).code(), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(out.flags, 9u);
}

TEST(ChecksTest, NameWhatTheyRefuse) {
  EXPECT_TRUE(CheckFlags(5, 7, "flags").ok());
  EXPECT_STREQ(CheckFlags(12, 7, "flags").message(),
               "flags has the unknown bits 0x8 set");
  EXPECT_TRUE(CheckEnum(0, 2, "mode").ok());
  EXPECT_TRUE(CheckEnum(2, 2, "mode").ok());
  EXPECT_STREQ(CheckEnum(3, 2, "mode").message(),
               "mode is 3, but goes from 0 to 2");
  EXPECT_EQ(CheckEnum(-1, 2, "mode").code(), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(CheckReserved(1, "options").code(), BALEEN_UNSUPPORTED);
}

}  // namespace
}  // namespace baleen
