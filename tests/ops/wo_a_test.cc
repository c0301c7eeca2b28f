// wo_a: grouped products and the rounding of z, against double precision.
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

struct Shape {
  int64_t rows;
  int64_t groups;
  int64_t columns;
  int64_t rank;
};

class WoA {
 public:
  // `in` is bf16 in both modes, as sparse_attn leaves it; z is rounded.
  WoA(const Shape& shape, baleen_mode mode, Kind kind)
      : shape_(shape),
        mode_(mode),
        in_(BALEEN_TYPE_BF16, {shape.rows, shape.groups, shape.columns}, 64),
        weight_(
            RandomMatrix(kind, shape.groups * shape.rank, shape.columns, 5)),
        z_(RandomRounded(mode, {shape.rows, shape.groups * shape.rank}, 6,
                         32)) {
    Fill(in_, 4);
  }

  baleen_status Run(TestDevice& device, int64_t first, int64_t count) {
    const OpenWeight weight(device, BALEEN_WEIGHT_GROUPED, {&weight_});
    const Batch batch(std::max<int64_t>(count, 1), count);
    const baleen_tensor in = in_.Rows(first, count);
    baleen_tensor z = z_.Rows(first, count);
    baleen_wo_a_args args{};
    args.common = Common(sizeof(args), mode_, batch.get());
    args.in = &in;
    args.weight = weight.get();
    args.z = &z;
    return device.Call(BALEEN_OP_WO_A, device.ops().wo_a, args);
  }

  void Check(const std::string& where) {
    int64_t exact = 0;
    for (int64_t t = 0; t < shape_.rows; ++t) {
      const std::vector<double> rounded = Rounded(t);
      for (int64_t n = 0; n < shape_.groups * shape_.rank; ++n) {
        const Product product = DotAt(
            *weight_, n, *in_, t * shape_.groups + n / shape_.rank, mode_);
        double tolerance = Tolerance(product, BALEEN_TYPE_BF16);
        if (mode_ == BALEEN_MODE_REFERENCE) {
          // Half a step of e4m3: 2^-4 of a number, or of its subnormals.
          const int64_t groups = (shape_.groups * shape_.rank + 127) / 128;
          const double scale =
              DecodeE8m0(z_.scales()->data()[t * groups + n / 128]);
          tolerance += std::max(std::fabs(product.value) / 16.0, scale / 1024);
        }
        const double got = ValueAt(*z_, t, n);
        ASSERT_TRUE(Near(got, product.value, tolerance))
            << where << " row " << t << " column " << n;
        exact += got == rounded[static_cast<size_t>(n)];
      }
    }
    const int64_t all = shape_.rows * shape_.groups * shape_.rank;
    EXPECT_GE(exact, all - 1 - all / 50) << where;
  }

  std::vector<uint8_t> Outputs() {
    std::vector<uint8_t> bytes = z_.bytes();
    if (z_.scales() != nullptr) {
      bytes.insert(bytes.end(), z_.scales()->data(),
                   z_.scales()->data() + z_.scales()->size());
    }
    return bytes;
  }

 private:
  // A row of exact products, rounded to bf16, then to the nearest e4m3 by
  // search.
  std::vector<double> Rounded(int64_t t) const {
    const int64_t columns = shape_.groups * shape_.rank;
    std::vector<double> row;
    for (int64_t n = 0; n < columns; ++n) {
      row.push_back(DecodeBf16(EncodeBf16(
          DotAt(*weight_, n, *in_, t * shape_.groups + n / shape_.rank, mode_)
              .value)));
    }
    if (mode_ == BALEEN_MODE_FAST) return row;
    for (size_t first = 0; first < row.size(); first += 128) {
      const size_t end = std::min(first + 128, row.size());
      double largest = 1e-4;
      for (size_t i = first; i < end; ++i) {
        largest = std::max(largest, std::fabs(row[i]));
      }
      const double scale = std::ldexp(
          1.0, static_cast<int>(std::ceil(std::log2(largest / 448))));
      for (size_t i = first; i < end; ++i) {
        row[i] = NearestFp8(row[i] / scale) * scale;
      }
    }
    return row;
  }

  Shape shape_;
  baleen_mode mode_;
  Tensor in_;
  Tensor weight_;
  Tensor z_;
};

const Shape kShapes[] = {
    {3, 2, 256, 128}, {9, 3, 128, 256}, {1, 2, 100, 64}, {2, 1, 384, 200}};

TEST(WoA, IsNearDoublePrecision) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (const Shape& shape : kShapes) {
        for (Kind kind : {Kind::kFp8, Kind::kBf16}) {
          TestDevice device(isa, 2);
          WoA test(shape, mode, kind);
          ASSERT_EQ(test.Run(device, 0, shape.rows), BALEEN_OK)
              << device.failure();
          test.Check(std::string(isa) + " mode " + std::to_string(mode) + " " +
                     KindName(kind));
        }
      }
    }
  }
}

TEST(WoA, HasTheSameBitsForAnyRowsAndThreads) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      WoA together(kShapes[1], mode, Kind::kFp8);
      TestDevice one(isa, 1);
      ASSERT_EQ(together.Run(one, 0, 9), BALEEN_OK);
      TestDevice three(isa, 3);
      WoA alone(kShapes[1], mode, Kind::kFp8);
      for (int64_t t = 0; t < 9; ++t) {
        ASSERT_EQ(alone.Run(three, t, 1), BALEEN_OK);
      }
      EXPECT_EQ(alone.Outputs(), together.Outputs()) << isa;
    }
  }
}

}  // namespace
}  // namespace baleen::conformance
