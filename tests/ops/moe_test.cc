// moe_plan, moe_gate_up and moe_down, each on inputs of its own.
#include <map>

#include "cpu/moe_plan.h"
#include "ops/oracle.h"

namespace baleen::conformance {
namespace {

struct Shape {
  int64_t rows;
  int64_t experts;
  int64_t places;
  int64_t hidden;
  int64_t inner;
  Kind routed;
  bool shared;
};

// A mixture with its routing and plan.
class Experts {
 public:
  Experts(const Shape& shape, baleen_mode mode)
      : shape_(shape),
        mode_(mode),
        ids_(BALEEN_TYPE_I32, {shape.rows, shape.places}),
        route_(BALEEN_TYPE_F32, {shape.rows, shape.places}),
        resident_(BALEEN_TYPE_I32, {shape.experts}),
        visited_(BALEEN_TYPE_I32, {shape.experts}),
        missing_(BALEEN_TYPE_I32, {shape.experts + 1}),
        plan_(BALEEN_TYPE_BYTE, {static_cast<int64_t>(cpu::MoePlanBytes(
                                    shape.rows, shape.places, shape.experts))}),
        u_(RandomRounded(mode, {shape.rows, shape.hidden}, 11, 64)),
        a_(RandomRounded(mode, {shape.rows * (shape.places + 1), shape.inner},
                         12, 16)),
        others_(BALEEN_TYPE_F32, {shape.rows, shape.places, shape.hidden}),
        y_(BALEEN_TYPE_BF16, {shape.rows, shape.hidden}, 8) {
    std::mt19937 random(13);
    for (int64_t t = 0; t < shape.rows; ++t) {
      for (int64_t j = 0; j < shape.places; ++j) {
        ids_.row<int32_t>(t)[j] = static_cast<int32_t>(
            random() % static_cast<uint32_t>(shape.experts));
        route_.row<float>(t)[j] =
            0.25f + static_cast<float>(random() % 100) / 64;
      }
      // Of an expert named twice, both places have the same weight.
      for (int64_t j = 0; j < shape.places; ++j) {
        for (int64_t i = 0; i < j; ++i) {
          if (ids_.row<int32_t>(t)[i] == ids_.row<int32_t>(t)[j]) {
            route_.row<float>(t)[j] = route_.row<float>(t)[i];
          }
        }
      }
    }
    for (int64_t e = 0; e < shape.experts; ++e) {
      resident_.row<int32_t>(e)[0] = e % 3 == 2 ? -1 : static_cast<int32_t>(e);
    }
    Fill(others_, 14);
    const int64_t count = shape.experts + (shape.shared ? 1 : 0);
    for (int64_t e = 0; e < count; ++e) {
      const Kind kind = e == shape.experts ? Kind::kFp8 : shape.routed;
      const uint32_t seed = static_cast<uint32_t>(100 + 3 * e);
      matrices_.push_back(RandomMatrix(kind, shape.inner, shape.hidden, seed));
      matrices_.push_back(
          RandomMatrix(kind, shape.inner, shape.hidden, seed + 1));
      matrices_.push_back(
          RandomMatrix(kind, shape.hidden, shape.inner, seed + 2));
    }
  }

  std::unique_ptr<OpenWeight> Open(TestDevice& device, bool packed = false) {
    std::vector<Tensor*> tensors;
    for (Tensor& matrix : matrices_) tensors.push_back(&matrix);
    return std::make_unique<OpenWeight>(device, BALEEN_WEIGHT_EXPERTS, tensors,
                                        packed);
  }

  baleen_status Plan(TestDevice& device, int64_t first, int64_t count,
                     bool all_resident) {
    const Batch batch(std::max<int64_t>(count, 1), count);
    const baleen_tensor ids = ids_.Rows(first, count);
    const baleen_tensor route = route_.Rows(first, count);
    baleen_moe_plan_args args{};
    args.common = Common(sizeof(args), mode_, batch.get());
    args.experts = &ids;
    args.weights = &route;
    args.resident = all_resident ? nullptr : resident_.get();
    args.plan = plan_.get();
    args.visited = visited_.get();
    args.missing = missing_.get();
    return device.Call(BALEEN_OP_MOE_PLAN, device.ops().moe_plan, args);
  }

  baleen_status GateUp(TestDevice& device, const baleen_weight* weight,
                       int64_t first, int64_t count, float limit,
                       uint32_t flags = 0) {
    const Batch batch(std::max<int64_t>(count, 1), count);
    const baleen_tensor u = u_.Rows(first, count);
    const baleen_tensor a = a_.Rows(0, count * (shape_.places + 1));
    baleen_moe_gate_up_args args{};
    args.common = Common(sizeof(args), mode_, batch.get());
    args.common.flags = flags;
    args.u_rounded = &u;
    args.plan = plan_.get();
    args.weight = weight;
    args.a = const_cast<baleen_tensor*>(&a);
    args.limit = limit;
    args.shared_limit = 0.0f;
    return device.Call(BALEEN_OP_MOE_GATE_UP, device.ops().moe_gate_up, args);
  }

  baleen_status Down(TestDevice& device, const baleen_weight* weight,
                     int64_t first, int64_t count) {
    const Batch batch(std::max<int64_t>(count, 1), count);
    const baleen_tensor a = a_.Rows(0, count * (shape_.places + 1));
    const baleen_tensor others = others_.Rows(first, count);
    baleen_tensor y = y_.Rows(first, count);
    baleen_moe_down_args args{};
    args.common = Common(sizeof(args), mode_, batch.get());
    args.a = &a;
    args.plan = plan_.get();
    args.others = &others;
    args.weight = weight;
    args.y = &y;
    return device.Call(BALEEN_OP_MOE_DOWN, device.ops().moe_down, args);
  }

  // Into `others_` what each resident expert gives.
  baleen_status DownPartly(TestDevice& device, const baleen_weight* weight) {
    const Batch batch(shape_.rows, shape_.rows);
    baleen_moe_down_args args{};
    args.common = Common(sizeof(args), mode_, batch.get());
    args.common.flags = BALEEN_MOE_PARTIAL;
    args.a = a_.get();
    args.plan = plan_.get();
    args.weight = weight;
    args.y = others_.get();
    return device.Call(BALEEN_OP_MOE_DOWN, device.ops().moe_down, args);
  }
  // The experts that were elsewhere are resident, and the others are not.
  void Exchange() {
    for (int64_t e = 0; e < shape_.experts; ++e) {
      int32_t& place = resident_.row<int32_t>(e)[0];
      place = place < 0 ? static_cast<int32_t>(e) : -1;
    }
  }

  bool IsResident(int64_t e) { return resident_.row<int32_t>(e)[0] >= 0; }
  // The experts of a row, ascending, each once, with the first place.
  std::map<int32_t, int64_t> ListOf(int64_t t) {
    std::map<int32_t, int64_t> list;
    for (int64_t j = 0; j < shape_.places; ++j) {
      list.emplace(ids_.row<int32_t>(t)[j], j);
    }
    return list;
  }
  const Tensor& matrix(int64_t e, int which) const {
    return matrices_[static_cast<size_t>(3 * e + which)];
  }

  Shape shape_;
  baleen_mode mode_;
  Tensor ids_;
  Tensor route_;
  Tensor resident_;
  Tensor visited_;
  Tensor missing_;
  Tensor plan_;
  Tensor u_;
  Tensor a_;
  Tensor others_;
  Tensor y_;
  std::vector<Tensor> matrices_;
};

const Shape kShapes[] = {{1, 4, 2, 256, 128, Kind::kFp4, true},
                         {11, 5, 3, 160, 192, Kind::kFp4, true},
                         {4, 7, 3, 128, 64, Kind::kFp8, true},
                         {9, 3, 2, 96, 130, Kind::kBf16, false},
                         {40, 4, 3, 128, 128, Kind::kFp4, true}};

TEST(MoePlan, ListsEachExpertsRowsOnce) {
  for (const Shape& shape : kShapes) {
    TestDevice device("reference");
    Experts test(shape, BALEEN_MODE_FAST);
    ASSERT_EQ(test.Plan(device, 0, shape.rows, false), BALEEN_OK)
        << device.failure();
    std::vector<std::vector<int32_t>> rows(static_cast<size_t>(shape.experts));
    for (int64_t t = 0; t < shape.rows; ++t) {
      for (const auto& [e, place] : test.ListOf(t)) {
        rows[static_cast<size_t>(e)].push_back(static_cast<int32_t>(t));
      }
    }
    const cpu::MoePlan plan(*test.plan_);
    std::vector<int32_t> missing;
    for (int32_t e = 0; e < shape.experts; ++e) {
      const std::vector<int32_t>& expected = rows[static_cast<size_t>(e)];
      EXPECT_EQ(test.visited_.row<int32_t>(e)[0],
                static_cast<int32_t>(expected.size()));
      ASSERT_EQ(plan.starts[e + 1] - plan.starts[e],
                static_cast<int32_t>(expected.size()));
      for (size_t i = 0; i < expected.size(); ++i) {
        const cpu::MoeEntry& entry =
            plan.entries[plan.starts[e] + static_cast<int32_t>(i)];
        EXPECT_EQ(entry.row, expected[i]);
        EXPECT_EQ(entry.place, test.ListOf(entry.row)[e]);
        EXPECT_EQ(entry.weight, test.route_.row<float>(entry.row)[entry.place]);
      }
      if (!expected.empty() && !test.IsResident(e)) missing.push_back(e);
    }
    ASSERT_EQ(test.missing_.row<int32_t>(0)[0],
              static_cast<int32_t>(missing.size()));
    for (size_t i = 0; i < missing.size(); ++i) {
      EXPECT_EQ(test.missing_.row<int32_t>(static_cast<int64_t>(i) + 1)[0],
                missing[i]);
    }
  }
}

TEST(MoePlan, LeavesOutExpertsThatThereAreNot) {
  TestDevice device("reference");
  Experts test(kShapes[1], BALEEN_MODE_FAST);
  for (int64_t t = 0; t < 11; ++t) {
    test.ids_.row<int32_t>(t)[0] = t % 2 == 0 ? -1 : 5;
  }
  ASSERT_EQ(test.Plan(device, 0, 11, true), BALEEN_OK);
  const cpu::MoePlan plan(*test.plan_);
  for (int32_t i = 0; i < plan.header->entries; ++i) {
    EXPECT_NE(plan.entries[i].place, 0);
  }
}

double Bf16(double value) { return DecodeBf16(EncodeBf16(value)); }

// silu(min(gate, limit)) * clamp(up) * route, and how far a result may be.
struct Activation {
  double value;
  double slack;
};

Activation Combine(Product gate, Product up, double limit, double route,
                   bool rounds) {
  // Both products are rounded to bf16 in reference mode; a near-tie moves one by
  // a step, which is twice half a step.
  if (rounds) {
    for (Product* product : {&gate, &up}) {
      product->value = Bf16(product->value);
      product->slack += 2 * kBf16Slack * std::fabs(product->value);
    }
  }
  double g = gate.value;
  double x = up.value;
  if (limit > 0) {
    g = std::min(g, limit);
    x = std::clamp(x, -limit, limit);
  }
  const double silu = g / (1 + std::exp(-g));
  // The slope of silu is below 1.1.
  return {silu * x * route,
          route * (1.1 * gate.slack * (std::fabs(x) + up.slack) +
                   std::fabs(silu) * up.slack) +
              1e-6 * std::fabs(silu * x * route)};
}

// Reference mode gives the model's own bits but for near-ties of the order of
// sums, which are less than 0.2 %.  Leaving out the rounding of products to bf16
// changes 1.4 % of activations and 20 % of sums.
void ExpectMostlyExact(int64_t exact, int64_t all, const std::string& where) {
  EXPECT_GE(exact, all - 2 - all / 500) << where;
}

void CheckActivations(Experts& test, float limit, const std::string& where) {
  const Shape& shape = test.shape_;
  const cpu::MoePlan plan(*test.plan_);
  const bool reference = test.mode_ == BALEEN_MODE_REFERENCE;
  const int64_t groups = (shape.inner + 127) / 128;
  int64_t all = 0;
  int64_t exact = 0;
  const auto check = [&](int64_t e, int64_t t, int64_t to, double route,
                         double most) {
    for (int64_t n = 0; n < shape.inner; ++n) {
      Activation a =
          Combine(DotAt(*test.matrix(e, 0), n, *test.u_, t, test.mode_),
                  DotAt(*test.matrix(e, 1), n, *test.u_, t, test.mode_), most,
                  route, reference);
      a.slack += kBf16Slack * (std::fabs(a.value) + a.slack);
      const double got = ValueAt(*test.a_, to, n);
      if (reference) {
        const double scale =
            DecodeE8m0(test.a_.scales()->data()[to * groups + n / 128]);
        exact += got == NearestFp8(Bf16(a.value) / scale) * scale;
        ++all;
        a.slack += std::max((std::fabs(a.value) + a.slack) / 16, scale / 1024);
      }
      ASSERT_TRUE(Near(got, a.value, a.slack + 1e-30))
          << where << " expert " << e << " row " << t << " column " << n;
    }
  };
  for (int32_t e = 0; e < shape.experts; ++e) {
    if (!test.IsResident(e)) continue;
    for (int32_t i = plan.starts[e]; i < plan.starts[e + 1]; ++i) {
      check(e, plan.entries[i].row, i,
            static_cast<double>(plan.entries[i].weight),
            static_cast<double>(limit));
    }
  }
  for (int64_t t = 0; shape.shared && t < shape.rows; ++t) {
    check(shape.experts, t, plan.header->entries + t, 1.0, 0.0);
  }
  ExpectMostlyExact(exact, all, where);
}

TEST(MoeGateUp, IsNearDoublePrecision) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (const Shape& shape : kShapes) {
        TestDevice device(isa, 2);
        Experts test(shape, mode);
        const auto weight = test.Open(device);
        ASSERT_EQ(weight->status(), BALEEN_OK) << device.failure();
        ASSERT_EQ(test.Plan(device, 0, shape.rows, false), BALEEN_OK);
        ASSERT_EQ(test.GateUp(device, weight->get(), 0, shape.rows, 2.0f),
                  BALEEN_OK)
            << device.failure();
        EXPECT_EQ(device.implementation(), isa);
        CheckActivations(test, 2.0f,
                         std::string(isa) + " mode " + std::to_string(mode) +
                             " " + KindName(shape.routed));
      }
    }
  }
}

void CheckSums(Experts& test, const std::string& where) {
  const Shape& shape = test.shape_;
  const cpu::MoePlan plan(*test.plan_);
  const bool reference = test.mode_ == BALEEN_MODE_REFERENCE;
  int64_t exact = 0;
  for (int64_t t = 0; t < shape.rows; ++t) {
    for (int64_t n = 0; n < shape.hidden; ++n) {
      Product sum;
      const auto add = [&](int64_t e, int64_t row) {
        Product product =
            DotAt(*test.matrix(e, 2), n, *test.a_, row, test.mode_);
        if (reference) product.value = Bf16(product.value);
        sum.value += product.value;
        sum.slack += product.slack + 1e-6 * std::fabs(product.value);
        if (reference) sum.slack += 2 * kBf16Slack * std::fabs(product.value);
      };
      for (const auto& [e, place] : test.ListOf(t)) {
        if (test.IsResident(e)) {
          int32_t i = plan.starts[e];
          while (plan.entries[i].row != t) ++i;
          add(e, i);
        } else {
          sum.value += static_cast<double>(
              test.others_.row<float>(t)[place * shape.hidden + n]);
        }
      }
      if (shape.shared) add(shape.experts, plan.header->entries + t);
      const double got = ValueAt(*test.y_, t, n);
      ASSERT_TRUE(Near(got, sum.value, Tolerance(sum, BALEEN_TYPE_BF16) + 1e-6))
          << where << " row " << t << " column " << n;
      exact += got == Bf16(sum.value);
    }
  }
  if (reference) ExpectMostlyExact(exact, shape.rows * shape.hidden, where);
}

TEST(MoeDown, IsNearDoublePrecision) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (const Shape& shape : kShapes) {
        TestDevice device(isa, 2);
        Experts test(shape, mode);
        const auto weight = test.Open(device);
        ASSERT_EQ(test.Plan(device, 0, shape.rows, false), BALEEN_OK);
        ASSERT_EQ(test.Down(device, weight->get(), 0, shape.rows), BALEEN_OK)
            << device.failure();
        CheckSums(test, std::string(isa) + " mode " + std::to_string(mode) +
                            " " + KindName(shape.routed));
      }
    }
  }
}

TEST(Moe, HasTheSameBitsForAnyRowsAndThreads) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      const Shape& shape = kShapes[1];
      Experts together(shape, mode);
      TestDevice one(isa, 1);
      const auto weight = together.Open(one);
      ASSERT_EQ(together.Plan(one, 0, shape.rows, true), BALEEN_OK);
      ASSERT_EQ(together.GateUp(one, weight->get(), 0, shape.rows, 10.0f),
                BALEEN_OK);
      ASSERT_EQ(together.Down(one, weight->get(), 0, shape.rows), BALEEN_OK);
      Experts threads(shape, mode);
      TestDevice three(isa, 3);
      ASSERT_EQ(threads.Plan(three, 0, shape.rows, true), BALEEN_OK);
      ASSERT_EQ(threads.GateUp(three, weight->get(), 0, shape.rows, 10.0f),
                BALEEN_OK);
      ASSERT_EQ(threads.Down(three, weight->get(), 0, shape.rows), BALEEN_OK);
      EXPECT_EQ(threads.y_.bytes(), together.y_.bytes()) << isa;
      Experts alone(shape, mode);
      for (int64_t t = 0; t < shape.rows; ++t) {
        ASSERT_EQ(alone.Plan(one, t, 1, true), BALEEN_OK);
        ASSERT_EQ(alone.GateUp(one, weight->get(), t, 1, 10.0f), BALEEN_OK);
        ASSERT_EQ(alone.Down(one, weight->get(), t, 1), BALEEN_OK);
      }
      EXPECT_EQ(alone.y_.bytes(), together.y_.bytes()) << isa;
    }
  }
}

TEST(Moe, HasTheSameBitsPacked) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (const Shape& shape : kShapes) {
        TestDevice device(isa, 2);
        std::vector<std::vector<uint8_t>> sums;
        for (bool packed : {false, true}) {
          Experts test(shape, mode);
          const auto weight = test.Open(device, packed);
          ASSERT_EQ(weight->status(), BALEEN_OK) << device.failure();
          ASSERT_EQ(test.Plan(device, 0, shape.rows, true), BALEEN_OK);
          ASSERT_EQ(test.GateUp(device, weight->get(), 0, shape.rows, 10.0f),
                    BALEEN_OK);
          ASSERT_EQ(test.Down(device, weight->get(), 0, shape.rows), BALEEN_OK);
          EXPECT_EQ(device.implementation(), isa);
          sums.push_back(test.y_.bytes());
        }
        EXPECT_EQ(sums[0], sums[1]) << isa << " " << KindName(shape.routed);
      }
    }
  }
}

// What experts elsewhere gave, each by itself, makes the same sum.
TEST(Moe, HasTheSameBitsInParts) {
  for (const char* isa : Devices()) {
    for (baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      for (const Shape& shape : kShapes) {
        TestDevice device(isa, 2);
        Experts test(shape, mode);
        const auto weight = test.Open(device);
        const int64_t rows = shape.rows;
        ASSERT_EQ(test.Plan(device, 0, rows, true), BALEEN_OK);
        ASSERT_EQ(test.GateUp(device, weight->get(), 0, rows, 2.0f), BALEEN_OK);
        ASSERT_EQ(test.Down(device, weight->get(), 0, rows), BALEEN_OK);
        const auto whole = test.y_.bytes();
        const auto before = test.others_.bytes();
        test.Exchange();
        ASSERT_EQ(test.Plan(device, 0, rows, false), BALEEN_OK);
        ASSERT_EQ(test.GateUp(device, weight->get(), 0, rows, 2.0f,
                              BALEEN_MOE_PARTIAL),
                  BALEEN_OK)
            << device.failure();
        ASSERT_EQ(test.DownPartly(device, weight->get()), BALEEN_OK)
            << device.failure();
        EXPECT_EQ(device.implementation(), isa);
        // Nothing is written in the places of experts that are not there.
        const int64_t row_bytes = shape.hidden * int64_t{sizeof(float)};
        for (int64_t t = 0; t < rows; ++t) {
          for (const auto& [e, place] : test.ListOf(t)) {
            const int64_t at = (t * shape.places + place) * row_bytes;
            const auto same =
                std::equal(before.begin() + at, before.begin() + at + row_bytes,
                           test.others_.bytes().begin() + at);
            EXPECT_EQ(same, !test.IsResident(e)) << isa << " expert " << e;
          }
        }
        test.Exchange();
        ASSERT_EQ(test.Plan(device, 0, rows, false), BALEEN_OK);
        ASSERT_EQ(test.GateUp(device, weight->get(), 0, rows, 2.0f), BALEEN_OK);
        ASSERT_EQ(test.Down(device, weight->get(), 0, rows), BALEEN_OK);
        EXPECT_EQ(test.y_.bytes(), whole)
            << isa << " mode " << mode << " " << KindName(shape.routed);
      }
    }
  }
}

TEST(Moe, TakesZeroRows) {
  for (const char* isa : Devices()) {
    TestDevice device(isa);
    Experts test(kShapes[0], BALEEN_MODE_FAST);
    const auto weight = test.Open(device);
    const auto before = test.y_.bytes();
    ASSERT_EQ(test.Plan(device, 0, 0, true), BALEEN_OK);
    ASSERT_EQ(test.GateUp(device, weight->get(), 0, 0, 1.0f), BALEEN_OK);
    ASSERT_EQ(test.Down(device, weight->get(), 0, 0), BALEEN_OK);
    EXPECT_EQ(test.y_.bytes(), before);
  }
}

TEST(Moe, RefusesAPlanOfOtherExperts) {
  TestDevice device("reference");
  Experts test(kShapes[0], BALEEN_MODE_FAST);
  std::vector<Tensor*> two;
  for (size_t i = 0; i < 6; ++i) two.push_back(&test.matrices_[i]);
  const OpenWeight weight(device, BALEEN_WEIGHT_EXPERTS, two);
  ASSERT_EQ(weight.status(), BALEEN_OK) << device.failure();
  ASSERT_EQ(test.Plan(device, 0, 1, true), BALEEN_OK);
  EXPECT_EQ(test.GateUp(device, weight.get(), 0, 1, 1.0f),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(test.Down(device, weight.get(), 0, 1), BALEEN_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace baleen::conformance
