// Packed weights: the blob, and that operators give the same bits with it.
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

constexpr Kind kKinds[] = {Kind::kBf16, Kind::kFp8, Kind::kFp8FloatScales,
                           Kind::kFp4};

std::vector<uint8_t> Bytes(const GuardedBuffer& buffer) {
  return {buffer.data(), buffer.data() + buffer.size()};
}

TEST(PackedWeight, HasOneLayoutForAllInstructionSets) {
  std::vector<uint8_t> first;
  for (const char* isa : Devices()) {
    TestDevice device(isa);
    EXPECT_STREQ(device.table().weight_layout(device.handle()), "cpu.r16.1");
    std::vector<Tensor> matrices;
    for (Kind kind : kKinds) {
      matrices.push_back(RandomMatrix(kind, 37, 160, 1));
    }
    std::vector<Tensor*> list;
    for (Tensor& matrix : matrices) list.push_back(&matrix);
    const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, list, true);
    ASSERT_EQ(weight.status(), BALEEN_OK) << device.failure();
    if (first.empty()) first = Bytes(weight.blob());
    EXPECT_EQ(Bytes(weight.blob()), first) << isa;
  }
}

// By the layout's description, byte by byte.
TEST(PackedWeight, PutsRowsSideBySide) {
  TestDevice device("reference");
  Tensor matrix(BALEEN_TYPE_F4_E2M1, {18, 160});
  matrix.WithScales(BALEEN_TYPE_E8M0, 1, 32);
  Fill(matrix, 3);
  const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix}, true);
  ASSERT_EQ(weight.status(), BALEEN_OK);
  constexpr size_t kBlock = 16 * 64 + 64;
  ASSERT_EQ(weight.blob().size(), 2 * 2 * kBlock);
  const uint8_t* blob = weight.blob().data();
  for (size_t row = 0; row < 32; ++row) {
    const uint8_t* tile = blob + row / 16 * 2 * kBlock;
    const auto packed_at = [&](size_t i, size_t start) {
      return tile[start + i / 4 * 64 + row % 16 * 4 + i % 4];
    };
    for (size_t i = 0; i < 128; ++i) {
      const uint8_t expected =
          row < 18 && i < 80
              ? static_cast<const uint8_t*>(matrix->data)[row * 80 + i]
              : 0;
      EXPECT_EQ(packed_at(i % 64, i / 64 * kBlock), expected);
    }
    for (size_t i = 0; i < 8; ++i) {
      const uint8_t expected =
          row < 18 && i < 5 ? matrix.scales()->data()[row * 5 + i] : 0;
      EXPECT_EQ(packed_at(i % 4, i / 4 * kBlock + 1024), expected);
    }
  }
}

TEST(PackedWeight, PutsExpertsOnPagesOfTheirOwn) {
  TestDevice device("reference");
  std::vector<Tensor> matrices;
  for (uint32_t e = 0; e < 2; ++e) {
    matrices.push_back(RandomMatrix(Kind::kFp4, 48, 128, 3 * e));
    matrices.push_back(RandomMatrix(Kind::kFp4, 48, 128, 3 * e + 1));
    matrices.push_back(RandomMatrix(Kind::kFp4, 128, 48, 3 * e + 2));
  }
  std::vector<Tensor*> both;
  for (Tensor& matrix : matrices) both.push_back(&matrix);
  const OpenWeight weight(device, BALEEN_WEIGHT_EXPERTS, both, true);
  ASSERT_EQ(weight.status(), BALEEN_OK);
  const OpenWeight second(device, BALEEN_WEIGHT_EXPERTS,
                          {both[3], both[4], both[5]}, true);
  ASSERT_EQ(second.status(), BALEEN_OK);
  EXPECT_EQ(second.blob().size() % 4096, 0u);
  ASSERT_EQ(weight.blob().size(), 2 * second.blob().size());
  const std::vector<uint8_t> all = Bytes(weight.blob());
  EXPECT_EQ(
      std::vector<uint8_t>(
          all.begin() + static_cast<int64_t>(second.blob().size()), all.end()),
      Bytes(second.blob()));
}

TEST(PackedWeight, IsRefusedWhereItCannotBe) {
  TestDevice device("reference");
  Tensor matrix = RandomMatrix(Kind::kFp8, 16, 128, 1);
  EXPECT_EQ(OpenWeight(device, BALEEN_WEIGHT_TABLE, {&matrix}, true).status(),
            BALEEN_UNSUPPORTED);
  const baleen_device_table& table = device.table();
  baleen_weight_source source{};
  source.struct_size = sizeof(source);
  source.tensors = matrix.get();
  source.tensor_count = 1;
  alignas(64) uint8_t blob[4096];
  EXPECT_EQ(table.weight_pack(device.handle(), &source, 0, 2, blob),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(table.weight_pack(device.handle(), &source, 2, 0, blob),
            BALEEN_INVALID_ARGUMENT);
  baleen_weight* weight = nullptr;
  EXPECT_EQ(table.weight_open(device.handle(), &source, blob + 8, &weight),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(weight, nullptr);
}

TEST(PackedWeight, GivesTheSameBits) {
  constexpr int64_t kRows = 19;
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (Kind kind : kKinds) {
        TestDevice device(isa, 2);
        Tensor matrix = RandomMatrix(kind, 130, 320, 1);
        Tensor in = RandomRounded(mode, {kRows, 320}, 2);
        std::vector<std::vector<uint8_t>> outputs;
        for (bool packed : {false, true}) {
          const OpenWeight weight(device, BALEEN_WEIGHT_LINEAR, {&matrix},
                                  packed);
          ASSERT_EQ(weight.status(), BALEEN_OK) << device.failure();
          Tensor out(BALEEN_TYPE_F32, {kRows, 130});
          baleen_linear_args args{};
          args.common = Common(sizeof(args), mode, nullptr);
          args.in = in.get();
          args.weight = weight.get();
          args.out = out.get();
          ASSERT_EQ(device.Call(BALEEN_OP_LINEAR, device.ops().linear, args),
                    BALEEN_OK)
              << device.failure();
          EXPECT_EQ(device.implementation(), isa);
          outputs.push_back(out.bytes());
        }
        EXPECT_EQ(outputs[0], outputs[1]) << isa << " " << KindName(kind);
      }
    }
  }
}

TEST(PackedWeight, ServesTables) {
  TestDevice device("reference");
  Tensor table = RandomMatrix(Kind::kBf16, 10, 24, 1);
  const OpenWeight weight(device, BALEEN_WEIGHT_TABLE, {&table}, true);
  ASSERT_EQ(weight.status(), BALEEN_OK) << device.failure();
  Tensor tokens(BALEEN_TYPE_I32, {3});
  for (int64_t i = 0; i < 3; ++i) {
    tokens.row<int32_t>(i)[0] = static_cast<int32_t>(9 - 4 * i);
  }
  Tensor out(BALEEN_TYPE_BF16, {3, 24});
  baleen_linear_args args{};
  args.common = Common(sizeof(args), BALEEN_MODE_FAST, nullptr);
  args.in = tokens.get();
  args.weight = weight.get();
  args.out = out.get();
  ASSERT_EQ(device.Call(BALEEN_OP_LINEAR, device.ops().linear, args), BALEEN_OK)
      << device.failure();
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(
        std::memcmp(out.row<uint16_t>(i), table.row<uint16_t>(9 - 4 * i), 48),
        0);
  }
}

}  // namespace
}  // namespace baleen::conformance
