// BALEEN_OP_ROUTER against double precision (model.md §11).
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

struct Case {
  Case(int32_t rows, int64_t size, int64_t experts, int64_t chosen,
       baleen_type table_type)
      : random(static_cast<uint32_t>(size + experts)),
        batch({{0, 0, rows}}),
        u(BALEEN_TYPE_BF16, {rows, size}, 1),
        gate(BALEEN_TYPE_BF16, {experts, size}, 3),
        bias(BALEEN_TYPE_F32, {experts}),
        table(table_type == BALEEN_TYPE_NONE ? BALEEN_TYPE_I32 : table_type,
              {11, chosen}, 1),
        named(BALEEN_TYPE_I32, {rows, chosen}, 1),
        weights(BALEEN_TYPE_F32, {rows, chosen}, 2) {
    u.Random(random);
    gate.Random(random, 0.3f);
    bias.Random(random, 0.2f);
    table.ForEach([&](int64_t i, int64_t j, int64_t) {
      SetTable(i, j, (i * 3 + j * 5) % experts);
    });
    args.common = Common(BALEEN_MODE_FAST, batch);
    args.u = u.get();
    args.gate = gate.get();
    args.bias = table_type == BALEEN_TYPE_NONE ? bias.get() : nullptr;
    args.table = table_type == BALEEN_TYPE_NONE ? nullptr : table.get();
    args.experts = named.get();
    args.weights = weights.get();
    args.route_scale = 1.5f;
  }

  void SetTable(int64_t i, int64_t j, int64_t value) {
    if (table.get()->type == BALEEN_TYPE_I64) {
      table.At<int64_t>(i, j) = value;
    } else {
      table.At<int32_t>(i, j) = static_cast<int32_t>(value);
    }
  }

  double Score(int64_t row, int64_t expert) {
    double sum = 0;
    for (int64_t i = 0; i < u.tensor().size[1]; ++i) {
      sum += u.Get(row, i) * gate.Get(expert, i);
    }
    return std::sqrt(sum > 20 ? sum : std::log1p(std::exp(sum)));
  }

  void CheckWeights(int64_t row) {
    const int64_t chosen = named.tensor().size[1];
    double sum = 0;
    for (int64_t i = 0; i < chosen; ++i) {
      sum += Score(row, named.At<int32_t>(row, i));
    }
    for (int64_t i = 0; i < chosen; ++i) {
      const double expected = Score(row, named.At<int32_t>(row, i)) / sum * 1.5;
      ASSERT_NEAR(weights.Get(row, i), expected, expected * 1e-5);
    }
  }

  std::mt19937 random;
  TestBatch batch;
  TestTensor u, gate, bias, table, named, weights;
  baleen_router_args args = {};
};

TEST(Router, LearnedRouting) {
  ForEachVariant([](TestDevice& device) {
    for (const int64_t size : {8, 100, 256, 1040}) {
      for (const int64_t experts : {6, 8, 37, 256}) {
        for (const int32_t rows : {0, 1, 5, 67}) {
          if (rows > 5 && experts > 8) continue;
          Case c(rows, size, experts, 6, BALEEN_TYPE_NONE);
          BALEEN_RUN(device, ROUTER, router, c.args);
          EXPECT_EQ(device.implementation(),
                    size % 16 == 0 ? device.isa() : "reference");
          for (int64_t row = 0; row < rows; ++row) {
            // Descending by score plus bias, up to the error of a float's sum.
            double last = INFINITY;
            std::vector<bool> is_chosen(static_cast<size_t>(experts));
            for (int64_t i = 0; i < 6; ++i) {
              const int32_t expert = c.named.At<int32_t>(row, i);
              ASSERT_FALSE(is_chosen.at(static_cast<size_t>(expert)));
              is_chosen[static_cast<size_t>(expert)] = true;
              const double score = c.Score(row, expert) + c.bias.Get(expert);
              ASSERT_LE(score, last + 1e-5);
              last = score;
            }
            for (int64_t expert = 0; expert < experts; ++expert) {
              if (is_chosen[static_cast<size_t>(expert)]) continue;
              ASSERT_LE(c.Score(row, expert) + c.bias.Get(expert), last + 1e-5);
            }
            c.CheckWeights(row);
          }
        }
      }
    }
  });
}

TEST(Router, TheLowerExpertOnTies) {
  ForEachVariant([](TestDevice& device) {
    Case c(2, 64, 40, 6, BALEEN_TYPE_NONE);
    c.gate.ForEach([&](int64_t i, int64_t j, int64_t) {
      c.gate.Set(static_cast<float>(c.gate.Get(i % 2, j)), i, j);
    });
    c.bias.ForEach([&](int64_t i, int64_t, int64_t) { c.bias.Set(0, i); });
    BALEEN_RUN(device, ROUTER, router, c.args);
    for (int64_t row = 0; row < 2; ++row) {
      const int32_t first = c.named.At<int32_t>(row, 0);
      ASSERT_LT(first, 2);
      for (int32_t i = 0; i < 6; ++i) {
        EXPECT_EQ(c.named.At<int32_t>(row, i), first + 2 * i);
      }
    }
  });
}

TEST(Router, HashedRouting) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_type type : {BALEEN_TYPE_I32, BALEEN_TYPE_I64}) {
      Case c(5, 256, 16, 3, type);
      BALEEN_RUN(device, ROUTER, router, c.args);
      const int32_t* tokens =
          static_cast<const int32_t*>(c.batch.get()->tokens->data);
      for (int64_t row = 0; row < 5; ++row) {
        for (int64_t i = 0; i < 3; ++i) {
          EXPECT_EQ(c.named.At<int32_t>(row, i),
                    (tokens[row] * 3 + i * 5) % 16);
        }
        c.CheckWeights(row);
      }
    }
  });
}

TEST(Router, TablesOfNonsenseNameSomeExpert) {
  ForEachVariant([](TestDevice& device) {
    Case c(11, 64, 16, 3, BALEEN_TYPE_I64);
    c.table.ForEach([&](int64_t i, int64_t j, int64_t) {
      c.SetTable(i, j, i % 2 == 0 ? INT64_MIN + j : INT64_MAX - j);
    });
    BALEEN_RUN(device, ROUTER, router, c.args);
    c.named.ForEach([&](int64_t i, int64_t j, int64_t) {
      const int32_t expert = c.named.At<int32_t>(i, j);
      EXPECT_TRUE(expert == 0 || expert == 15) << expert;
    });
  });
}

TEST(Router, HopelessScoresGiveNoNaN) {
  ForEachVariant([](TestDevice& device) {
    // exp underflows: all scores are zero, and so is their sum.
    Case c(1, 64, 8, 3, BALEEN_TYPE_NONE);
    for (int64_t i = 0; i < 64; ++i) c.u.Set(1, 0, i);
    c.gate.ForEach(
        [&](int64_t i, int64_t j, int64_t) { c.gate.Set(-10, i, j); });
    BALEEN_RUN(device, ROUTER, router, c.args);
    for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(c.weights.Get(0, i), 0);
    // With nothing but NaN, experts are still different and exist.
    c.u.Set(NAN, 0, 0);
    BALEEN_RUN(device, ROUTER, router, c.args);
    for (int32_t i = 0; i < 3; ++i) {
      EXPECT_EQ(c.named.At<int32_t>(0, i), i);
    }
  });
}

TEST(Router, ARowAloneIsTheSame) {
  ForEachVariant([](TestDevice& device) {
    Case many(19, 512, 64, 6, BALEEN_TYPE_NONE);
    BALEEN_RUN(device, ROUTER, router, many.args);
    for (int64_t row = 0; row < 19; ++row) {
      Case one(1, 512, 64, 6, BALEEN_TYPE_NONE);
      for (int64_t i = 0; i < 512; ++i) {
        one.u.At<uint16_t>(0, i) = many.u.At<uint16_t>(row, i);
      }
      baleen_router_args args = one.args;
      args.gate = many.gate.get();
      args.bias = many.bias.get();
      BALEEN_RUN(device, ROUTER, router, args);
      for (int64_t i = 0; i < 6; ++i) {
        ASSERT_EQ(one.named.At<int32_t>(0, i), many.named.At<int32_t>(row, i));
        ASSERT_EQ(one.weights.Get(0, i), many.weights.Get(row, i));
      }
    }
  });
}

}  // namespace
}  // namespace baleen::ops_test
