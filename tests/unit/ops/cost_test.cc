// Units of costs against the same counted one by one.
#include "ops/cost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory_resource>

namespace baleen::test {
namespace {

CostTerm Term(CostUnit unit, int64_t ratio, int64_t limit) {
  CostTerm term;
  term.unit = unit;
  term.ratio = ratio;
  term.limit = limit;
  return term;
}

// Calls back with each entry that the load makes, and its first row.
template <typename Function>
void ForMade(const CostLoad& load, int64_t ratio, int64_t span,
             Function&& function) {
  for (int64_t p = load.first; p < load.first + load.rows; ++p) {
    if ((p + 1) % ratio != 0 || p / ratio < load.frozen / ratio) continue;
    function(std::max<int64_t>(p + 1 - span, 0), p);
  }
}

int64_t OneByOne(const CostTerm& term, const CostLoad& load) {
  int64_t units = 0;
  const int64_t end = load.first + load.rows;
  switch (term.unit) {
    case CostUnit::kWindow:
      for (int64_t p = load.first; p < end; ++p) {
        units += std::min(p + 1, term.limit);
      }
      return units;
    case CostUnit::kEntries:
      for (int64_t p = load.first; p < end; ++p) {
        const int64_t seen = (p + 1) / term.ratio;
        units += term.limit == 0 ? seen : std::min(seen, term.limit);
      }
      return units;
    case CostUnit::kMade:
      ForMade(load, term.ratio, term.limit, [&](int64_t, int64_t) { ++units; });
      return units;
    case CostUnit::kPooled:
      ForMade(load, term.ratio, term.limit,
              [&](int64_t first, int64_t last) { units += last - first + 1; });
      return units;
    case CostUnit::kPooledTail:
      ForMade(load, term.ratio, term.limit, [&](int64_t first, int64_t last) {
        for (int64_t p = first; p <= last; ++p) units += p < load.first;
      });
      return units;
    default:
      return -1;
  }
}

TEST(CostTest, UnitsAreThoseCountedOneByOne) {
  for (const int64_t first : {0, 1, 3, 4, 7, 100, 127, 128, 255, 1000}) {
    for (const int64_t rows : {1, 2, 3, 4, 5, 9, 64, 200, 256}) {
      for (const int64_t frozen : {int64_t{0}, first, first + rows / 2}) {
        CostLoad load;
        load.first = first;
        load.rows = rows;
        load.frozen = frozen;
        for (const CostTerm& term :
             {Term(CostUnit::kWindow, 1, 128), Term(CostUnit::kWindow, 1, 1),
              Term(CostUnit::kEntries, 4, 0), Term(CostUnit::kEntries, 4, 64),
              Term(CostUnit::kEntries, 128, 0), Term(CostUnit::kMade, 4, 8),
              Term(CostUnit::kMade, 128, 128), Term(CostUnit::kPooled, 4, 8),
              Term(CostUnit::kPooled, 128, 128),
              Term(CostUnit::kPooledTail, 4, 8),
              Term(CostUnit::kPooledTail, 128, 128)}) {
          EXPECT_EQ(UnitsOf(term, load),
                    static_cast<uint64_t>(OneByOne(term, load)))
              << "unit " << static_cast<int>(term.unit) << " ratio "
              << term.ratio << " limit " << term.limit << " first " << first
              << " rows " << rows << " frozen " << frozen;
        }
      }
    }
  }
}

TEST(CostTest, TermsOfOneUnitAreJoined) {
  CostSheet sheet(std::pmr::new_delete_resource());
  CostTerm term = Term(CostUnit::kRows, 1, 0);
  term.part = BALEEN_PART_ROUTER;
  term.weights_once = 100;
  term.operations = 7;
  sheet.Add(term);
  sheet.Add(term);
  term.part = BALEEN_PART_HEAD;
  term.unit = CostUnit::kOutputs;
  sheet.Add(term);
  EXPECT_EQ(sheet.terms().size(), 2u);
  CostLoad load;
  load.rows = 3;
  baleen_session_counters counters = {};
  AddCosts(sheet, load, &counters);
  EXPECT_EQ(counters.weight_bytes[BALEEN_PART_ROUTER], 200u);
  EXPECT_EQ(counters.operations[BALEEN_PART_ROUTER], 3u * 14);
  // Nothing is wanted of the head, so it is not read.
  EXPECT_EQ(counters.weight_bytes[BALEEN_PART_HEAD], 0u);
  EXPECT_EQ(WeightBytesOf(sheet, load), 200u);
  sheet.StartDrafter();
  sheet.Add(term);
  EXPECT_EQ(sheet.terms().back().part, BALEEN_PART_DRAFTER);
}

}  // namespace
}  // namespace baleen::test
