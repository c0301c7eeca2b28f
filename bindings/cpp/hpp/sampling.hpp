// How to choose a token.
#pragma once

#include <functional>
#include <vector>

#include "error.hpp"
#include "span.hpp"

namespace baleen {
inline namespace cpp {

using TokenBias = baleen_token_bias;
using TokenScore = baleen_token_score;

// All defaults are what the model's authors advise.
struct Sampling {
  bool greedy = false;  // The likeliest token.
  float temperature = 0;
  float top_p = 0;
  float min_p = 0;
  uint32_t top_k = 0;
  float repeat_penalty = 0;
  uint32_t repeat_window = 0;
  std::vector<TokenBias> biases = {};
  std::function<void(Span<float> logits)> edit = {};

  static Sampling Greedy() {
    Sampling sampling;
    sampling.greedy = true;
    return sampling;
  }
};

namespace detail {

// A Sampling as the library has it.
class ReadSampling {
 public:
  explicit ReadSampling(const Sampling& sampling)
      : c_(Sized<baleen_sampling>()), edit_(sampling.edit) {
    c_.flags = Flag(sampling.greedy, BALEEN_SAMPLING_GREEDY);
    c_.temperature = sampling.temperature;
    c_.top_p = sampling.top_p;
    c_.min_p = sampling.min_p;
    c_.top_k = sampling.top_k;
    c_.repeat_penalty = sampling.repeat_penalty;
    c_.repeat_window = sampling.repeat_window;
    c_.bias_count = static_cast<uint32_t>(sampling.biases.size());
    c_.biases = sampling.biases.data();
    if (sampling.edit) {
      c_.edit = Edit;
      c_.edit_user_data = this;
    }
  }
  ReadSampling(const ReadSampling&) = delete;
  ReadSampling& operator=(const ReadSampling&) = delete;

  const baleen_sampling* get() const { return &c_; }
  void Rethrow() { guard_.Rethrow(); }

 private:
  static void Edit(void* sampling, float* logits, size_t count) {
    auto* self = static_cast<ReadSampling*>(sampling);
    self->guard_.Run(false, [&] {
      self->edit_(Span<float>(logits, count));
      return true;
    });
  }

  baleen_sampling c_;
  const std::function<void(Span<float>)>& edit_;
  Guard guard_;
};

}  // namespace detail
}  // namespace cpp
}  // namespace baleen
