// What a program costs, for counts by session and step: a short list of terms,
// each so much for each of something that a step has (rows, entries seen, ...).
//
// Operators' arguments say what they read and compute (ops/operator_cost.h makes
// terms of them when a program is written down), and a step's positions say how
// many of each there are.  So counts are exact and cost a step nothing but a
// sum over some dozens of terms.
//
// Operations are those of products: of matrices, of attention's scores and
// sums, of streams.  An addition and a multiplication are two.  Norms,
// rotations, roundings, softmax and activations are not counted, nor is the
// indexer's sum over heads; all of these are less than a hundredth.
#pragma once

#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/memory.h"

namespace baleen {

// Formats of the wider factor in reference mode.
enum class CostFormat : uint8_t { kFp4, kFp8, kBf16, kF32 };

// What a step has.  `ratio`, `limit` and `index` are those of the term.
enum class CostUnit : uint8_t {
  kRows,     // Rows.
  kOutputs,  // Rows whose logits are wanted.
  kVisits,   // Experts of layer `index` that rows visit, each once.
  // Summed over rows:
  kWindow,    // Positions of a window of `limit`, up to the row.
  kEntries,   // Compressed entries that it sees, at most `limit` unless 0.
  kBehind,    // The last `limit` positions before the first row.
  kTogether,  // Rows of the step.
  // Of compressed entries of `ratio` that the step makes, each from the last
  // `limit` rows up to its end:
  kMade,        // How many.
  kPooled,      // Rows that they are made of,
  kPooledTail,  // and of those, rows of earlier steps.
  kLast,        // The last `limit` rows of the step.
};

struct CostTerm {
  int32_t op = 0;    // BALEEN_OP_*
  int32_t part = 0;  // BALEEN_PART_*
  CostFormat format = CostFormat::kF32;
  CostUnit unit = CostUnit::kRows;
  int32_t index = 0;
  int64_t ratio = 1;
  int64_t limit = 0;

  // Bytes of weights that are read once if there is any, and for each.
  uint64_t weights_once = 0;
  uint64_t weights_each = 0;
  // For each.
  uint64_t operations = 0;
  uint64_t state_read = 0;
  uint64_t state_written = 0;
};

// Rows of one session in a step.
struct CostLoad {
  int64_t first = 0;  // Position of the first row.
  int64_t rows = 0;
  int64_t frozen = 0;  // Entries that end at a position below are not made.
  int64_t outputs = 0;
  std::span<const int32_t> visits;  // By layer.
};

class CostSheet {
 public:
  explicit CostSheet(Memory* memory) : terms_(memory) {}

  std::span<const CostTerm> terms() const { return terms_; }
  // Joined with one of the same unit, if there is one.
  void Add(CostTerm term);
  // What is added from now on is the drafter's.
  void StartDrafter() { drafter_ = true; }

  // The number of a new layer of experts, and how many there are.
  int32_t AddExperts() { return expert_layers_++; }
  int32_t expert_layers() const { return expert_layers_; }

 private:
  Vector<CostTerm> terms_;
  bool drafter_ = false;
  int32_t expert_layers_ = 0;
};

// How many of the term's unit there are.
uint64_t UnitsOf(const CostTerm& term, const CostLoad& load);

// Adds what the rows cost, as if they were alone in their step; but for
// positions and pass_weight_bytes.
void AddCosts(const CostSheet& sheet, const CostLoad& load,
              baleen_session_counters* counters);

// Bytes of weights that a step reads.
uint64_t WeightBytesOf(const CostSheet& sheet, const CostLoad& load);

// Adds all members of `more` to those of *sum.
void AddCounters(const baleen_session_counters& more,
                 baleen_session_counters* sum);

}  // namespace baleen
