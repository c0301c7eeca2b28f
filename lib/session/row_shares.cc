#include "session/row_shares.h"

#include <algorithm>

namespace baleen {
namespace {

// Rows of prompts in a pass with sessions that wait for a token: enough for
// products to run at nearly full speed, a fraction of a whole chunk's time.
constexpr int64_t kPromptRows = 64;

}  // namespace

void ShareRows(std::span<const int64_t> wanted, int64_t budget,
               std::span<int64_t> shares) {
  std::fill(shares.begin(), shares.end(), 0);
  auto left = std::count_if(wanted.begin(), wanted.end(),
                            [](int64_t rows) { return rows > 0; });
  int64_t part = 0;
  // Who wants no more than a part gets it, which leaves more for the others.
  for (bool served = true; served && left > 0;) {
    served = false;
    part = std::max<int64_t>(1, budget / left);
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (shares[i] > 0 || wanted[i] == 0 || wanted[i] > part) continue;
      shares[i] = wanted[i];
      budget = std::max<int64_t>(0, budget - shares[i]);
      --left;
      served = true;
    }
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (shares[i] == 0) shares[i] = std::min(wanted[i], part);
  }
}

int64_t PassBudget(int64_t limit, int64_t waiting) {
  return waiting == 0 ? limit : std::min(limit, waiting + kPromptRows);
}

}  // namespace baleen
