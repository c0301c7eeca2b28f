#include "session/sampler.h"

#include <algorithm>
#include <cmath>

namespace baleen {
namespace {

constexpr uint32_t kDefaultRepeatWindow = 256;

bool IsUnset(float value) { return value == 0.0f; }

// Penalizes each token of the window once, however often it occurs.
void PenalizeRepeats(std::span<const baleen_token> history,
                     const baleen_sampling& sampling,
                     std::span<const float> logits, std::span<float> edited) {
  const size_t window = sampling.repeat_window == 0 ? kDefaultRepeatWindow
                                                    : sampling.repeat_window;
  const float penalty = sampling.repeat_penalty;
  for (const baleen_token token :
       history.last(std::min(window, history.size()))) {
    const auto index = static_cast<size_t>(token);
    if (index >= logits.size()) continue;
    const float logit = logits[index];
    edited[index] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

baleen_tensor Tensor(void* data, baleen_type type,
                     std::initializer_list<int64_t> sizes) {
  baleen_tensor tensor = {};
  tensor.data = data;
  tensor.type = type;
  for (const int64_t size : sizes) tensor.size[tensor.rank++] = size;
  int64_t stride = 1;
  for (uint32_t i = tensor.rank; i-- > 0;) {
    tensor.stride[i] = stride;
    stride *= tensor.size[i];
  }
  return tensor;
}

}  // namespace

Status CheckSampling(const baleen_sampling& sampling, size_t vocabulary) {
  const auto at_least_zero = [](float value) {
    return std::isfinite(value) && value >= 0;
  };
  if ((sampling.flags & ~uint32_t{BALEEN_SAMPLING_GREEDY}) != 0) {
    return Unsupported("sampling.flags has bits that this version knows not");
  }
  if (!at_least_zero(sampling.temperature)) {
    return InvalidArgument("sampling.temperature is %g, not 0 or more",
                           static_cast<double>(sampling.temperature));
  }
  if (!at_least_zero(sampling.top_p) || sampling.top_p > 1) {
    return InvalidArgument("sampling.top_p is %g, not within 0 and 1",
                           static_cast<double>(sampling.top_p));
  }
  if (!at_least_zero(sampling.min_p) || sampling.min_p > 1) {
    return InvalidArgument("sampling.min_p is %g, not within 0 and 1",
                           static_cast<double>(sampling.min_p));
  }
  if (!at_least_zero(sampling.repeat_penalty)) {
    return InvalidArgument("sampling.repeat_penalty is %g, not 0 or more",
                           static_cast<double>(sampling.repeat_penalty));
  }
  if (sampling.bias_count > 0 && sampling.biases == nullptr) {
    return InvalidArgument("sampling.biases is NULL, but bias_count is %u",
                           sampling.bias_count);
  }
  for (uint32_t i = 0; i < sampling.bias_count; ++i) {
    const baleen_token token = sampling.biases[i].token;
    if (token < 0 || static_cast<size_t>(token) >= vocabulary) {
      return InvalidArgument("sampling.biases[%u] names token %d of %zu", i,
                             token, vocabulary);
    }
  }
  return Status();
}

double LogSumExp(std::span<const float> logits) {
  float most = -HUGE_VALF;
  for (const float logit : logits) most = std::max(most, logit);
  if (!std::isfinite(most)) return static_cast<double>(most);
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit) - static_cast<double>(most));
  }
  return static_cast<double>(most) + std::log(sum);
}

baleen_token_score Score(std::span<const float> logits, baleen_token token) {
  const float logit = logits[static_cast<size_t>(token)];
  return {token, logit,
          static_cast<float>(static_cast<double>(logit) - LogSumExp(logits))};
}

Sampler::~Sampler() {
  if (queue_ != nullptr) cpu_.table->queue_destroy(queue_);
}

std::span<const float> Sampler::Edited(std::span<const float> logits,
                                       std::span<const baleen_token> history,
                                       const baleen_sampling& sampling) {
  const bool penalizes = !IsUnset(sampling.repeat_penalty);
  if (!penalizes && sampling.bias_count == 0 && sampling.edit == nullptr) {
    return logits;
  }
  edited_.assign(logits.begin(), logits.end());
  if (penalizes) PenalizeRepeats(history, sampling, logits, edited_);
  for (uint32_t i = 0; i < sampling.bias_count; ++i) {
    const baleen_token_bias& bias = sampling.biases[i];
    edited_[static_cast<size_t>(bias.token)] += bias.bias;
  }
  if (sampling.edit != nullptr) {
    sampling.edit(sampling.edit_user_data, edited_.data(), edited_.size());
  }
  return edited_;
}

Status Sampler::Choose(std::span<const float> logits,
                       std::span<const baleen_token> history, uint64_t seed,
                       const baleen_sampling& sampling,
                       const Defaults& defaults, baleen_token* token) {
  const std::span<const float> edited = Edited(logits, history, sampling);
  if (queue_ == nullptr) {
    const baleen_status status = cpu_.table->queue_create(cpu_.handle, &queue_);
    if (status != BALEEN_OK) {
      return Status::Error(status, "the CPU cannot sample: no queue");
    }
  }

  baleen_sample_row row = {};
  row.seed = seed;
  row.temperature = IsUnset(sampling.temperature) ? defaults.temperature
                                                  : sampling.temperature;
  row.top_p = IsUnset(sampling.top_p) ? defaults.top_p : sampling.top_p;
  row.min_p = sampling.min_p;
  row.top_k = sampling.top_k;
  row.flags = sampling.flags;
  row.draft = -1;

  int32_t counts[BALEEN_COUNT_SIZE] = {};
  counts[BALEEN_COUNT_ROWS] = 1;
  counts[BALEEN_COUNT_SESSIONS] = 1;
  counts[BALEEN_COUNT_OUTPUTS] = 1;
  auto position = static_cast<int32_t>(history.size()) - 1;
  int32_t output = 0;
  int32_t chosen = -1;
  const auto vocabulary = static_cast<int64_t>(edited.size());
  const baleen_tensor counts_tensor =
      Tensor(counts, BALEEN_TYPE_I32, {BALEEN_COUNT_SIZE});
  const baleen_tensor positions = Tensor(&position, BALEEN_TYPE_I32, {1});
  const baleen_tensor outputs = Tensor(&output, BALEEN_TYPE_I32, {1});
  const baleen_tensor logits_tensor = Tensor(const_cast<float*>(edited.data()),
                                             BALEEN_TYPE_F32, {1, vocabulary});
  const baleen_tensor rows =
      Tensor(&row, BALEEN_TYPE_BYTE, {1, static_cast<int64_t>(sizeof row)});
  baleen_tensor tokens = Tensor(&chosen, BALEEN_TYPE_I32, {1});

  baleen_batch batch = {};
  batch.struct_size = sizeof batch;
  batch.position_limit = static_cast<uint32_t>(history.size());
  batch.counts = &counts_tensor;
  batch.positions = &positions;
  batch.outputs = &outputs;

  baleen_sample_args args = {};
  args.common.struct_size = sizeof args;
  args.common.layer = -1;
  args.common.batch = &batch;
  args.logits = &logits_tensor;
  args.rows = &rows;
  args.tokens = &tokens;

  baleen_op_needs needs = {};
  needs.struct_size = sizeof needs;
  baleen_status status =
      cpu_.table->query(cpu_.handle, BALEEN_OP_SAMPLE, &args, &needs);
  if (status != BALEEN_OK) {
    return Status::Error(status, "the CPU cannot sample");
  }
  if (needs.scratch_bytes > scratch_.size()) {
    scratch_ = Block(edited_.get_allocator().resource(),
                     static_cast<size_t>(needs.scratch_bytes));
  }
  args.common.scratch = scratch_.data();
  status = cpu_.table->ops->sample(queue_, &args);
  if (status == BALEEN_OK) status = cpu_.table->queue_wait(queue_);
  if (status != BALEEN_OK || chosen < 0 || chosen >= vocabulary) {
    return Status::Error(status != BALEEN_OK ? status : BALEEN_INTERNAL,
                         "the sample operator failed");
  }
  *token = chosen;
  return Status();
}

}  // namespace baleen
