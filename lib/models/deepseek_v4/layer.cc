#include "models/deepseek_v4/layer.h"

#include "models/deepseek_v4/attention.h"
#include "models/deepseek_v4/moe.h"

namespace baleen::deepseek_v4 {

void Layer(Forward& forward, const PreparedLayer& layer) {
  AttentionHalf(forward, layer);
  MoeHalf(forward, layer);
}

}  // namespace baleen::deepseek_v4
