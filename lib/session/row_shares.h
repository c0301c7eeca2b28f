// Who gets how many rows of a pass.
#pragma once

#include <cstdint>
#include <span>

namespace baleen {

// Each gets what it wants, but no more than its part of what those who want
// less have left: who wants few rows, to choose a token, gets them, and long
// prompts share the rest evenly.  Nobody who wants rows gets none, even if that
// is more than the budget.
void ShareRows(std::span<const int64_t> wanted, int64_t budget,
               std::span<int64_t> shares);

// Rows of a pass that serves `waiting` sessions which wait for a token, of
// `limit` that it can have: few enough beside theirs that a long prompt does
// not make them wait for long.
int64_t PassBudget(int64_t limit, int64_t waiting);

}  // namespace baleen
