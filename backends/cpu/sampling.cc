// Choosing tokens; see sampling.h.
//
// Probabilities are doubles, and sums run in the order of tokens, so that a
// seed means the same whatever vector width a processor has.
#include "cpu/sampling.h"

#include <cmath>

#include "cpu/reference/philox.h"
#include "cpu/threshold.h"

namespace baleen::cpu {
namespace {

// The highest logit; minus infinity if none is a number above it.
float HighestLogit(const float* logits, int64_t count) {
  float highest = -INFINITY;
  for (int64_t i = 0; i < count; ++i) {
    if (logits[i] > highest) highest = logits[i];
  }
  return highest;
}

// exp(logit - highest), where the highest may be infinite.
double RelativeWeight(float logit, float highest, double inverse_temperature) {
  if (!(logit > -INFINITY)) return 0;
  if (logit == highest) return 1;
  return std::exp((static_cast<double>(logit) - static_cast<double>(highest)) *
                  inverse_temperature);
}

// A token of what p has more than q.
baleen_token DrawResidual(const TokenDistribution& p,
                          const TokenDistribution& q, int64_t count,
                          double uniform) {
  const auto weight = [&](int64_t token) {
    return std::fmax(p.ProbabilityOf(token) - q.ProbabilityOf(token), 0.0);
  };
  double total = 0;
  for (int64_t i = 0; i < count; ++i) total += weight(i);
  // Nothing but rounding was between them.
  if (!(total > 0)) return p.Draw(uniform);
  const double target = uniform * total;
  double sum = 0;
  int64_t last = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double here = weight(i);
    if (!(here > 0)) continue;
    sum += here;
    last = i;
    if (sum > target) break;
  }
  return static_cast<baleen_token>(last);
}

}  // namespace

TokenDistribution::TokenDistribution(const float* logits, int64_t count,
                                     const baleen_sample_row& row)
    : logits_(logits),
      count_(count),
      highest_(HighestLogit(logits, count)),
      // All zero is what the model's authors advise: temperature 1.
      inverse_temperature_(row.temperature > 0
                               ? 1.0 / static_cast<double>(row.temperature)
                               : 1.0),
      last_equal_(count) {
  if (row.top_k != 0 && row.top_k < count) KeepTopK(row.top_k);
  if (row.top_p > 0 && row.top_p < 1) {
    KeepTopP(static_cast<double>(row.top_p));
  }
  if (row.min_p > 0) least_weight_ = std::fmin(row.min_p, 1.0f);
  for (int64_t i = 0; i < count_; ++i) total_ += Weight(i);
}

double TokenDistribution::RawWeight(int64_t token) const {
  return RelativeWeight(logits_[token], highest_, inverse_temperature_);
}

bool TokenDistribution::IsKept(int64_t token) const {
  const uint32_t order = ScoreOrder(logits_[token]);
  if (order < least_order_) return false;
  if (order == least_order_ && token > last_equal_) return false;
  return least_weight_ == 0 || RawWeight(token) >= least_weight_;
}

void TokenDistribution::KeepTopK(int64_t limit) {
  Threshold<int64_t> threshold = FindThreshold(
      count_, limit, [&](int64_t i) { return ScoreOrder(logits_[i]); },
      [](int64_t) { return int64_t{1}; });
  least_order_ = threshold.order;
  last_equal_ = -1;
  for (int64_t i = 0; i < count_ && threshold.rest > 0; ++i) {
    if (ScoreOrder(logits_[i]) != least_order_) continue;
    last_equal_ = i;
    --threshold.rest;
  }
}

void TokenDistribution::KeepTopP(double share) {
  double total = 0;
  for (int64_t i = 0; i < count_; ++i) total += Weight(i);
  Threshold<double> threshold = FindThreshold(
      count_, share * total, [&](int64_t i) { return ScoreOrder(logits_[i]); },
      [&](int64_t i) { return Weight(i); });
  int64_t last_equal = -1;
  for (int64_t i = 0; i < count_ && threshold.rest > 0; ++i) {
    if (ScoreOrder(logits_[i]) != threshold.order || !IsKept(i)) continue;
    last_equal = i;
    threshold.rest -= Weight(i);
  }
  least_order_ = threshold.order;
  last_equal_ = last_equal;
}

baleen_token TokenDistribution::Draw(double uniform) const {
  const double target = uniform * total_;
  double sum = 0;
  int64_t last = 0;
  for (int64_t i = 0; i < count_; ++i) {
    const double weight = Weight(i);
    if (weight == 0) continue;
    sum += weight;
    last = i;
    if (sum > target) break;
  }
  return static_cast<baleen_token>(last);
}

baleen_token LikeliestToken(const float* logits, int64_t count) {
  int64_t best = 0;
  float highest = -INFINITY;
  for (int64_t i = 0; i < count; ++i) {
    if (!(logits[i] > highest)) continue;
    highest = logits[i];
    best = i;
  }
  return static_cast<baleen_token>(best);
}

baleen_token SampleToken(const float* logits, int64_t count,
                         const baleen_sample_row& row, int64_t position,
                         RandomStream stream) {
  if ((row.flags & BALEEN_SAMPLING_GREEDY) != 0) {
    return LikeliestToken(logits, count);
  }
  const RowUniforms uniforms = UniformsAt(
      row.seed, static_cast<uint64_t>(position), static_cast<uint32_t>(stream));
  return TokenDistribution(logits, count, row).Draw(uniforms.choice);
}

baleen_token VerifyDraft(const float* logits, const float* draft_logits,
                         int64_t count, const baleen_sample_row& row,
                         int64_t position, bool* accepted) {
  const bool certain = draft_logits == nullptr ||
                       (row.flags & BALEEN_SAMPLING_GREEDY) != 0 ||
                       row.draft >= count;
  if (!certain) {
    const TokenDistribution p(logits, count, row);
    const TokenDistribution q(draft_logits, count, row);
    const double chance = q.ProbabilityOf(row.draft);
    const RowUniforms uniforms =
        UniformsAt(row.seed, static_cast<uint64_t>(position),
                   static_cast<uint32_t>(RandomStream::kToken));
    *accepted = uniforms.acceptance * chance < p.ProbabilityOf(row.draft);
    // A draft that q cannot have given says nothing about p: below.
    if (chance > 0) {
      return *accepted ? row.draft : DrawResidual(p, q, count, uniforms.choice);
    }
  }
  // For a draft that was certain, min(1, p / q) and what is left of p come to
  // this: draw from p, and see whether it is the draft.  So the same tokens
  // come out as without drafts, not only the same distribution.
  const baleen_token token =
      SampleToken(logits, count, row, position, RandomStream::kToken);
  *accepted = token == row.draft;
  return token;
}

float LogProbability(const float* logits, int64_t count, baleen_token token) {
  const float highest = HighestLogit(logits, count);
  if (highest == -INFINITY) return -INFINITY;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += RelativeWeight(logits[i], highest, 1.0);
  }
  const float logit = logits[token];
  if (!(logit > -INFINITY)) return -INFINITY;
  const double below = logit == highest ? 0.0
                                        : static_cast<double>(logit) -
                                              static_cast<double>(highest);
  return static_cast<float>(below - std::log(sum));
}

}  // namespace baleen::cpu
