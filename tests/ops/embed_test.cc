// embed: rows of a table, once for each stream.
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

TEST(Embed, CopiesTheRowOfEachToken) {
  for (const char* isa : Devices()) {
    TestDevice device(isa, 2);
    constexpr int64_t kRows = 6;
    constexpr int64_t kHidden = 24;
    Tensor table = RandomMatrix(Kind::kBf16, 10, kHidden, 1);
    Tensor streams(BALEEN_TYPE_BF16, {kRows, 4, kHidden});
    const OpenWeight weight(device, BALEEN_WEIGHT_TABLE, {&table});
    Batch batch(kRows, kRows - 1);
    const int32_t tokens[kRows] = {3, 9, 0, -1, 10, 1};
    std::copy(tokens, tokens + kRows, batch.tokens());
    baleen_embed_args args{};
    args.common = Common(sizeof(args), BALEEN_MODE_FAST, batch.get());
    args.table = weight.get();
    args.streams = streams.get();
    ASSERT_EQ(device.Call(BALEEN_OP_EMBED, device.ops().embed, args), BALEEN_OK)
        << device.failure();
    for (int64_t t = 0; t < kRows - 1; ++t) {
      // What is no token of the table gives zeros.
      const bool there = tokens[t] >= 0 && tokens[t] < 10;
      for (int64_t m = 0; m < 4; ++m) {
        for (int64_t i = 0; i < kHidden; ++i) {
          EXPECT_EQ(ValueAt(*streams, t * 4 + m, i),
                    there ? ValueAt(*table, tokens[t], i) : 0.0);
        }
      }
    }
    args.table = nullptr;
    EXPECT_EQ(device.ops().embed(device.queue(), &args),
              BALEEN_INVALID_ARGUMENT);
  }
}

}  // namespace
}  // namespace baleen::conformance
