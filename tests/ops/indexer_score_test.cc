// BALEEN_OP_INDEXER_SCORE against double precision (model.md §8).
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

constexpr int64_t kSize = 128;

// How many different scales there are.  Those of a key that differ by at most
// 3 bits, and of a query by 2, are folded into the elements; of many some are
// not, which decides for a group of 16 keys or all queries of a row.
struct Spread {
  uint32_t of_keys;
  uint32_t of_queries;
};
constexpr Spread kSpreads[] = {{4, 3}, {5, 3}, {4, 4}, {8, 6}};

// Keys of random codes and scales: 64 bytes, then 4.
std::vector<uint8_t> RandomKeys(std::mt19937& random, uint32_t count,
                                uint32_t spread) {
  std::vector<uint8_t> keys;
  for (uint32_t i = 0; i < count; ++i) {
    for (int b = 0; b < 64; ++b) keys.push_back(static_cast<uint8_t>(random()));
    for (int b = 0; b < 4; ++b) {
      keys.push_back(static_cast<uint8_t>(120 + random() % spread));
    }
  }
  return keys;
}

struct Case {
  Case(TestDevice& device, const std::vector<Part>& parts, int64_t heads,
       baleen_mode mode, baleen_type query_type, Spread spread)
      : random(3),
        batch(parts),
        state(device, ShapeOf(4), 3),
        queries(query_type, {batch.rows, heads, kSize}, 2),
        weights(BALEEN_TYPE_F32, {batch.rows, heads}, 1),
        scores(
            mode == BALEEN_MODE_REFERENCE ? BALEEN_TYPE_BF16 : BALEEN_TYPE_F32,
            {batch.rows, kEntries}, 5) {
    queries.Scales(32);
    queries.ForEach([&](int64_t i, int64_t j, int64_t k) {
      const uint32_t code = random() & 15u;
      if (query_type == BALEEN_TYPE_I8) {
        queries.At<int8_t>(i, j, k) = static_cast<int8_t>(Fp4Twice(code));
      } else if (k % 2 == 0) {
        const int64_t at = queries.Offset(i, j, k) / 2;
        static_cast<uint8_t*>(queries.get()->data)[at] =
            static_cast<uint8_t>(random());
      }
    });
    for (int64_t i = 0; i < batch.rows * heads * kSize / 32; ++i) {
      static_cast<uint8_t*>(queries.get()->scales)[i] =
          static_cast<uint8_t>(122 + random() % spread.of_queries);
    }
    weights.Random(random);
    weights.ForEach([&](int64_t i, int64_t j, int64_t) {
      if (mode == BALEEN_MODE_REFERENCE) {
        weights.Set(RoundToBf16(weights.At<float>(i, j)), i, j);
      }
    });
    for (const Part& part : parts) {
      for (int page = 0; page < TestBatch::kPages; ++page) {
        state.Write(BALEEN_POOL_KEYS, TestBatch::PageOf(part.slot, page), 0, 64,
                    RandomKeys(random, 64, spread.of_keys));
      }
    }
    args.common = Common(mode, batch);
    args.iq_rounded = queries.get();
    args.head_weight = weights.get();
    args.state = state.get();
    args.scores = scores.get();
  }

  // The score, and the sum of the magnitudes of its terms.
  std::pair<double, double> Expected(int64_t row, int32_t slot, int64_t entry) {
    const std::vector<uint8_t> key =
        state.Read(BALEEN_POOL_KEYS, TestBatch::PageOf(slot, entry / 64),
                   static_cast<uint32_t>(entry % 64), 1, 68);
    const bool round = args.common.mode == BALEEN_MODE_REFERENCE;
    const auto bf16 = [&](double x) {
      return round ? static_cast<double>(RoundToBf16(static_cast<float>(x)))
                   : x;
    };
    double score = 0;
    double terms = 0;
    for (int64_t head = 0; head < queries.tensor().size[1]; ++head) {
      double product = 0;
      for (int64_t i = 0; i < kSize; ++i) {
        product += queries.Get(row, head, i) *
                   static_cast<double>(Fp4ToFloat(Fp4CodeAt(key.data(), i))) *
                   std::ldexp(1.0, key[static_cast<size_t>(64 + i / 32)] - 127);
      }
      const double term =
          bf16(std::max(bf16(product), 0.0) * weights.Get(row, head));
      score += term;
      terms += std::fabs(term);
    }
    return {score, terms};
  }

  static constexpr int64_t kEntries = 300;
  std::mt19937 random;
  TestBatch batch;
  TestState state;
  TestTensor queries, weights, scores;
  baleen_indexer_score_args args = {};
};

// Rows that see no entry, some of a group of 16, whole groups, several pages.
const std::vector<Part> kParts = {{1, 0, 6}, {0, 62, 3}, {2, 1087, 2}};

TEST(IndexerScore, AgreesWithDoublePrecision) {
  ForEachVariantWithTiles([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      for (const baleen_type type : {BALEEN_TYPE_F4_E2M1, BALEEN_TYPE_I8}) {
        for (const int64_t heads : {1, 7, 12, 64}) {
          const Spread spread = heads == 7 ? kSpreads[0] : kSpreads[3];
          Case c(device, kParts, heads, mode, type, spread);
          BALEEN_RUN(device, INDEXER_SCORE, indexer_score, c.args);
          // There are tiles only for fast mode and heads by fours.
          const bool tiles = std::string(device.isa()) == "amx";
          const bool fit = mode == BALEEN_MODE_FAST && type == BALEEN_TYPE_I8 &&
                           heads % 4 == 0;
          EXPECT_EQ(device.implementation(),
                    tiles && !fit ? "avx512" : device.isa());
          int64_t row = 0;
          for (const Part& part : kParts) {
            for (int32_t i = 0; i < part.count; ++i, ++row) {
              for (int32_t s = 0; s < (part.position + i + 1) / 4; s += 3) {
                const auto [score, terms] = c.Expected(row, part.slot, s);
                // Sums of floats; in reference mode the result is bf16, and a
                // product that ends at a tie may round the other way.
                const double error =
                    mode == BALEEN_MODE_FAST
                        ? terms * 2e-6
                        : std::fabs(score) * 0x1p-7 + terms * 0x1p-9;
                ASSERT_NEAR(c.scores.Get(row, s), score, error + 1e-30)
                    << "row " << row << ", entry " << s;
              }
            }
          }
        }
      }
    }
  });
}

// The bits of all scores that are seen.
std::vector<uint32_t> Bits(const std::vector<Part>& parts, Case& c) {
  std::vector<uint32_t> bits;
  int64_t row = 0;
  for (const Part& part : parts) {
    for (int32_t i = 0; i < part.count; ++i, ++row) {
      for (int32_t s = 0; s < (part.position + i + 1) / 4; ++s) {
        bits.push_back(BitsOfFloat(static_cast<float>(c.scores.Get(row, s))));
      }
    }
  }
  return bits;
}

// The definition leaves no freedom, so every implementation gives the bits of
// the first, which is the reference; `change` changes the case first.
void ExpectSameBits(const std::vector<Part>& parts, int64_t heads,
                    baleen_mode mode, Spread spread,
                    const std::function<void(Case&)>& change = {}) {
  std::vector<uint32_t> first;
  ForEachVariantWithTiles([&](TestDevice& device) {
    Case c(device, parts, heads, mode, BALEEN_TYPE_I8, spread);
    if (change) change(c);
    BALEEN_RUN(device, INDEXER_SCORE, indexer_score, c.args);
    const std::vector<uint32_t> bits = Bits(parts, c);
    if (first.empty()) first = bits;
    EXPECT_EQ(bits, first);
  });
}

TEST(IndexerScore, AllImplementationsAgree) {
  for (const baleen_mode mode : kModes) {
    for (const Spread& spread : kSpreads) {
      ExpectSameBits(kParts, 64, mode, spread);
    }
  }
}

// Rows that fill tiles, that leave some of one, and more than a task takes.
TEST(IndexerScore, AllNumbersOfRowsAndHeadsAgree) {
  for (const int64_t heads : {4, 12, 16, 20, 32, 48}) {
    ExpectSameBits({{1, 500, 9}, {0, 3, 1}}, heads, BALEEN_MODE_FAST,
                   kSpreads[0]);
  }
  ExpectSameBits({{1, 700, 70}}, 4, BALEEN_MODE_FAST, kSpreads[0]);
  ExpectSameBits({{0, 100, 20}, {2, 900, 35}}, 64, BALEEN_MODE_FAST,
                 kSpreads[1]);
}

// Weights and scales for which the order of products matters, or which leave
// the range of normal numbers.
TEST(IndexerScore, ExtremeFactorsAgree) {
  const float weights[] = {0.0f, -0.0f, 1e-30f, -0x1p-40f, 0x1p40f, 1e30f};
  for (const float weight : weights) {
    ExpectSameBits(kParts, 64, BALEEN_MODE_FAST, kSpreads[0], [&](Case& c) {
      for (int64_t head = 5; head < 64; head += 11) {
        c.weights.Set(weight, 1, head);
      }
    });
  }
  for (const int scale : {94, 95, 159, 160, 200}) {
    ExpectSameBits(kParts, 64, BALEEN_MODE_FAST, kSpreads[0], [&](Case& c) {
      auto* scales = static_cast<uint8_t*>(c.queries.get()->scales);
      std::fill(scales + 64 * 4, scales + 65 * 4, static_cast<uint8_t>(scale));
    });
  }
}

TEST(IndexerScore, NoRows) {
  ForEachVariantWithTiles([](TestDevice& device) {
    Case c(device, {{0, 0, 0}}, 4, BALEEN_MODE_FAST, BALEEN_TYPE_I8,
           kSpreads[0]);
    BALEEN_RUN(device, INDEXER_SCORE, indexer_score, c.args);
  });
}

}  // namespace
}  // namespace baleen::ops_test
