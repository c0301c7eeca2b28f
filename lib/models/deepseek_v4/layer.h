// A layer, as in figure 2 of the report: attention, then experts, each between
// hyper-connections.
#pragma once

#include "models/deepseek_v4/forward.h"

namespace baleen::deepseek_v4 {

void Layer(Forward& forward, const PreparedLayer& layer);

}  // namespace baleen::deepseek_v4
