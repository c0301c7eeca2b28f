// How a token is chosen from logits: the host's changes first, then the sample
// operator on the CPU.
//
// The order is fixed and part of the contract: repeat penalty, biases, the
// host's `edit`; then temperature, top_k, top_p, min_p as docs/operators.md
// says under `sample`.
#pragma once

#include <cstdint>
#include <span>

#include <baleen/backend.h>

#include "base/memory.h"
#include "base/status.h"
#include "ops/device.h"

namespace baleen {

class Sampler {
 public:
  // `cpu` must have the sample operator.
  Sampler(const Device& cpu, Memory* memory) : cpu_(cpu), edited_(memory) {}
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  struct Defaults {
    float temperature = 1;
    float top_p = 1;
  };

  // `history` are the session's tokens, whose last one gave the logits.
  Status Choose(std::span<const float> logits,
                std::span<const baleen_token> history, uint64_t seed,
                const baleen_sampling& sampling, const Defaults& defaults,
                baleen_token* token);

 private:
  // The logits after the host's changes; the same ones if there are none.
  std::span<const float> Edited(std::span<const float> logits,
                                std::span<const baleen_token> history,
                                const baleen_sampling& sampling);

  const Device& cpu_;
  baleen_queue* queue_ = nullptr;
  Block scratch_;  // Kept, so that a step takes no memory.
  Vector<float> edited_;
};

// Checks what can be wrong with `sampling` for a vocabulary of this size.
Status CheckSampling(const baleen_sampling& sampling, size_t vocabulary);

// The logarithm of the sum of exp(logits), in double.
double LogSumExp(std::span<const float> logits);

// How likely a token is, of the softmax of the logits.
baleen_token_score Score(std::span<const float> logits, baleen_token token);

}  // namespace baleen
