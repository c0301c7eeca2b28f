#include "ops/cost.h"

#include <algorithm>
#include <iterator>

namespace baleen {
namespace {

// x / ratio summed over x = 1 .. n, rounded down each.
int64_t SumOfQuotients(int64_t n, int64_t ratio) {
  const int64_t whole = n / ratio;
  return ratio * (whole * (whole - 1) / 2) + whole * (n - whole * ratio + 1);
}

// The same of min(x / ratio, limit).
int64_t SumOfLimited(int64_t n, int64_t ratio, int64_t limit) {
  const int64_t below = std::min(n, ratio * limit - 1);
  return SumOfQuotients(below, ratio) + (n - below) * limit;
}

// Rows see what is complete with them: min((position + 1) / ratio, limit).
int64_t SeenBy(const CostLoad& load, int64_t ratio, int64_t limit) {
  const int64_t end = load.first + load.rows;
  return limit > 0
             ? SumOfLimited(end, ratio, limit) -
                   SumOfLimited(load.first, ratio, limit)
             : SumOfQuotients(end, ratio) - SumOfQuotients(load.first, ratio);
}

// The entries that a step makes: [first, end).
struct MadeEntries {
  int64_t first;
  int64_t end;
};

MadeEntries MadeBy(const CostLoad& load, int64_t ratio) {
  const int64_t end = (load.first + load.rows) / ratio;
  return {std::min(end, std::max(load.first, load.frozen) / ratio), end};
}

// Rows of an entry: its last `span` positions, or as many as there are.
int64_t PooledBy(const CostLoad& load, int64_t ratio, int64_t span) {
  const MadeEntries made = MadeBy(load, ratio);
  int64_t rows = (made.end - made.first) * span;
  for (int64_t i = made.first; i < made.end && (i + 1) * ratio < span; ++i) {
    rows -= span - (i + 1) * ratio;
  }
  return rows;
}

int64_t PooledBefore(const CostLoad& load, int64_t ratio, int64_t span) {
  const MadeEntries made = MadeBy(load, ratio);
  int64_t rows = 0;
  for (int64_t i = made.first; i < made.end; ++i) {
    const int64_t begin = std::max<int64_t>((i + 1) * ratio - span, 0);
    if (begin >= load.first) break;
    rows += load.first - begin;
  }
  return rows;
}

bool SameUnit(const CostTerm& a, const CostTerm& b) {
  return a.op == b.op && a.part == b.part && a.format == b.format &&
         a.unit == b.unit && a.index == b.index && a.ratio == b.ratio &&
         a.limit == b.limit;
}

uint64_t& OperationsIn(CostFormat format, baleen_session_counters* counters) {
  switch (format) {
    case CostFormat::kFp4:
      return counters->operations_fp4;
    case CostFormat::kFp8:
      return counters->operations_fp8;
    case CostFormat::kBf16:
      return counters->operations_bf16;
    default:
      return counters->operations_f32;
  }
}

uint64_t WeightBytes(const CostTerm& term, uint64_t units) {
  return (units > 0 ? term.weights_once : 0) + units * term.weights_each;
}

}  // namespace

void CostSheet::Add(CostTerm term) {
  if (drafter_) term.part = BALEEN_PART_DRAFTER;
  const auto found = std::find_if(
      terms_.begin(), terms_.end(),
      [&](const CostTerm& other) { return SameUnit(term, other); });
  if (found == terms_.end()) {
    terms_.push_back(term);
    return;
  }
  found->weights_once += term.weights_once;
  found->weights_each += term.weights_each;
  found->operations += term.operations;
  found->state_read += term.state_read;
  found->state_written += term.state_written;
}

uint64_t UnitsOf(const CostTerm& term, const CostLoad& load) {
  const auto units = [&]() -> int64_t {
    switch (term.unit) {
      case CostUnit::kRows:
        return load.rows;
      case CostUnit::kOutputs:
        return load.outputs;
      case CostUnit::kVisits:
        return load.visits[static_cast<size_t>(term.index)];
      case CostUnit::kWindow:
        return SeenBy(load, 1, term.limit);
      case CostUnit::kEntries:
        return SeenBy(load, term.ratio, term.limit);
      case CostUnit::kBehind:
        return load.rows * std::min(load.first, term.limit);
      case CostUnit::kTogether:
        return load.rows * load.rows;
      case CostUnit::kMade: {
        const MadeEntries made = MadeBy(load, term.ratio);
        return made.end - made.first;
      }
      case CostUnit::kPooled:
        return PooledBy(load, term.ratio, term.limit);
      case CostUnit::kPooledTail:
        return PooledBefore(load, term.ratio, term.limit);
      case CostUnit::kLast:
        return std::min(load.rows, term.limit);
    }
    return 0;
  };
  return static_cast<uint64_t>(units());
}

void AddCosts(const CostSheet& sheet, const CostLoad& load,
              baleen_session_counters* counters) {
  for (const CostTerm& term : sheet.terms()) {
    const uint64_t units = UnitsOf(term, load);
    counters->weight_bytes[term.part] += WeightBytes(term, units);
    counters->operations[term.part] += units * term.operations;
    OperationsIn(term.format, counters) += units * term.operations;
    counters->state_bytes_read += units * term.state_read;
    counters->state_bytes_written += units * term.state_written;
  }
}

uint64_t WeightBytesOf(const CostSheet& sheet, const CostLoad& load) {
  uint64_t bytes = 0;
  for (const CostTerm& term : sheet.terms()) {
    if (term.weights_once == 0 && term.weights_each == 0) continue;
    bytes += WeightBytes(term, UnitsOf(term, load));
  }
  return bytes;
}

void AddCounters(const baleen_session_counters& more,
                 baleen_session_counters* sum) {
  sum->positions += more.positions;
  sum->state_bytes_read += more.state_bytes_read;
  sum->state_bytes_written += more.state_bytes_written;
  for (size_t i = 0; i < std::size(sum->weight_bytes); ++i) {
    sum->weight_bytes[i] += more.weight_bytes[i];
    sum->operations[i] += more.operations[i];
  }
  sum->operations_fp4 += more.operations_fp4;
  sum->operations_fp8 += more.operations_fp8;
  sum->operations_bf16 += more.operations_bf16;
  sum->operations_f32 += more.operations_f32;
  sum->pass_weight_bytes += more.pass_weight_bytes;
}

}  // namespace baleen
