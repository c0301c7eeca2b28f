// BALEEN_OP_INDEXER_Q against double precision (model.md §8).
#include "ops/entry_oracle.h"
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

constexpr int64_t kHeads = 5;
constexpr int64_t kSize = 128;
constexpr float kScale = 0.011048543456f;

struct Case {
  Case(int32_t rows, baleen_mode mode, baleen_type type)
      : random(5),
        batch({{0, 100, rows}}),
        rope(RopeTable(256, 64)),
        iq(BALEEN_TYPE_BF16, {rows, kHeads, kSize}, 2),
        key_weight(BALEEN_TYPE_BF16, {rows, kHeads}, 3),
        rounded(type, {rows, kHeads, kSize}, 4),
        head_weight(BALEEN_TYPE_F32, {rows, kHeads}, 1) {
    iq.Random(random);
    key_weight.Random(random);
    rounded.Scales(32);
    args.common = Common(mode, batch);
    args.iq = iq.get();
    args.key_weight = key_weight.get();
    args.rope = rope.get();
    args.iq_rounded = rounded.get();
    args.head_weight = head_weight.get();
    args.scale = kScale;
    args.rope_size = 64;
  }

  // The query before it is rounded to e2m1.
  std::vector<double> Transformed(int64_t row, int64_t head) {
    const baleen_mode mode = args.common.mode;
    std::vector<double> x;
    for (int64_t i = 0; i < kSize; ++i) x.push_back(iq.Get(row, head, i));
    Turn(x, rope, 100 + row, mode);
    return HadamardOf(x, mode);
  }

  std::mt19937 random;
  TestBatch batch;
  TestTensor rope, iq, key_weight, rounded, head_weight;
  baleen_indexer_q_args args = {};
};

TEST(IndexerQ, AgreesWithDoublePrecision) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      for (const baleen_type type : {BALEEN_TYPE_F4_E2M1, BALEEN_TYPE_I8}) {
        Case c(7, mode, type);
        BALEEN_RUN(device, INDEXER_Q, indexer_q, c.args);
        int64_t different = 0;
        for (int64_t row = 0; row < 7; ++row) {
          for (int64_t head = 0; head < kHeads; ++head) {
            const std::vector<double> expected = c.Transformed(row, head);
            const std::vector<double> rounded = RoundToFp4(expected);
            for (int64_t i = 0; i < kSize; ++i) {
              different += c.rounded.Get(row, head, i) !=
                           rounded[static_cast<size_t>(i)];
            }
            const double weight =
                c.key_weight.Get(row, head) * static_cast<double>(kScale);
            EXPECT_NEAR(c.head_weight.Get(row, head), RoundIn(mode, weight),
                        std::fabs(weight) * 1e-7);
          }
        }
        // Float and double part where a value lies on a tie of bf16 or e2m1.
        EXPECT_LE(different, 7 * kHeads * kSize / 200);
      }
    }
  });
}

TEST(IndexerQ, NoRows) {
  ForEachVariant([](TestDevice& device) {
    Case c(0, BALEEN_MODE_FAST, BALEEN_TYPE_I8);
    BALEEN_RUN(device, INDEXER_Q, indexer_q, c.args);
  });
}

}  // namespace
}  // namespace baleen::ops_test
