// What the drivers of the indexer's scores share: how rows and keys are dealt to
// tasks, and scores by the kernels of row_kernels.h.
#pragma once

#include "cpu/batch.h"
#include "cpu/implementation_list.h"
#include "cpu/row_kernels.h"

namespace baleen::cpu {

// Rows of one session, which see about the same keys.
struct RowBlock {
  int64_t session;
  int64_t first;
  int64_t end;
};

// The rows of a step cut into blocks of at most `rows`.
class RowBlocks {
 public:
  RowBlocks(const BatchView& batch, int64_t rows)
      : batch_(batch), rows_(rows) {}

  int64_t count() const {
    int64_t sum = 0;
    for (int64_t s = 0; s < batch_.session_count; ++s) sum += BlocksOf(s);
    return sum;
  }
  // REQUIRES: index < count()
  RowBlock At(int64_t index) const {
    int64_t session = 0;
    for (; index >= BlocksOf(session); ++session) index -= BlocksOf(session);
    const int64_t first = batch_.starts[session] + index * rows_;
    return {session, first,
            std::min<int64_t>(first + rows_, batch_.starts[session + 1])};
  }

 private:
  int64_t BlocksOf(int64_t s) const {
    return (batch_.starts[s + 1] - batch_.starts[s] + rows_ - 1) / rows_;
  }

  const BatchView& batch_;
  int64_t rows_;
};

// Keys that a task takes, a multiple of kKeysTogether and at most kMostScoreKeys,
// and the tasks that a block of rows is at the most.
inline constexpr int64_t kMostScoreKeys = 4096;
int64_t KeysOfScoreTask(const baleen_indexer_score_args& args);
int64_t ScoreTasksOfBlock(const baleen_indexer_score_args& args);

// Keys that a row sees.
int64_t VisibleKeys(const baleen_indexer_score_args& args,
                    const BatchView& batch, int64_t row);

// The keys of a session, in groups of 16.
class KeyGroups {
 public:
  KeyGroups(const baleen_indexer_score_args& args, const BatchView& batch,
            int64_t session)
      : keys_(*args.state, BALEEN_POOL_KEYS, batch.PagesOf(session)),
        group_bytes_(KeyGroupBytes(args.state->shape)),
        page_keys_(PageEntries(args.state->shape)) {}

  // That which begins with the key.
  const uint8_t* At(int64_t key) const {
    return keys_.Page(key) + keys_.InPage(key) / kKeysTogether * group_bytes_;
  }

  // Those of keys [first, end); returns how many.
  int64_t Find(int64_t first, int64_t end, const uint8_t** groups) const {
    int64_t count = 0;
    while (first < end) {
      const uint8_t* group = At(first);
      const int64_t page_end =
          std::min(end, first + page_keys_ - keys_.InPage(first));
      for (; first < page_end; first += kKeysTogether) {
        groups[count++] = group;
        group += group_bytes_;
      }
    }
    return count;
  }

 private:
  PagedEntries keys_;
  int64_t group_bytes_;
  int64_t page_keys_;
};

// Rows that ScoreRows takes at once, and the memory that it needs for them.
inline constexpr int64_t kMostScoreRows = 64;
int64_t RowsOfScoreTask(const baleen_tensor& iq);
int64_t ScoreRowsBytes(const baleen_tensor& iq);

// Scores keys [first, end) for the rows of a block, for each row as far as it
// sees them.
// REQUIRES: first is a multiple of kKeysTogether, block has at most
// RowsOfScoreTask rows
void ScoreRows(const RowKernels& kernels, const baleen_indexer_score_args& args,
               const BatchView& batch, const RowBlock& block, int64_t first,
               int64_t end, uint8_t* memory);

}  // namespace baleen::cpu
