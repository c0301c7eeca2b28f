// Choosing tokens: what BALEEN_OP_SAMPLE and the drafter's head share.
//
// A distribution is that of the logits over the temperature, restricted to the
// `top_k` highest logits, of those to the fewest that make up `top_p` of the
// probability that is left, of those to the ones at least `min_p` times as
// likely as the likeliest.  Zero switches each of the three off.  On equal
// logits the lower token comes first.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

namespace baleen::cpu {

// Random numbers for different purposes at one position are independent: a
// token that verification draws must not depend on the draft it replaces.
enum class RandomStream : uint32_t { kToken = 0, kDraft = 1 };

class TokenDistribution {
 public:
  // `logits` [count] must outlive it; NaN counts as minus infinity.
  TokenDistribution(const float* logits, int64_t count,
                    const baleen_sample_row& row);

  // The probability of a token.
  double ProbabilityOf(int64_t token) const { return Weight(token) / total_; }

  // The token at `uniform`, in [0, 1), of the cumulative distribution in the
  // order of tokens.
  baleen_token Draw(double uniform) const;

 private:
  // Before the restrictions: relative to the likeliest.
  double RawWeight(int64_t token) const;
  double Weight(int64_t token) const {
    return IsKept(token) ? RawWeight(token) : 0.0;
  }
  bool IsKept(int64_t token) const;
  void KeepTopK(int64_t limit);
  void KeepTopP(double share);

  const float* logits_;
  int64_t count_;
  float highest_;
  double inverse_temperature_;
  double least_weight_ = 0;  // min_p
  // Kept are tokens of a higher order, and up to this one of the same.
  uint32_t least_order_ = 0;
  int64_t last_equal_;
  double total_ = 0;
};

// The likeliest token; 0 if no logit is a number above minus infinity.
baleen_token LikeliestToken(const float* logits, int64_t count);

// The token for a row without a draft, or with one that was certain.
baleen_token SampleToken(const float* logits, int64_t count,
                         const baleen_sample_row& row, int64_t position,
                         RandomStream stream);

// Verifies row.draft, drawn from `draft_logits` under the row's settings: it is
// accepted with probability min(1, p / q), else replaced by a token drawn from
// what p has more than q.  So tokens come out as if drawn from p alone.
baleen_token VerifyDraft(const float* logits, const float* draft_logits,
                         int64_t count, const baleen_sample_row& row,
                         int64_t position, bool* accepted);

// log of the probability at temperature 1 without restrictions.
float LogProbability(const float* logits, int64_t count, baleen_token token);

}  // namespace baleen::cpu
