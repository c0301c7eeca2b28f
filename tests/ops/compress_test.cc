// BALEEN_OP_COMPRESS against double precision, and in steps of every size
// (model.md §7).
#include "ops/entry_oracle.h"
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

constexpr int32_t kPositions = 300;

// A timeline's values and gates by position, for one of the two pools.
struct Timeline {
  Timeline(uint32_t ratio_of_layer, baleen_pool wanted_pool)
      : random(ratio_of_layer),
        ratio(ratio_of_layer),
        halves(ratio == 4 ? 2 : 1),
        pool(wanted_pool),
        size(pool == BALEEN_POOL_KEYS ? 128 : 512),
        value(BALEEN_TYPE_F32, {kPositions, halves * size}),
        gate(BALEEN_TYPE_F32, {kPositions, halves * size}),
        ape(BALEEN_TYPE_F32, {ratio, halves * size}, 1),
        norm(BALEEN_TYPE_BF16, {size}),
        rope(RopeTable(kPositions, 64)) {
    value.Random(random);
    gate.Random(random, 2);
    ape.Random(random);
    norm.Random(random, 0.3f, 1);
  }

  // Runs the positions [first, first + count) as a step of their own.
  void Step(TestDevice& device, const TestState& state, int32_t slot,
            int32_t first, int32_t count, baleen_mode mode,
            const TestTensor* frozen = nullptr) {
    // Another timeline before it, so that rows and sessions are not from zero.
    const TestBatch batch({{1 - slot, 3, 2}, {slot, first, count}});
    TestTensor values(BALEEN_TYPE_F32, {count + 2, halves * size}, 3);
    TestTensor gates(BALEEN_TYPE_F32, {count + 2, halves * size}, 1);
    values.ForEach([&](int64_t i, int64_t j, int64_t) {
      values.Set(i < 2 ? 0 : value.At<float>(first + i - 2, j), i, j);
      gates.Set(i < 2 ? 0 : gate.At<float>(first + i - 2, j), i, j);
    });
    baleen_compress_args args = {};
    args.common = Common(mode, batch);
    args.pool = pool;
    args.epsilon = 1e-6f;
    args.value = values.get();
    args.gate = gates.get();
    args.ape = ape.get();
    args.norm = norm.get();
    args.rope = rope.get();
    args.frozen = frozen == nullptr ? nullptr : &frozen->tensor();
    args.state = state.get();
    BALEEN_RUN(device, COMPRESS, compress, args);
  }

  // Entry or key i, not rounded to its codes.
  std::vector<double> Expected(int64_t entry, baleen_mode mode) {
    std::vector<double> pooled;
    for (int64_t i = 0; i < size; ++i) {
      double sum = 0;
      double weighted = 0;
      for (int64_t p = std::max<int64_t>((entry + 1 - halves) * ratio, 0);
           p < (entry + 1) * ratio; ++p) {
        const int64_t at = halves == 2 && p >= entry * ratio ? size + i : i;
        const double weight =
            std::exp(gate.Get(p, at) + ape.Get(p % ratio, at));
        sum += weight;
        weighted += weight * value.Get(p, at);
      }
      pooled.push_back(RoundIn(mode, weighted / sum));
    }
    std::vector<double> x =
        NormAndRotate(std::move(pooled), norm, rope, entry * ratio, mode);
    return pool == BALEEN_POOL_KEYS ? HadamardOf(x, mode) : x;
  }

  // Entry or key i as it is saved.
  std::vector<uint8_t> Stored(const TestState& state, int32_t slot,
                              int64_t entry) const {
    const int64_t in_page = 256 / ratio;
    return state.Read(pool, TestBatch::PageOf(slot, entry / in_page),
                      static_cast<uint32_t>(entry % in_page), 1,
                      pool == BALEEN_POOL_KEYS ? 68 : 584);
  }

  std::mt19937 random;
  int64_t ratio;
  int64_t halves;
  baleen_pool pool;
  int64_t size;
  TestTensor value, gate, ape, norm, rope;
};

void CheckKey(const std::vector<double>& expected,
              const std::vector<uint8_t>& key) {
  const std::vector<double> rounded = RoundToFp4(expected);
  int64_t different = 0;
  for (int64_t i = 0; i < 128; ++i) {
    const double got =
        static_cast<double>(Fp4ToFloat(Fp4CodeAt(key.data(), i))) *
        std::ldexp(1.0, key[static_cast<size_t>(64 + i / 32)] - 127);
    different += got != rounded[static_cast<size_t>(i)];
  }
  EXPECT_LE(different, 3);
}

// Each kind of layer and pool.
const std::pair<uint32_t, baleen_pool> kKinds[] = {{4, BALEEN_POOL_ENTRIES},
                                                   {4, BALEEN_POOL_KEYS},
                                                   {128, BALEEN_POOL_ENTRIES},
                                                   {32, BALEEN_POOL_ENTRIES}};

TEST(Compress, AgreesWithDoublePrecision) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      for (const auto& [ratio, pool] : kKinds) {
        Timeline timeline(ratio, pool);
        const TestState state(device, ShapeOf(ratio), 2);
        timeline.Step(device, state, 1, 0, kPositions, mode);
        EXPECT_EQ(device.implementation(), device.isa());
        for (int64_t i = 0; i < kPositions / int64_t{ratio}; ++i) {
          SCOPED_TRACE(testing::Message() << "entry " << i << " of " << ratio);
          if (pool == BALEEN_POOL_KEYS) {
            CheckKey(timeline.Expected(i, mode), timeline.Stored(state, 1, i));
          } else {
            CheckEntry(timeline.Expected(i, mode),
                       timeline.Stored(state, 1, i));
          }
        }
      }
    }
  });
}

TEST(Compress, StepsOfAnySizeGiveTheSameBits) {
  ForEachVariant([](TestDevice& device) {
    for (const auto& [ratio, pool] : kKinds) {
      Timeline timeline(ratio, pool);
      const TestState whole(device, ShapeOf(ratio), 2);
      timeline.Step(device, whole, 0, 0, kPositions, BALEEN_MODE_FAST);
      for (const int32_t step : {1, 3, 16, 37, 150}) {
        const TestState state(device, ShapeOf(ratio), 2);
        for (int32_t p = 0; p < kPositions; p += step) {
          timeline.Step(device, state, 0, p, std::min(step, kPositions - p),
                        BALEEN_MODE_FAST);
        }
        for (int64_t i = 0; i < kPositions / int64_t{ratio}; ++i) {
          ASSERT_EQ(timeline.Stored(state, 0, i), timeline.Stored(whole, 0, i))
              << "entry " << i << " of " << ratio << " in steps of " << step;
        }
        const uint32_t tail_rows = whole.shape().tail_rows;
        const size_t floats = ratio == 4 ? 4 * (512 + 128) : 2 * 512;
        const size_t first = pool == BALEEN_POOL_KEYS ? 4 * 512 : 0;
        const size_t count =
            static_cast<size_t>(2 * timeline.halves * timeline.size);
        const auto one = state.Read(BALEEN_POOL_TAIL, 0, 0, tail_rows,
                                    floats * sizeof(float));
        const auto other = whole.Read(BALEEN_POOL_TAIL, 0, 0, tail_rows,
                                      floats * sizeof(float));
        for (uint32_t row = 0; row < tail_rows; ++row) {
          const size_t at = (row * floats + first) * sizeof(float);
          ASSERT_EQ(std::memcmp(&one[at], &other[at], count * sizeof(float)), 0)
              << "row " << row << " of the tail in steps of " << step;
        }
      }
    }
  });
}

TEST(Compress, FrozenEntriesStayAsTheyAre) {
  ForEachVariant([](TestDevice& device) {
    Timeline timeline(4, BALEEN_POOL_ENTRIES);
    const TestState state(device, ShapeOf(4), 2);
    timeline.Step(device, state, 0, 0, kPositions, BALEEN_MODE_FAST);
    std::vector<std::vector<uint8_t>> before;
    for (int64_t i = 0; i < kPositions / 4; ++i) {
      before.push_back(timeline.Stored(state, 0, i));
    }
    // Rows from 200 on come again, changed; entries below 60 are frozen.
    timeline.value.ForEach([&](int64_t i, int64_t j, int64_t) {
      timeline.value.Set(timeline.value.At<float>(i, j) + 1, i, j);
    });
    TestTensor frozen(BALEEN_TYPE_I32, {2});
    frozen.At<int32_t>(0) = 0;
    frozen.At<int32_t>(1) = 60;
    timeline.Step(device, state, 0, 200, kPositions - 200, BALEEN_MODE_FAST,
                  &frozen);
    for (int64_t i = 0; i < kPositions / 4; ++i) {
      const bool same =
          timeline.Stored(state, 0, i) == before[static_cast<size_t>(i)];
      EXPECT_EQ(same, i < 60) << i;
    }
  });
}

TEST(Compress, NoRows) {
  ForEachVariant([](TestDevice& device) {
    for (const auto& [ratio, pool] : kKinds) {
      Timeline timeline(ratio, pool);
      const TestState state(device, ShapeOf(ratio), 2);
      timeline.Step(device, state, 0, 17, 0, BALEEN_MODE_FAST);
    }
  });
}

}  // namespace
}  // namespace baleen::ops_test
