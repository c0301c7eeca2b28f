// BALEEN_OP_QKV_POST against double precision (model.md §6).
#include "cpu/reference/quantize.h"
#include "ops/entry_oracle.h"
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

constexpr float kEpsilon = 1e-6f;

struct Case {
  Case(const std::vector<Part>& parts, baleen_type type, int64_t query_size,
       baleen_mode wanted_mode)
      : random(11),
        mode(wanted_mode),
        batch(parts),
        rope(RopeTable(TestBatch::kPages * 256, 64)),
        query(type, {batch.rows, query_size}, 1),
        kv(type, {batch.rows, 512}, 1),
        q_norm(BALEEN_TYPE_BF16, {query_size}),
        kv_norm(BALEEN_TYPE_BF16, {512}),
        rounded(mode == BALEEN_MODE_REFERENCE ? BALEEN_TYPE_F8_E4M3
                                              : BALEEN_TYPE_BF16,
                {batch.rows, query_size}, 2),
        block(BALEEN_TYPE_BYTE, {batch.rows, 584}) {
    query.Random(random);
    kv.Random(random, 2);
    q_norm.Random(random, 0.3f, 1);
    kv_norm.Random(random, 0.3f, 1);
    if (mode == BALEEN_MODE_REFERENCE) rounded.Scales(128);
  }

  baleen_qkv_post_args Args(const TestState* state) {
    baleen_qkv_post_args args = {};
    args.common = Common(mode, batch);
    args.query = query.get();
    args.kv = kv.get();
    args.q_norm = q_norm.get();
    args.kv_norm = kv_norm.get();
    args.rope = rope.get();
    args.state = state == nullptr ? nullptr : state->get();
    args.block = state == nullptr ? block.get() : nullptr;
    args.query_rounded = rounded.get();
    args.epsilon = kEpsilon;
    return args;
  }

  std::vector<double> NormedKv(int64_t row) {
    std::vector<double> x;
    for (int64_t i = 0; i < 512; ++i) x.push_back(kv.Get(row, i));
    return NormAndRotate(std::move(x), kv_norm, rope, Position(row), mode);
  }
  int64_t Position(int64_t row) const {
    return static_cast<const int32_t*>(batch.get()->positions->data)[row];
  }

  std::mt19937 random;
  baleen_mode mode;
  TestBatch batch;
  TestTensor rope, query, kv, q_norm, kv_norm, rounded, block;
};

void CheckQuery(Case& c, int64_t row) {
  const int64_t size = c.query.tensor().size[1];
  double squares = 0;
  for (int64_t i = 0; i < size; ++i) {
    squares += c.query.Get(row, i) * c.query.Get(row, i);
  }
  const double inverse =
      1 / std::sqrt(squares / static_cast<double>(size) + 1e-6);
  std::vector<float> normed;
  for (int64_t i = 0; i < size; ++i) {
    normed.push_back(RoundToBf16(
        static_cast<float>(c.query.Get(row, i) * inverse * c.q_norm.Get(i))));
  }
  int64_t others = 0;
  for (int64_t first = 0; first < size; first += 128) {
    const int64_t count = std::min<int64_t>(128, size - first);
    uint8_t codes[128];
    cpu::QuantizeFp8(&normed[static_cast<size_t>(first)], count, codes);
    for (int64_t i = 0; i < count; ++i) {
      const double got = c.rounded.Get(row, first + i);
      const double expected =
          static_cast<double>(normed[static_cast<size_t>(first + i)]);
      if (c.mode == BALEEN_MODE_FAST) {
        others += got != expected;
      } else {
        others += c.rounded.At<uint8_t>(row, first + i) != codes[i];
      }
      ASSERT_NEAR(got, expected, std::fabs(expected) * 0.07 + 0.01);
    }
  }
  // A norm in float ends the other side of a tie now and then.
  EXPECT_LE(others, 1 + size / 100);
}

TEST(QkvPost, AgreesWithDoublePrecision) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      for (const baleen_type type : {BALEEN_TYPE_F32, BALEEN_TYPE_BF16}) {
        Case c({{2, 250, 40}, {0, 0, 1}, {1, 1000, 3}}, type, 200, mode);
        const TestState state(device, ShapeOf(0), 3);
        BALEEN_RUN(device, QKV_POST, qkv_post, c.Args(&state));
        for (int64_t row = 0; row < c.batch.rows; ++row) {
          CheckQuery(c, row);
          const int32_t slot = row < 40 ? 2 : row == 40 ? 0 : 1;
          CheckEntry(
              c.NormedKv(row),
              state.Read(BALEEN_POOL_WINDOW, slot,
                         static_cast<uint32_t>(c.Position(row) % 256), 1, 584));
        }
      }
    }
  });
}

TEST(QkvPost, ABlockHasTheSameEntries) {
  ForEachVariant([](TestDevice& device) {
    Case c({{0, 30, 5}}, BALEEN_TYPE_BF16, 128, BALEEN_MODE_REFERENCE);
    const TestState state(device, ShapeOf(0), 1);
    BALEEN_RUN(device, QKV_POST, qkv_post, c.Args(&state));
    baleen_qkv_post_args args = c.Args(nullptr);
    args.query = nullptr;
    args.query_rounded = nullptr;
    BALEEN_RUN(device, QKV_POST, qkv_post, args);
    for (int64_t row = 0; row < 5; ++row) {
      const uint8_t* entry = &c.block.At<uint8_t>(row, 0);
      EXPECT_EQ(std::vector<uint8_t>(entry, entry + 584),
                state.Read(BALEEN_POOL_WINDOW, 0,
                           static_cast<uint32_t>(30 + row), 1, 584));
    }
  });
}

TEST(QkvPost, NoRows) {
  ForEachVariant([](TestDevice& device) {
    Case c({{0, 0, 0}}, BALEEN_TYPE_F32, 128, BALEEN_MODE_FAST);
    const TestState state(device, ShapeOf(0), 1);
    const auto before = state.Read(BALEEN_POOL_WINDOW, 0, 0, 256, 584);
    BALEEN_RUN(device, QKV_POST, qkv_post, c.Args(&state));
    EXPECT_EQ(state.Read(BALEEN_POOL_WINDOW, 0, 0, 256, 584), before);
  });
}

}  // namespace
}  // namespace baleen::ops_test
