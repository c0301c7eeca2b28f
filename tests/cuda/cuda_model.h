// Models on the emulated device, for tests.
#pragma once

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "unit/models/golden.h"
#include "unit/models/test_model.h"

extern "C" const baleen_backend* baleen_cuda_emulated_entry(
    const baleen_host* host);

namespace baleen::test {

inline std::vector<baleen_token> Tokens(size_t count) {
  const std::vector<int32_t> ids =
      Golden("tiny_v4/golden.safetensors").Integers("ids");
  return {ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count)};
}

class CudaModel {
 public:
  explicit CudaModel(const std::string& folder, ModelOptions options = {},
                     baleen_backend_entry_fn entry = baleen_cuda_emulated_entry)
      : device_(entry, &memory_, 2) {
    options.device = &device_.device();
    model_ = std::make_unique<TestModel>(folder, options);
  }
  TestModel& operator*() { return *model_; }

 private:
  CountedMemory memory_;
  TestDevice device_;
  std::unique_ptr<TestModel> model_;
};

// How far two rows of logits are apart, of the length of one.
inline double Distance(const std::vector<float>& got,
                       const std::vector<float>& wanted) {
  double squares = 0;
  double difference = 0;
  for (size_t i = 0; i < got.size() && i < wanted.size(); ++i) {
    const double d =
        static_cast<double>(got[i]) - static_cast<double>(wanted[i]);
    difference += d * d;
    squares += static_cast<double>(wanted[i]) * static_cast<double>(wanted[i]);
  }
  return std::sqrt(difference / squares);
}

}  // namespace baleen::test
