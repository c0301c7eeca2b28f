// Windows kept aside: going back to them, forking at them and loading with some
// of them or none gives the same bits as computing from the beginning, and
// computes no more rows than it must.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "unit/models/test_model.h"

namespace baleen::test {
namespace {

using Row = std::vector<float>;

class WindowsTest : public testing::TestWithParam<baleen_mode> {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<Shared>();
    for (size_t i = 0; i < 1100; ++i) {
      shared_->tokens.push_back(static_cast<int32_t>(i * i / 7 % 500));
    }
  }
  static void TearDownTestSuite() { shared_.reset(); }

  // States are the same in both modes, and reference mode is slow: there, some
  // cases must do.
  template <typename T>
  static std::vector<T> Cases(std::vector<T> all, size_t some) {
    if (GetParam() == BALEEN_MODE_REFERENCE) all.resize(some);
    return all;
  }
  static Model& model() { return shared_->model.model(); }

  std::span<const int32_t> First(size_t count) const {
    return std::span<const int32_t>(shared_->tokens).first(count);
  }
  // A timeline of the first `count` tokens with windows each `period`.
  Timeline Make(size_t count, int64_t period) {
    Timeline timeline(model(), GetParam());
    timeline.state().KeepWindowsEach(period);
    timeline.Append(First(count), 128);
    return timeline;
  }
  // The bits that follow `count` tokens and then 40 of another kind.
  const Row& Fresh(size_t count) {
    Row& row = shared_->fresh[{GetParam(), count}];
    if (row.empty()) {
      Timeline timeline(model(), GetParam());
      timeline.Append(First(count));
      row = GoOn(&timeline);
    }
    return row;
  }
  static Row GoOn(Timeline* timeline) {
    std::vector<int32_t> other;
    for (int32_t i = 0; i < 40; ++i) other.push_back(100 + 7 * i % 400);
    return timeline->Append(other, 33);
  }
  static void ExpectSame(const Row& a, const Row& b, size_t length) {
    ASSERT_EQ(a.size(), b.size());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0)
        << "at " << length;
  }

 private:
  // Of all tests.
  struct Shared {
    TestModel model{"tiny_v4"};
    std::vector<int32_t> tokens;
    std::map<std::pair<baleen_mode, size_t>, Row> fresh;
  };
  inline static std::unique_ptr<Shared> shared_;
};

TEST_P(WindowsTest, TruncatedToOne) {
  Timeline whole = Make(1100, 128);
  for (const size_t length : Cases<size_t>({901, 1024, 300, 5}, 2)) {
    Timeline timeline = whole.Fork();
    timeline.Truncate(length);
    EXPECT_EQ(timeline.replay_from(), static_cast<int64_t>(length / 128 * 128));
    ExpectSame(Fresh(length), GoOn(&timeline), length);
  }
}

// From one window to an earlier one, and to lengths between them.
TEST_P(WindowsTest, TruncatedAgainAndAgain) {
  Timeline timeline = Make(1100, 256);
  for (const size_t length : {901u, 896u, 768u, 767u}) {
    timeline.Truncate(length);
    EXPECT_GE(timeline.replay_from(), static_cast<int64_t>(length / 256 * 256));
    Timeline fork = timeline.Fork();
    ExpectSame(Fresh(length), GoOn(&fork), length);
  }
}

TEST_P(WindowsTest, ForkedAt) {
  Timeline timeline = Make(1100, 512);
  timeline.state().ReserveWindow();
  timeline.state().KeepWindowAt(1099);
  // What is in the rings still, a window, and none.
  const std::vector<std::pair<size_t, int64_t>> cases = {
      {1024, 1024}, {901, 512}, {1100, 1100}, {1095, 1095}, {300, 0}};
  for (const auto& [length, replay_from] : Cases(cases, 2)) {
    Timeline fork = timeline.ForkAt(length);
    EXPECT_GE(fork.replay_from(), replay_from) << length;
    ExpectSame(Fresh(length), GoOn(&fork), length);
  }
  // The single one, when the rings have moved on.
  for (int i = 0; i < 10; ++i) GoOn(&timeline);
  Timeline fork = timeline.ForkAt(1099);
  EXPECT_EQ(fork.replay_from(), 1099);
  ExpectSame(Fresh(1099), GoOn(&fork), 1099);
}

// Decoding row by row and in rows of a draft keeps windows as well.
TEST_P(WindowsTest, KeptWhileDecoding) {
  Timeline timeline(model(), GetParam());
  timeline.state().KeepWindowsEach(128);
  timeline.Append(First(250));
  timeline.Append(First(280).subspan(250), 1);
  timeline.Append(First(420).subspan(280), 5);
  EXPECT_EQ(timeline.state().KeptWindows().size(), 2u);
  timeline.Truncate(384);
  EXPECT_EQ(timeline.replay_from(), 384);
  ExpectSame(Fresh(384), GoOn(&timeline), 384);
}

TEST_P(WindowsTest, LoadedWithSomeOrNone) {
  Timeline timeline = Make(1000, 256);
  const std::vector<std::vector<int64_t>> cases = {
      {}, {512, 1000}, {256, 768}, {1000}, {256}};
  for (const std::vector<int64_t>& windows : Cases(cases, 3)) {
    Timeline loaded(model(), GetParam());
    loaded.Load(timeline.Save(windows), First(1000), windows);
    // 1000 - 128 * 5 = 360, and no row before 256 is wrong.
    const int64_t back = windows.empty() ? 0 : windows.back();
    EXPECT_EQ(loaded.replay_from(), std::max<int64_t>(back, 256));
    EXPECT_TRUE(loaded.state().KeptWindows().empty());
    ExpectSame(Fresh(1000), GoOn(&loaded), 1000);
  }
}

// Near the beginning a window is whole before the tails of shorter lengths are.
TEST_P(WindowsTest, TruncatedAfterLoadingOrForkingFew) {
  for (const size_t count : Cases<size_t>({130, 13, 100}, 2)) {
    Timeline timeline = Make(count, 0);
    const std::vector<char> bytes = timeline.Save();
    for (const size_t less : {1u, 2u, 5u, 7u, 9u, 12u}) {
      Timeline loaded(model(), GetParam());
      loaded.Load(bytes, First(count));
      loaded.Truncate(count - less);
      ExpectSame(Fresh(count - less), GoOn(&loaded), count - less);
      Timeline fork = timeline.Fork();
      fork.Truncate(count - less);
      ExpectSame(Fresh(count - less), GoOn(&fork), count - less);
    }
  }
}

// The replay of a state without a window reads its entries and leaves them.
TEST_P(WindowsTest, ReplayChangesNoEntry) {
  Timeline timeline = Make(1000, 0);
  const std::vector<char> pages = timeline.Save({});
  Timeline loaded(model(), GetParam());
  loaded.Load(pages, First(1000), {});
  EXPECT_LT(loaded.replay_from(), 1000);
  loaded.Append({}, 100);
  EXPECT_EQ(loaded.replay_from(), 1000);
  EXPECT_EQ(loaded.Save({}), pages);
  EXPECT_EQ(loaded.Save(), timeline.Save());
}

INSTANTIATE_TEST_SUITE_P(Modes, WindowsTest,
                         testing::Values(BALEEN_MODE_FAST,
                                         BALEEN_MODE_REFERENCE));

}  // namespace
}  // namespace baleen::test
