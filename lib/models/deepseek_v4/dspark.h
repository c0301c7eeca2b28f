// The DSpark drafter (model.md §14): three stages that draft a block of tokens
// at once from contexts of the main model's last layers, and a Markov head.
#pragma once

#include "models/deepseek_v4/forward.h"

namespace baleen::deepseek_v4 {

// Within a main pass: collects the means of the streams after the drafter's
// target layers, and fills the stages' windows from them.  Does nothing for
// models without the drafter.
class ContextTaps {
 public:
  explicit ContextTaps(Forward& forward);

  // After each layer was written; whoever ends it next gives the mean.
  void AfterLayer(int32_t layer);
  // After the last was ended.  Does nothing unless all targets were among them.
  void Fill();

 private:
  Forward& forward_;
  Tensor* means_ = nullptr;  // bf16 [T, targets * D]
  size_t collected_ = 0;
};

}  // namespace baleen::deepseek_v4
