// BALEEN_OP_MHC_BOUNDARY against double precision (model.md §5).
#include "cpu/reference/quantize.h"
#include "ops/hyper_oracle.h"
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

constexpr float kEpsilon = 1e-6f;

// One call with all its tensors.  parts < 0: no y; 0: y is bf16; else f32 parts.
struct Case {
  Case(int64_t rows, int64_t size, int parts, int64_t gap,
       baleen_mode wanted_mode)
      : random(static_cast<uint32_t>(rows * 1000 + size)),
        mode(wanted_mode),
        batch({{0, 0, static_cast<int32_t>(rows)}}),
        streams(BALEEN_TYPE_BF16, {rows, kStreams, size}, gap),
        post(BALEEN_TYPE_F32, {rows, kStreams}, gap),
        mix(BALEEN_TYPE_F32, {rows, kStreams, kStreams}, gap),
        fn(BALEEN_TYPE_F32, {24, kStreams * size}, gap),
        base(BALEEN_TYPE_F32, {24}),
        scale(BALEEN_TYPE_F32, {3}),
        norm(BALEEN_TYPE_BF16, {size}),
        u(BALEEN_TYPE_BF16, {rows, size}, gap),
        rounded(mode == BALEEN_MODE_REFERENCE ? BALEEN_TYPE_F8_E4M3
                                              : BALEEN_TYPE_BF16,
                {rows, size}, gap),
        mean(BALEEN_TYPE_BF16, {rows, size}, gap) {
    streams.Random(random);
    post.Random(random, 0.5f, 1);
    mix.Random(random, 0.2f, 0.25f);
    fn.Random(random, 0.1f);
    base.Random(random);
    scale.Random(random, 0.5f);
    norm.Random(random, 0.3f, 1);
    if (mode == BALEEN_MODE_REFERENCE) rounded.Scales(128);
    if (parts == 0) y.emplace(BALEEN_TYPE_BF16, std::vector{rows, size}, gap);
    if (parts > 0) {
      y.emplace(BALEEN_TYPE_F32, std::vector<int64_t>{parts, rows, size}, gap);
    }
    if (y) y->Random(random);
  }

  baleen_mhc_boundary_args Args() {
    baleen_mhc_boundary_args args = {};
    args.common = Common(mode, batch);
    args.y = y ? y->get() : nullptr;
    args.post_in = y ? post.get() : nullptr;
    args.mix_in = y ? mix.get() : nullptr;
    args.fn = fn.get();
    args.base = base.get();
    args.scale = scale.get();
    args.norm = norm.get();
    args.streams = streams.get();
    args.u = u.get();
    args.u_rounded = rounded.get();
    args.post = post.get();  // In place.
    args.mix = mix.get();
    args.stream_mean = mean.get();
    args.hc_epsilon = kEpsilon;
    args.norm_epsilon = kEpsilon;
    args.iterations = 20;
    return args;
  }

  // Row `from` of the other's inputs becomes row 0.
  void TakeRow(Case& other, int64_t from) {
    const int64_t size = streams.tensor().size[2];
    for (int64_t i = 0; i < size; ++i) {
      norm.Set(static_cast<float>(other.norm.Get(i)), i);
      for (int64_t j = 0; j < kStreams; ++j) {
        streams.Set(static_cast<float>(other.streams.Get(from, j, i)), 0, j, i);
      }
    }
    fn.ForEach([&](int64_t i, int64_t j, int64_t) {
      fn.Set(other.fn.At<float>(i, j), i, j);
    });
    for (int64_t i = 0; i < 24; ++i) base.Set(other.base.At<float>(i), i);
    for (int64_t i = 0; i < 3; ++i) scale.Set(other.scale.At<float>(i), i);
    for (int64_t j = 0; j < kStreams; ++j) {
      post.Set(other.post.At<float>(from, j), 0, j);
      for (int64_t k = 0; k < kStreams; ++k) {
        mix.Set(other.mix.At<float>(from, j, k), 0, j, k);
      }
    }
    if (!y) return;
    const bool parts = y->tensor().rank == 3;
    for (int64_t p = 0; p < (parts ? y->tensor().size[0] : 1); ++p) {
      for (int64_t i = 0; i < size; ++i) {
        if (parts) {
          y->Set(other.y->At<float>(p, from, i), p, 0, i);
        } else {
          y->Set(static_cast<float>(other.y->Get(from, i)), 0, i);
        }
      }
    }
  }

  std::mt19937 random;
  baleen_mode mode;
  TestBatch batch;
  std::optional<TestTensor> y;
  TestTensor streams, post, mix, fn, base, scale, norm, u, rounded, mean;
};

// What the operator wrote, given the case as it was before.
void Check(Case& before, Case& after) {
  HyperInputs in{before.y ? &*before.y : nullptr,
                 &before.post,
                 &before.mix,
                 &before.streams,
                 &after.streams,
                 &before.fn,
                 kEpsilon};
  CheckStreams(in);
  const int64_t size = before.streams.tensor().size[2];
  for (int64_t t = 0; t < before.streams.tensor().size[0]; ++t) {
    CheckStreamMean(after.streams, after.mean, t);
    const std::vector<double> mixes = Mixes(in, t);
    double pre[kStreams];
    double post[kStreams];
    double mix[kStreams * kStreams];
    Split(mixes, before.base, before.scale, pre, post, mix);
    for (int64_t j = 0; j < kStreams; ++j) {
      EXPECT_NEAR(after.post.Get(t, j), post[j], kMixError);
      for (int64_t k = 0; k < kStreams; ++k) {
        EXPECT_NEAR(after.mix.Get(t, j, k), mix[j * kStreams + k], kMixError);
      }
    }
    const std::vector<double> joined = Joined(after.streams, t, pre);
    CheckNormed(joined, before.norm, after.u, t);
    std::vector<float> u;
    for (int64_t i = 0; i < size; ++i) {
      u.push_back(static_cast<float>(after.u.Get(t, i)));
    }
    if (before.mode == BALEEN_MODE_FAST) {
      for (int64_t i = 0; i < size; ++i) {
        ASSERT_EQ(after.rounded.Get(t, i), after.u.Get(t, i));
      }
      continue;
    }
    for (int64_t first = 0; first < size; first += 128) {
      const int64_t count = std::min<int64_t>(128, size - first);
      uint8_t codes[128];
      cpu::QuantizeFp8(&u[static_cast<size_t>(first)], count, codes);
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(after.rounded.At<uint8_t>(t, first + i), codes[i]);
      }
    }
  }
}

TEST(MhcBoundary, AgreesWithDoublePrecision) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      for (const int64_t size : {64, 100, 256, 1040}) {
        for (const int64_t rows : {0, 1, 5, 70}) {
          for (const int parts : {-1, 0, 3}) {
            if (rows > 5 && size > 100) continue;
            SCOPED_TRACE(testing::Message()
                         << rows << " rows of " << size << ", parts " << parts);
            Case before(rows, size, parts, 3, mode);
            Case after(rows, size, parts, 3, mode);
            BALEEN_RUN(device, MHC_BOUNDARY, mhc_boundary, after.Args());
            Check(before, after);
            EXPECT_EQ(device.implementation(),
                      mode == BALEEN_MODE_FAST && size % 16 == 0 ? device.isa()
                                                                 : "reference");
          }
        }
      }
    }
  });
}

TEST(MhcBoundary, ARowAloneIsTheSame) {
  ForEachVariant([](TestDevice& device) {
    for (const int parts : {0, 2}) {
      constexpr int64_t kRows = 9;
      constexpr int64_t kSize = 512;
      Case inputs(kRows, kSize, parts, 0, BALEEN_MODE_FAST);
      Case many(kRows, kSize, parts, 0, BALEEN_MODE_FAST);
      BALEEN_RUN(device, MHC_BOUNDARY, mhc_boundary, many.Args());
      for (int64_t row = 0; row < kRows; ++row) {
        Case one(1, kSize, parts, 0, BALEEN_MODE_FAST);
        one.TakeRow(inputs, row);
        BALEEN_RUN(device, MHC_BOUNDARY, mhc_boundary, one.Args());
        for (int64_t i = 0; i < kSize; ++i) {
          ASSERT_EQ(one.u.Get(0, i), many.u.Get(row, i)) << row;
          for (int64_t j = 0; j < kStreams; ++j) {
            ASSERT_EQ(one.streams.Get(0, j, i), many.streams.Get(row, j, i));
          }
        }
        for (int64_t j = 0; j < kStreams; ++j) {
          ASSERT_EQ(one.post.Get(0, j), many.post.Get(row, j));
        }
      }
    }
  });
}

TEST(MhcBoundary, TouchesOnlyTheRowsThatAreReal) {
  ForEachVariant([](TestDevice& device) {
    Case before(5, 64, 0, 1, BALEEN_MODE_REFERENCE);
    Case after(5, 64, 0, 1, BALEEN_MODE_REFERENCE);
    const TestBatch three({{0, 0, 3}}, {}, 2);
    baleen_mhc_boundary_args args = after.Args();
    args.common.batch = three.get();
    BALEEN_RUN(device, MHC_BOUNDARY, mhc_boundary, args);
    for (int64_t i = 0; i < 64; ++i) {
      for (int64_t j = 0; j < kStreams; ++j) {
        EXPECT_NE(after.streams.Get(2, j, i), before.streams.Get(2, j, i));
        EXPECT_EQ(after.streams.Get(3, j, i), before.streams.Get(3, j, i));
      }
      EXPECT_EQ(after.u.At<uint16_t>(3, i), 0xFFFF);
      EXPECT_EQ(after.rounded.At<uint8_t>(4, i), 0xFF);
    }
  });
}

TEST(MhcBoundary, RefusesWhatDoesNotFit) {
  TestDevice device({"reference", 1});
  Case good(2, 64, 0, 0, BALEEN_MODE_FAST);
  baleen_mhc_boundary_args args = good.Args();
  TestTensor other(BALEEN_TYPE_F32, {24, 100});
  args.fn = other.get();
  EXPECT_EQ(device.Run(BALEEN_OP_MHC_BOUNDARY, &baleen_ops::mhc_boundary, args),
            BALEEN_UNSUPPORTED);
  EXPECT_EQ(device.failure(), "mhc_boundary: fn does not fit streams");
  args = good.Args();
  args.streams = nullptr;
  EXPECT_EQ(device.Run(BALEEN_OP_MHC_BOUNDARY, &baleen_ops::mhc_boundary, args),
            BALEEN_UNSUPPORTED);
}

}  // namespace
}  // namespace baleen::ops_test
