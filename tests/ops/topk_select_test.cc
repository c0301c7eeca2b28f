// BALEEN_OP_TOPK_SELECT against sorting (model.md §8).
#include <numeric>

#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

// Row t is at position first + t and sees a fourth of the positions.
struct Case {
  Case(TestDevice& device, int32_t first, int32_t rows, int64_t entries,
       int64_t wanted, baleen_type type)
      : batch({{0, first, rows}}),
        state(device, ShapeOf(4), 1),
        scores(type, {rows, entries}, 3),
        selected(BALEEN_TYPE_I32, {rows, wanted}, 2),
        count(BALEEN_TYPE_I32, {rows}) {
    args.common = Common(BALEEN_MODE_FAST, batch);
    args.scores = scores.get();
    args.state = state.get();
    args.selected = selected.get();
    args.count = count.get();
  }

  std::vector<int32_t> Selected(int64_t row) {
    std::vector<int32_t> entries;
    for (int64_t i = 0; i < count.At<int32_t>(row); ++i) {
      entries.push_back(selected.At<int32_t>(row, i));
    }
    return entries;
  }

  std::vector<int32_t> Expected(int64_t row, int64_t visible) {
    std::vector<int32_t> order(static_cast<size_t>(visible));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return scores.Get(row, a) > scores.Get(row, b);
    });
    order.resize(
        static_cast<size_t>(std::min(visible, selected.tensor().size[1])));
    std::sort(order.begin(), order.end());
    return order;
  }

  TestBatch batch;
  TestState state;
  TestTensor scores, selected, count;
  baleen_topk_select_args args = {};
};

TEST(TopkSelect, TakesTheHighestAndTheLowerIndexOnTies) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_type type : {BALEEN_TYPE_F32, BALEEN_TYPE_BF16}) {
      for (const int64_t wanted : {1, 8, 64, 511}) {
        // Few different values, so that most thresholds are ties.
        for (const float step : {0.0f, 0.5f}) {
          std::mt19937 random(static_cast<uint32_t>(wanted));
          Case c(device, 1990, 40, 520, wanted, type);
          c.scores.Random(random, 2);
          c.scores.ForEach([&](int64_t i, int64_t j, int64_t) {
            if (step == 0) return;
            const double rounded = std::round(c.scores.Get(i, j) / 0.5) * 0.5;
            c.scores.Set(static_cast<float>(rounded), i, j);
          });
          BALEEN_RUN(device, TOPK_SELECT, topk_select, c.args);
          for (int64_t row = 0; row < 40; ++row) {
            ASSERT_EQ(c.Selected(row), c.Expected(row, (1990 + row + 1) / 4));
          }
        }
      }
    }
  });
}

// Enough scores that a bound is found first, of which the last few fill no
// vector; few of them equal, or most, as where no head has anything to say.
TEST(TopkSelect, TakesTheHighestOfMany) {
  ForEachVariant([](TestDevice& device) {
    for (const int64_t wanted : {1, 8, 60, 129}) {
      for (const float zeros : {0.0f, 0.9f, 1.0f}) {
        std::mt19937 random(static_cast<uint32_t>(wanted));
        std::uniform_real_distribution<float> chance;
        Case c(device, 2390, 9, 600, wanted, BALEEN_TYPE_F32);
        c.scores.Random(random, 2);
        c.scores.ForEach([&](int64_t i, int64_t j, int64_t) {
          if (chance(random) < zeros) c.scores.Set(0, i, j);
        });
        // Numbers go first, however low.
        c.scores.Set(NAN, 0, 7);
        c.scores.Set(INFINITY, 1, 596);
        BALEEN_RUN(device, TOPK_SELECT, topk_select, c.args);
        c.scores.Set(-INFINITY, 0, 7);
        for (int64_t row = 0; row < 9; ++row) {
          ASSERT_EQ(c.Selected(row), c.Expected(row, (2390 + row + 1) / 4));
        }
      }
    }
  });
}

TEST(TopkSelect, TakesAllWhereThereAreNoMore) {
  ForEachVariant([](TestDevice& device) {
    // The scores are not numbers: they need not be there.
    Case c(device, 0, 40, 10, 10, BALEEN_TYPE_F32);
    BALEEN_RUN(device, TOPK_SELECT, topk_select, c.args);
    for (int64_t row = 0; row < 40; ++row) {
      std::vector<int32_t> all(static_cast<size_t>((row + 1) / 4));
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(c.Selected(row), all);
    }
  });
}

TEST(TopkSelect, OddScores) {
  ForEachVariant([](TestDevice& device) {
    Case c(device, 39, 1, 10, 4, BALEEN_TYPE_F32);
    const float scores[] = {-1,        NAN,    0.0f,   -0.0f, -INFINITY,
                            -INFINITY, 1e-45f, -3e38f, NAN,   -1e-45f};
    for (int64_t i = 0; i < 10; ++i) c.scores.Set(scores[i], 0, i);
    BALEEN_RUN(device, TOPK_SELECT, topk_select, c.args);
    // The two zeros are equal and above the negative ones.
    EXPECT_EQ(c.Selected(0), (std::vector<int32_t>{2, 3, 6, 9}));
    for (int64_t i = 0; i < 10; ++i) c.scores.Set(NAN, 0, i);
    BALEEN_RUN(device, TOPK_SELECT, topk_select, c.args);
    EXPECT_EQ(c.Selected(0), (std::vector<int32_t>{0, 1, 2, 3}));
    for (int64_t i = 0; i < 10; ++i) c.scores.Set(INFINITY, 0, i);
    BALEEN_RUN(device, TOPK_SELECT, topk_select, c.args);
    EXPECT_EQ(c.Selected(0), (std::vector<int32_t>{0, 1, 2, 3}));
  });
}

}  // namespace
}  // namespace baleen::ops_test
