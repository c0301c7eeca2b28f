// Loops over rows that need memory of their own while they run.
//
// An operator may not allocate inside a step, and threads are the host's, so
// the rows are cut into at most 64 runs, each with a part of the operator's
// scratch: enough runs for any desktop to share, few enough that scratch stays
// small beside a step of thousands of rows.
#pragma once

#include <baleen/backend.h>

#include <algorithm>
#include <cstdint>

#include "cpu/parallel.h"

namespace baleen::cpu {

inline constexpr int64_t kRowRuns = 64;
inline constexpr int64_t kScratchAlignment = 64;

inline int64_t AlignScratch(int64_t bytes) {
  return (bytes + kScratchAlignment - 1) / kScratchAlignment *
         kScratchAlignment;
}

// What `query` asks for: `bytes` for each run of at most `rows` rows.
inline uint64_t RowRunScratch(int64_t rows, int64_t bytes) {
  return static_cast<uint64_t>(std::min(std::max<int64_t>(rows, 0), kRowRuns) *
                               AlignScratch(bytes));
}

// Runs body(row, memory) for each row; rows of a run share `bytes` of memory.
template <typename Body>
void ForRows(const Queue& queue, void* scratch, int64_t rows, int64_t bytes,
             const Body& body) {
  const int64_t runs = std::min(rows, kRowRuns);
  ParallelFor(queue, runs, [&](int64_t run) {
    uint8_t* memory =
        static_cast<uint8_t*>(scratch) + run * AlignScratch(bytes);
    for (int64_t row = run * rows / runs; row < (run + 1) * rows / runs;
         ++row) {
      body(row, memory);
    }
  });
}

}  // namespace baleen::cpu
