// BALEEN_OP_HC_HEAD against double precision (model.md §5).
#include "ops/hyper_oracle.h"
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

constexpr float kEpsilon = 1e-6f;

struct Case {
  Case(int32_t rows, int64_t size, const std::vector<int32_t>& outputs,
       bool with_y)
      : random(static_cast<uint32_t>(size)),
        batch({{0, 0, rows}}, outputs),
        y(BALEEN_TYPE_BF16, {rows, size}, 1),
        post(BALEEN_TYPE_F32, {rows, kStreams}),
        mix(BALEEN_TYPE_F32, {rows, kStreams, kStreams}),
        streams(BALEEN_TYPE_BF16, {rows, kStreams, size}, 2),
        fn(BALEEN_TYPE_F32, {kStreams, kStreams * size}, 5),
        base(BALEEN_TYPE_F32, {kStreams}),
        scale(BALEEN_TYPE_F32, {1}),
        norm(BALEEN_TYPE_BF16, {size}),
        joined(BALEEN_TYPE_BF16, {std::ssize(outputs), size}, 3),
        u(BALEEN_TYPE_BF16, {std::ssize(outputs), size}),
        mean(BALEEN_TYPE_BF16, {rows, size}) {
    y.Random(random);
    post.Random(random, 0.5f, 1);
    mix.Random(random, 0.2f, 0.25f);
    streams.Random(random);
    fn.Random(random, 0.1f);
    base.Random(random);
    scale.Random(random, 0.5f);
    norm.Random(random, 0.3f, 1);
    args.common = Common(BALEEN_MODE_FAST, batch);
    args.y = with_y ? y.get() : nullptr;
    args.post_in = post.get();
    args.mix_in = mix.get();
    args.fn = fn.get();
    args.base = base.get();
    args.scale = scale.get();
    args.norm = norm.get();
    args.streams = streams.get();
    args.joined = joined.get();
    args.u = u.get();
    args.stream_mean = mean.get();
    args.hc_epsilon = kEpsilon;
    args.norm_epsilon = kEpsilon;
  }

  std::mt19937 random;
  TestBatch batch;
  TestTensor y, post, mix, streams, fn, base, scale, norm, joined, u, mean;
  baleen_hc_head_args args = {};
};

TEST(HcHead, AgreesWithDoublePrecision) {
  ForEachVariant([](TestDevice& device) {
    for (const int64_t size : {64, 100, 1040}) {
      for (const bool with_y : {true, false}) {
        for (const std::vector<int32_t>& outputs :
             {std::vector<int32_t>{}, {4}, {1, 3, 4}}) {
          Case before(5, size, outputs, with_y);
          Case after(5, size, outputs, with_y);
          BALEEN_RUN(device, HC_HEAD, hc_head, after.args);
          EXPECT_EQ(device.implementation(),
                    size % 16 == 0 ? device.isa() : "reference");
          HyperInputs in{with_y ? &before.y : nullptr,
                         &before.post,
                         &before.mix,
                         &before.streams,
                         &after.streams,
                         &before.fn,
                         kEpsilon};
          CheckStreams(in);
          for (int64_t t = 0; t < 5; ++t) {
            CheckStreamMean(after.streams, after.mean, t);
          }
          for (size_t r = 0; r < outputs.size(); ++r) {
            const std::vector<double> mixes = Mixes(in, outputs[r]);
            double pre[kStreams];
            for (size_t j = 0; j < kStreams; ++j) {
              pre[j] = LogisticOf(mixes[j] * before.scale.Get(0) +
                                  before.base.Get(static_cast<int64_t>(j))) +
                       1e-6;
            }
            const std::vector<double> joined =
                Joined(after.streams, outputs[r], pre);
            const int64_t row = static_cast<int64_t>(r);
            for (size_t i = 0; i < joined.size(); ++i) {
              ASSERT_NEAR(after.joined.Get(row, static_cast<int64_t>(i)),
                          joined[i], Bf16Error(joined[i], 8));
            }
            CheckNormed(joined, before.norm, after.u, row);
          }
        }
      }
    }
  });
}

TEST(HcHead, NoRows) {
  ForEachVariant([](TestDevice& device) {
    Case none(0, 64, {}, true);
    BALEEN_RUN(device, HC_HEAD, hc_head, none.args);
  });
}

}  // namespace
}  // namespace baleen::ops_test
