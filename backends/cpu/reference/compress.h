// Where the rows of a group lie that is about to become an entry, and what
// happens after they are pooled (model.md §7).  Shared with faster versions,
// which differ in the pooling alone.
#pragma once

#include <baleen/backend.h>

#include "cpu/batch.h"
#include "cpu/state.h"

namespace baleen::cpu {

// A row of a group: value and gate of its half, and what is added to the gate.
struct GroupRow {
  const float* value;  // [size]
  const float* gate;   // [size]
  const float* ape;    // [size]; NULL: it is in the gate already
};

// Ratios are at most 256, and groups of ratio 4 overlap.
inline constexpr int64_t kMaxGroupRows = kPagePositions;

// The rows of the group that ends with row `row` of the step, oldest first;
// returns how many.
int64_t GroupRows(const baleen_compress_args& args, const BatchView& batch,
                  int64_t row, GroupRow* rows);

// Whether row `row` of the step is the last of a group whose entry is wanted.
bool EndsGroup(const baleen_compress_args& args, const BatchView& batch,
               int64_t row);

// A softmax over the rows for each of `size` channels, and their values with its
// weights.
void PoolGroup(const GroupRow* rows, int64_t count, int64_t size,
               float* pooled);

// Norms, rotates, rounds and stores what was pooled [size]; changes it.
void StorePooled(const baleen_compress_args& args, const BatchView& batch,
                 int64_t row, float* pooled);

// Puts row `row` of the step into the tail, unless a later one has its place.
void StoreTailRow(const baleen_compress_args& args, const BatchView& batch,
                  int64_t row);

}  // namespace baleen::cpu
