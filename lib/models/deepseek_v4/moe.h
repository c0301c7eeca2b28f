// The second half of a layer: a mixture of experts (model.md §11).
#pragma once

#include "models/deepseek_v4/forward.h"

namespace baleen::deepseek_v4 {

void MoeHalf(Forward& forward, const PreparedLayer& layer);

}  // namespace baleen::deepseek_v4
