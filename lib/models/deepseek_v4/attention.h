// The attention half of a layer (model.md §6 to §9): window only, compressed
// sparse (CSA, ratio 4) or heavily compressed (HCA, ratio 128).
#pragma once

#include "models/deepseek_v4/forward.h"

namespace baleen::deepseek_v4 {

void AttentionHalf(Forward& forward, const PreparedLayer& layer);

// Only what fills the window of a drafter's stage from its context rows, bf16
// [T, D] (model.md §14).
void FillWindow(Forward& forward, const PreparedLayer& stage,
                const CountedWeight& wkv, Tensor* context);

}  // namespace baleen::deepseek_v4
