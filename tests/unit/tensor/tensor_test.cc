// Descriptions of tensors: sizes in bytes, scales, views, words.
#include "tensor/tensor.h"

#include <gtest/gtest.h>

namespace baleen {
namespace {

TEST(TensorTest, MakesContiguousTensors) {
  const Tensor tensor = MakeTensor(BALEEN_TYPE_BF16, {3, 4, 5});
  EXPECT_EQ(tensor.rank, 3u);
  EXPECT_EQ(tensor.stride[0], 20);
  EXPECT_EQ(tensor.stride[1], 5);
  EXPECT_EQ(tensor.stride[2], 1);
  EXPECT_EQ(ElementCount(tensor), 60);
  EXPECT_EQ(DataBytes(tensor), 120u);
  EXPECT_EQ(ScaleBytes(tensor), 0u);
  EXPECT_EQ(tensor.data, nullptr);
}

TEST(TensorTest, CountsBytesOfEveryType) {
  struct Case {
    baleen_type type;
    uint64_t bytes;  // Of seven elements.
    const char* name;
  };
  for (const Case& one :
       {Case{BALEEN_TYPE_F32, 28, "f32"}, Case{BALEEN_TYPE_BF16, 14, "bf16"},
        Case{BALEEN_TYPE_I32, 28, "i32"}, Case{BALEEN_TYPE_F8_E4M3, 7, "e4m3"},
        Case{BALEEN_TYPE_F4_E2M1, 4, "e2m1"}, Case{BALEEN_TYPE_E8M0, 7, "e8m0"},
        Case{BALEEN_TYPE_I8, 7, "i8"}, Case{BALEEN_TYPE_I64, 56, "i64"},
        Case{BALEEN_TYPE_BYTE, 7, "byte"}, Case{BALEEN_TYPE_NONE, 0, "none"},
        Case{99, 0, "none"}, Case{-1, 0, "none"}}) {
    EXPECT_EQ(DataBytes(MakeTensor(one.type, {7})), one.bytes);
    EXPECT_STREQ(TypeName(one.type), one.name);
  }
}

TEST(TensorTest, ScalesLieRowByRow) {
  const Tensor tensor =
      MakeScaledTensor(BALEEN_TYPE_F4_E2M1, BALEEN_TYPE_E8M0, 32, {2, 3, 100});
  EXPECT_EQ(DataBytes(tensor), 300u);
  EXPECT_EQ(ScaleBytes(tensor), 6u * 4);  // The last of a row is short.
  const Tensor empty =
      MakeScaledTensor(BALEEN_TYPE_I8, BALEEN_TYPE_F32, 32, {4, 0});
  EXPECT_EQ(ScaleBytes(empty), 0u);
}

TEST(TensorTest, FollowsTheDevicesFormat) {
  const Tensor plain =
      MakeRoundedTensor({BALEEN_TYPE_BF16, BALEEN_TYPE_NONE, 0, 0}, {4, 256});
  EXPECT_EQ(plain.type, BALEEN_TYPE_BF16);
  EXPECT_EQ(ScaleBytes(plain), 0u);
  const Tensor rounded = MakeRoundedTensor(
      {BALEEN_TYPE_F8_E4M3, BALEEN_TYPE_E8M0, 128, 0}, {4, 256});
  EXPECT_EQ(DataBytes(rounded), 1024u);
  EXPECT_EQ(ScaleBytes(rounded), 8u);
}

TEST(TensorTest, ViewsColumns) {
  float numbers[12] = {};
  Tensor tensor = MakeTensor(BALEEN_TYPE_F32, {3, 4});
  tensor.data = numbers;
  const Tensor columns = ColumnsOf(tensor, 1, 2);
  EXPECT_EQ(columns.data, numbers + 1);
  EXPECT_EQ(columns.size[1], 2);
  EXPECT_EQ(columns.stride[0], 4);
  EXPECT_EQ(columns.size[0], 3);
}

TEST(TensorTest, DescribesItself) {
  EXPECT_STREQ(Describe(MakeTensor(BALEEN_TYPE_BF16, {4, 256})).text,
               "bf16 [4, 256]");
  EXPECT_STREQ(Describe(MakeTensor(BALEEN_TYPE_I32, {})).text, "i32 []");
  // However long the numbers are, it ends in time.
  const Tensor large =
      MakeTensor(BALEEN_TYPE_BYTE, {INT64_MAX, 1, 1, INT64_MAX});
  EXPECT_LT(std::char_traits<char>::length(Describe(large).text),
            sizeof(TensorText));
}

}  // namespace
}  // namespace baleen
