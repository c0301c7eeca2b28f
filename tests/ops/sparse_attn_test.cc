// BALEEN_OP_SPARSE_ATTN against double precision (model.md §6, §14).
#include "cpu/reference/quantize.h"
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

constexpr int64_t kSize = 512;
constexpr int32_t kSelected = 40;

std::vector<uint8_t> RandomEntry(std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> kv(kSize);
  for (float& x : kv) x = normal(random);
  std::vector<uint8_t> entry(584);
  cpu::EncodeEntry(ShapeOf(0), kv.data(), entry.data());
  return entry;
}

struct Case {
  Case(TestDevice& device, const std::vector<Part>& all_parts, uint32_t ratio,
       int64_t heads, int64_t groups, bool with_block, baleen_mode mode)
      : random(ratio + static_cast<uint32_t>(heads)),
        parts(all_parts),
        batch(parts),
        state(device, ShapeOf(ratio), 3),
        rope(RopeTable(TestBatch::kPages * 256, 64)),
        q(BALEEN_TYPE_BF16, {batch.rows, heads, kSize}, 1),
        sink(BALEEN_TYPE_F32, {heads}),
        selected(BALEEN_TYPE_I32, {batch.rows, kSelected}),
        count(BALEEN_TYPE_I32, {batch.rows}),
        block(BALEEN_TYPE_BYTE, {batch.rows, 584}, 8),
        out(BALEEN_TYPE_BF16, {batch.rows, groups, heads / groups * kSize}, 3) {
    q.Random(random, 1);
    sink.Random(random, 2);
    for (int64_t row = 0; row < batch.rows; ++row) {
      const auto entry = RandomEntry(random);
      std::copy(entry.begin(), entry.end(), &block.At<uint8_t>(row, 0));
    }
    for (const Part& part : parts) FillState(part);
    args.common = Common(mode, batch);
    args.q = q.get();
    args.sink = sink.get();
    args.rope = rope.get();
    args.state = state.get();
    args.block = with_block ? block.get() : nullptr;
    if (ratio == 4) {
      args.selected = selected.get();
      args.count = count.get();
      Select();
    }
    args.out = out.get();
    args.scale = 0.04419417382f;
    args.window = 128;
  }

  void FillState(const Part& part) {
    for (uint32_t i = 0; i < 256; ++i) {
      state.Write(BALEEN_POOL_WINDOW, part.slot, i, 1, RandomEntry(random));
    }
    const uint32_t ratio = state.shape().ratio;
    if (ratio == 0) return;
    for (int page = 0; page <= (part.position + part.count) / 256; ++page) {
      for (uint32_t i = 0; i < 256 / ratio; ++i) {
        state.Write(BALEEN_POOL_ENTRIES, TestBatch::PageOf(part.slot, page), i,
                    1, RandomEntry(random));
      }
    }
  }

  // Every third entry that a row sees, as far as there is room.
  void Select() {
    int64_t row = 0;
    for (const Part& part : parts) {
      for (int32_t i = 0; i < part.count; ++i, ++row) {
        int32_t chosen = 0;
        for (int32_t s = i % 3; s < (part.position + i + 1) / 4; s += 3) {
          if (chosen < kSelected) selected.At<int32_t>(row, chosen++) = s;
        }
        count.At<int32_t>(row) = chosen;
      }
    }
  }

  std::vector<double> Decoded(const std::vector<uint8_t>& entry) const {
    std::vector<double> kv;
    for (size_t i = 0; i < 448; ++i) {
      kv.push_back(static_cast<double>(Fp8ToFloat(entry[i])) *
                   std::ldexp(1.0, entry[576 + i / 64] - 127));
    }
    for (size_t i = 0; i < 64; ++i) {
      uint16_t bits;
      std::memcpy(&bits, &entry[448 + 2 * i], 2);
      kv.push_back(static_cast<double>(Bf16ToFloat(bits)));
    }
    return kv;
  }

  // The keys of row i of a part.
  std::vector<std::vector<double>> Keys(const Part& part, int32_t i,
                                        int64_t part_row) {
    std::vector<std::vector<double>> keys;
    const bool with_block = args.block != nullptr;
    const int32_t end = part.position + (with_block ? 0 : i + 1);
    for (int32_t p = std::max(end - 128, 0); p < end; ++p) {
      keys.push_back(
          Decoded(state.Read(BALEEN_POOL_WINDOW, part.slot,
                             static_cast<uint32_t>(p % 256), 1, 584)));
    }
    if (with_block) {
      for (int64_t row = part_row; row < part_row + part.count; ++row) {
        const uint8_t* entry = &block.At<uint8_t>(row, 0);
        keys.push_back(Decoded({entry, entry + 584}));
      }
      return keys;
    }
    const int32_t ratio = static_cast<int32_t>(state.shape().ratio);
    if (ratio == 0) return keys;
    const auto add = [&](int32_t s) {
      const int32_t in_page = 256 / ratio;
      keys.push_back(Decoded(state.Read(
          BALEEN_POOL_ENTRIES, TestBatch::PageOf(part.slot, s / in_page),
          static_cast<uint32_t>(s % in_page), 1, 584)));
    };
    if (ratio == 4) {
      for (int64_t j = 0; j < count.At<int32_t>(part_row + i); ++j) {
        add(selected.At<int32_t>(part_row + i, j));
      }
    } else {
      for (int32_t s = 0; s < (part.position + i + 1) / ratio; ++s) add(s);
    }
    return keys;
  }

  std::mt19937 random;
  std::vector<Part> parts;
  TestBatch batch;
  TestState state;
  TestTensor rope, q, sink, selected, count, block, out;
  baleen_sparse_attn_args args = {};
};

// One head of one row, in double; a bound on its error in `bounds`.
std::vector<double> Attend(Case& c, int64_t row, int64_t head, int64_t position,
                           const std::vector<std::vector<double>>& keys,
                           std::vector<double>* bounds) {
  std::vector<double> scores;
  double highest = -INFINITY;
  for (const std::vector<double>& key : keys) {
    double score = 0;
    for (int64_t i = 0; i < kSize; ++i) {
      score += c.q.Get(row, head, i) * key[static_cast<size_t>(i)];
    }
    scores.push_back(score * static_cast<double>(c.args.scale));
    highest = std::max(highest, scores.back());
  }
  double denominator = std::exp(c.sink.Get(head) - highest);
  for (double& score : scores) denominator += score = std::exp(score - highest);
  std::vector<double> sum(kSize);
  std::vector<double> terms(kSize);
  for (size_t j = 0; j < keys.size(); ++j) {
    for (size_t i = 0; i < kSize; ++i) {
      sum[i] += scores[j] * keys[j][i] / denominator;
      terms[i] += scores[j] * std::fabs(keys[j][i]) / denominator;
    }
  }
  // In reference mode each weight is rounded to bf16, by half a step; so is the
  // result before it is turned, and after.  Scores are sums of 512 products in
  // float, so that weights are off by some 1e-6.
  const bool reference = c.args.common.mode == BALEEN_MODE_REFERENCE;
  bounds->assign(kSize, 0);
  for (size_t i = 0; i < kSize; ++i) {
    (*bounds)[i] = terms[i] * (reference ? 0x1p-8 : 1e-5) + 1e-6;
  }
  for (int64_t i = 0; i < 32; ++i) {
    const double cosine = c.rope.Get(position, 0, i);
    const double sine = c.rope.Get(position, 1, i);
    const size_t at = static_cast<size_t>(448 + 2 * i);
    const double a = sum[at];
    const double b = sum[at + 1];
    const double both =
        (*bounds)[at] + (*bounds)[at + 1] +
        (reference ? (std::fabs(a) + std::fabs(b)) * 0x1p-8 : 0);
    sum[at] = a * cosine + b * sine;
    sum[at + 1] = b * cosine - a * sine;
    (*bounds)[at] = (*bounds)[at + 1] = both;
  }
  for (size_t i = 0; i < kSize; ++i) {
    (*bounds)[i] += std::fabs(sum[i]) * 0x1.02p-8;
  }
  return sum;
}

void CheckAll(Case& c) {
  const int64_t heads = c.q.tensor().size[1];
  const int64_t in_group = heads / c.out.tensor().size[1];
  int64_t part_row = 0;
  for (const Part& part : c.parts) {
    for (int32_t i = 0; i < part.count; ++i) {
      const auto keys = c.Keys(part, i, part_row);
      const int64_t row = part_row + i;
      for (int64_t head = 0; head < heads; ++head) {
        std::vector<double> bounds;
        const std::vector<double> expected =
            Attend(c, row, head, part.position + i, keys, &bounds);
        for (int64_t k = 0; k < kSize; ++k) {
          ASSERT_NEAR(
              c.out.Get(row, head / in_group, head % in_group * kSize + k),
              expected[static_cast<size_t>(k)], bounds[static_cast<size_t>(k)])
              << "row " << row << ", head " << head << ", element " << k;
        }
      }
    }
    part_row += part.count;
  }
}

// The first positions, the edge of the window, several blocks of entries.
const std::vector<Part> kParts = {{0, 0, 3}, {2, 126, 3}, {1, 700, 2}};

TEST(SparseAttn, AgreesWithDoublePrecision) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      for (const uint32_t ratio : {0u, 4u, 128u, 8u}) {
        for (const auto& [heads, groups] : {std::pair{4, 2}, {1, 1}, {6, 3}}) {
          SCOPED_TRACE(testing::Message()
                       << "ratio " << ratio << ", " << heads << " heads");
          Case c(device, kParts, ratio, heads, groups, false, mode);
          BALEEN_RUN(device, SPARSE_ATTN, sparse_attn, c.args);
          EXPECT_EQ(device.implementation(), device.isa());
          CheckAll(c);
        }
      }
    }
  });
}

TEST(SparseAttn, RowsOfABlockSeeEachOther) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      Case c(device, {{0, 0, 5}, {2, 60, 1}, {1, 700, 5}}, 0, 4, 2, true, mode);
      BALEEN_RUN(device, SPARSE_ATTN, sparse_attn, c.args);
      CheckAll(c);
    }
  });
}

// Row `row` of `many`, part of a slot from `position` on, without the others.
void ExpectSameAlone(TestDevice& device, Case& many, int32_t position,
                     int32_t row) {
  const int64_t heads = many.q.tensor().size[1];
  const int64_t groups = many.out.tensor().size[1];
  const TestBatch one({{1, position + row, 1}});
  TestTensor q(BALEEN_TYPE_BF16, {1, heads, kSize});
  TestTensor out(BALEEN_TYPE_BF16, {1, groups, heads / groups * kSize});
  TestTensor selected(BALEEN_TYPE_I32, {1, kSelected});
  TestTensor count(BALEEN_TYPE_I32, {1});
  q.ForEach([&](int64_t, int64_t j, int64_t k) {
    q.At<uint16_t>(0, j, k) = many.q.At<uint16_t>(row, j, k);
  });
  for (int64_t i = 0; i < kSelected; ++i) {
    selected.At<int32_t>(0, i) = many.selected.At<int32_t>(row, i);
  }
  count.At<int32_t>(0) = many.count.At<int32_t>(row);
  baleen_sparse_attn_args args = many.args;
  args.common = Common(many.args.common.mode, one);
  args.q = q.get();
  args.out = out.get();
  args.selected = selected.get();
  args.count = count.get();
  BALEEN_RUN(device, SPARSE_ATTN, sparse_attn, args);
  out.ForEach([&](int64_t, int64_t j, int64_t k) {
    ASSERT_EQ(out.At<uint16_t>(0, j, k), many.out.At<uint16_t>(row, j, k));
  });
}

TEST(SparseAttn, ARowAloneIsTheSame) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      Case many(device, {{1, 680, 9}}, 4, 6, 2, false, mode);
      BALEEN_RUN(device, SPARSE_ATTN, sparse_attn, many.args);
      for (int32_t row = 0; row < 9; ++row) {
        ExpectSameAlone(device, many, 680, row);
      }
    }
  });
}

// So many rows that a task takes two or three runs of 16 heads of a row, and
// heads that fill no run at the end.
TEST(SparseAttn, ARowAmongManyIsTheSame) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      for (const int32_t rows : {24, 33}) {
        Case many(device, {{1, 680, rows}}, 4, 40, 2, false, mode);
        BALEEN_RUN(device, SPARSE_ATTN, sparse_attn, many.args);
        for (const int32_t row : {0, rows - 1}) {
          ExpectSameAlone(device, many, 680, row);
        }
      }
    }
  });
}

TEST(SparseAttn, NaNOfAKeyStaysNaN) {
  ForEachVariant([](TestDevice& device) {
    for (const baleen_mode mode : kModes) {
      for (const uint8_t code : {uint8_t{0x7F}, uint8_t{0xFF}}) {
        for (const int32_t rows : {2, 9}) {
          Case c(device, {{1, 700, rows}}, 4, 4, 2, false, mode);
          constexpr uint32_t kPosition = 573;  // The first that row 0 sees.
          std::vector<uint8_t> entry =
              c.state.Read(BALEEN_POOL_WINDOW, 1, kPosition % 256, 1, 584);
          entry[70] = code;
          c.state.Write(BALEEN_POOL_WINDOW, 1, kPosition % 256, 1, entry);
          BALEEN_RUN(device, SPARSE_ATTN, sparse_attn, c.args);
          c.out.ForEach([&](int64_t row, int64_t group, int64_t k) {
            ASSERT_EQ(std::isnan(c.out.Get(row, group, k)), row == 0)
                << "row " << row << ", group " << group << ", element " << k;
          });
        }
      }
    }
  });
}

TEST(SparseAttn, NoRows) {
  ForEachVariant([](TestDevice& device) {
    Case c(device, {{0, 0, 0}}, 128, 4, 2, false, BALEEN_MODE_FAST);
    BALEEN_RUN(device, SPARSE_ATTN, sparse_attn, c.args);
  });
}

}  // namespace
}  // namespace baleen::ops_test
