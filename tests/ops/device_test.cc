// The CPU device: instruction sets by setting, weights that cannot be, the
// floating-point mode of its callers.
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

TEST(Device, IsRefusedForInstructionSetsThatThereAreNot) {
  TestDevice unknown("avx1024");
  EXPECT_EQ(unknown.status(), BALEEN_INVALID_ARGUMENT);
  EXPECT_NE(unknown.failure().find("avx1024"), std::string::npos);
  for (const char* isa : {"reference", "portable"}) {
    EXPECT_EQ(TestDevice(isa).status(), BALEEN_OK);
  }
  EXPECT_EQ(TestDevice(nullptr).status(), BALEEN_OK);
}

TEST(Device, RoundsAsTheModesSay) {
  TestDevice device(nullptr);
  baleen_format format{};
  ASSERT_EQ(
      device.table().format(device.handle(), BALEEN_MODE_REFERENCE, &format),
      BALEEN_OK);
  EXPECT_EQ(format.type, BALEEN_TYPE_F8_E4M3);
  EXPECT_EQ(format.scale_type, BALEEN_TYPE_E8M0);
  EXPECT_EQ(format.block, 128u);
  ASSERT_EQ(device.table().format(device.handle(), BALEEN_MODE_FAST, &format),
            BALEEN_OK);
  EXPECT_EQ(format.type, BALEEN_TYPE_BF16);
  EXPECT_EQ(device.table().format(device.handle(), 7, &format),
            BALEEN_INVALID_ARGUMENT);
}

TEST(Device, RefusesWeightsThatCannotBe) {
  TestDevice device(nullptr);
  Tensor good = RandomMatrix(Kind::kFp8, 4, 128, 1);
  Tensor other = RandomMatrix(Kind::kFp8, 4, 64, 1);
  Tensor integers(BALEEN_TYPE_I32, {4, 128});
  Tensor strided(BALEEN_TYPE_BF16, {4, 128}, 8);
  Tensor bare(BALEEN_TYPE_F8_E4M3, {4, 128});
  Tensor odd(BALEEN_TYPE_F4_E2M1, {2, 66});
  odd.WithScales(BALEEN_TYPE_F32, 1, 32);
  const struct {
    baleen_weight_kind kind;
    std::vector<Tensor*> tensors;
  } cases[] = {{BALEEN_WEIGHT_LINEAR, {&good, &other}},
               {BALEEN_WEIGHT_LINEAR, {&integers}},
               {BALEEN_WEIGHT_LINEAR, {&strided}},
               {BALEEN_WEIGHT_LINEAR, {&bare}},
               {BALEEN_WEIGHT_LINEAR, {&odd}},
               {BALEEN_WEIGHT_LINEAR, {}},
               {BALEEN_WEIGHT_TABLE, {&good, &good}},
               {BALEEN_WEIGHT_EXPERTS, {&good, &good}},
               {BALEEN_WEIGHT_EXPERTS, {&good, &good, &good}},
               {77, {&good}}};
  for (const auto& one : cases) {
    const OpenWeight weight(device, one.kind, one.tensors);
    EXPECT_EQ(weight.status(), BALEEN_INVALID_ARGUMENT);
    EXPECT_EQ(weight.get(), nullptr);
    EXPECT_FALSE(device.failure().empty());
  }
  EXPECT_EQ(OpenWeight(device, BALEEN_WEIGHT_LINEAR, {&good}).status(),
            BALEEN_OK);
}

TEST(Device, KnowsWhatItNeedsBeforeThereAreWeights) {
  for (const char* isa : Devices()) {
    TestDevice device(isa);
    Tensor u(BALEEN_TYPE_BF16, {700, 4096});
    Tensor out(BALEEN_TYPE_F32, {700, 64});
    baleen_tensor shape = *u;
    shape.data = nullptr;
    baleen_tensor out_shape = *out;
    out_shape.data = nullptr;
    baleen_in_proj_args args{};
    args.common = Common(sizeof(args), BALEEN_MODE_FAST, nullptr);
    args.u = &shape;
    args.u_rounded = &shape;
    args.out[0] = &out_shape;
    baleen_op_needs needs{};
    needs.struct_size = sizeof(needs);
    ASSERT_EQ(
        device.table().query(device.handle(), BALEEN_OP_IN_PROJ, &args, &needs),
        BALEEN_OK)
        << device.failure();
    EXPECT_STREQ(needs.implementation, isa);
    EXPECT_EQ(needs.scratch_bytes > 0, std::string(isa) != "reference");
    EXPECT_EQ(
        device.table().query(device.handle(), BALEEN_OP_COUNT, &args, &needs),
        BALEEN_UNSUPPORTED);
  }
}

// The codes of e4m3 that are no numbers make none of their row of a product, for
// few rows of activations and for many, and leave the other rows alone.
TEST(Device, KeepsTheNanOfAWeightInItsRow) {
  constexpr int64_t kOuter = 70;
  constexpr int64_t kInner = 256;
  Tensor matrix = RandomMatrix(Kind::kFp8, kOuter, kInner, 4);
  matrix.row<uint8_t>(17)[130] = 0x7F;
  matrix.row<uint8_t>(69)[3] = 0xFF;
  for (const char* isa : Devices()) {
    TestDevice device(isa);
    const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix});
    for (const int64_t rows : {1, 40}) {
      Tensor z = RandomRounded(BALEEN_MODE_REFERENCE, {rows, kInner}, 3);
      Tensor y(BALEEN_TYPE_BF16, {rows, kOuter});
      const Batch batch(rows, rows);
      baleen_wo_b_args args{};
      args.common = Common(sizeof(args), BALEEN_MODE_REFERENCE, batch.get());
      args.z = z.get();
      args.weight = weight.get();
      args.y = y.get();
      ASSERT_EQ(device.Call(BALEEN_OP_WO_B, device.ops().wo_b, args),
                BALEEN_OK);
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t n = 0; n < kOuter; ++n) {
          EXPECT_EQ(std::isnan(ValueAt(*y, t, n)), n == 17 || n == 69)
              << isa << " " << t << " " << n;
        }
      }
    }
  }
}

#if defined(__x86_64__)
// A result must not change with the host's rounding mode or with subnormals
// flushed, and the mode must be as it was.
TEST(Device, DoesNotMindTheCallersFloatMode) {
  for (const char* isa : Devices()) {
    Tensor z = RandomRounded(BALEEN_MODE_REFERENCE, {3, 256}, 3);
    Tensor matrix = RandomMatrix(Kind::kFp8, 70, 256, 4);
    TestDevice device(isa, 2);
    const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix});
    const Batch batch(3, 3);
    const auto run = [&] {
      Tensor y(BALEEN_TYPE_BF16, {3, 70});
      baleen_wo_b_args args{};
      args.common = Common(sizeof(args), BALEEN_MODE_REFERENCE, batch.get());
      args.z = z.get();
      args.weight = weight.get();
      args.y = y.get();
      EXPECT_EQ(device.Call(BALEEN_OP_WO_B, device.ops().wo_b, args),
                BALEEN_OK);
      return y.bytes();
    };
    const std::vector<uint8_t> usual = run();
    const unsigned saved = _mm_getcsr();
    constexpr unsigned kUpwardsAndFlush = 0x5F80 | 0x8040;
    _mm_setcsr(kUpwardsAndFlush);
    const std::vector<uint8_t> odd = run();
    const unsigned after = _mm_getcsr();
    _mm_setcsr(saved);
    EXPECT_EQ(after & 0xFFC0u, kUpwardsAndFlush & 0xFFC0u);
    EXPECT_EQ(odd, usual) << isa;
  }
}
#endif

}  // namespace
}  // namespace baleen::conformance
