#include "session/draft_pace.h"

#include <algorithm>

namespace baleen {
namespace {

// Weights of the newest observation.
constexpr double kTimeWeight = 1.0 / 8;
constexpr double kKeptWeight = 1.0 / 12;
// Of what is only supposed: where all guesses come true, one more is tried now
// and then.
constexpr double kSupposedWeight = 1.0 / 512;

// What takes so many times longer than usual waited for the processor, which
// says little about its cost.
constexpr double kOutlier = 2;

// What a further row costs a pass at the least; for rows never tried.
constexpr double kRowCost = 0.05;

// Hopeful, so that a new session tries.
constexpr double kFirstKept = 0.75;
constexpr uint32_t kFirstPause = 16;
constexpr uint32_t kLongestPause = 256;
// What comes true so often needs no more trials to be believed.
constexpr double kSure = 0.9;
// Guesses that promise less are not made: so far costs are measured wrong.
constexpr double kLeastGain = 1.03;

// What guesses may lose, in steps: these, and this share of all tokens.
constexpr double kLossAtFirst = 1;
constexpr double kLossShare = 1.0 / 80;
// What they have brought pays for so many steps that are lost later.
constexpr double kMostSaved = 8;
constexpr double kLongestRest = 1 << 20;

double Mix(double old, double fresh, double weight) {
  return old == 0 ? fresh : old + (fresh - old) * weight;
}

}  // namespace

void PassTimes::Learn(size_t rows, double seconds) {
  if (rows >= seconds_.size()) return;
  double& mean = seconds_[rows];
  if (mean > 0) seconds = std::min(seconds, kOutlier * mean);
  mean = Mix(mean, seconds, kTimeWeight);
}

double PassTimes::Of(size_t rows) const {
  // Fewer rows never cost more than more of them; a pass that was seen to was
  // slow for another reason.
  double least = 0;
  for (size_t more = rows; more < seconds_.size(); ++more) {
    if (seconds_[more] == 0) continue;
    least = least == 0 ? seconds_[more] : std::min(least, seconds_[more]);
  }
  if (least > 0) return least;
  for (size_t fewer = rows; fewer-- > 1;) {
    if (seconds_[fewer] == 0) continue;
    return seconds_[fewer] * (1 + kRowCost * static_cast<double>(rows - fewer));
  }
  return 0;
}

DraftPace::DraftPace(bool one_by_one)
    : one_by_one_(one_by_one), pause_(kFirstPause) {
  kept_.fill(kFirstKept);
}

double DraftPace::Speed(const PassTimes& times, size_t guesses) const {
  double tokens = 1;
  double chance = 1;
  for (size_t i = 0; i < guesses; ++i) {
    chance *= kept_[i];
    tokens += chance;
  }
  return tokens / (times.Of(guesses + 1) + guess_seconds_ * Shares(guesses));
}

double DraftPace::Cost(const PassTimes& times, size_t guesses) const {
  return (times.Of(guesses + 1) + guess_seconds_ * Shares(guesses)) /
             times.Of(1) -
         1;
}

double DraftPace::StepsUntil(double cost) const {
  const double allowed = kLossAtFirst + kLossShare * tokens_;
  return std::clamp((lost_ + cost - allowed) / kLossShare, 0.0, kLongestRest);
}

size_t DraftPace::Choose(const PassTimes& times, size_t limit) {
  tokens_ += 1;
  limit = std::min(limit, reach_);
  if (limit == 0) return 0;
  size_t best = 0;
  double most = kLeastGain * Speed(times, 0);
  for (size_t k = 1; k <= limit; ++k) {
    const double speed = Speed(times, k);
    if (speed <= most) continue;
    best = k;
    most = speed;
  }
  const auto affordable =
      static_cast<uint32_t>(StepsUntil(Cost(times, std::max<size_t>(best, 1))));
  if (best > 0) {
    pause_ = kFirstPause;
    paused_ = 0;
    rest_ = affordable;
    return rest_ == 0 ? best : 0;
  }
  ++paused_;
  rest_ = std::max(affordable, pause_ - std::min(pause_, paused_));
  return rest_ == 0 ? 1 : 0;
}

void DraftPace::Learn(const PassTimes& times, size_t guessed, size_t accepted,
                      double seconds) {
  if (guessed == 0) return;
  if (seconds > 0) {
    double one = seconds / Shares(guessed);
    if (guess_seconds_ > 0) one = std::min(one, kOutlier * guess_seconds_);
    guess_seconds_ = Mix(guess_seconds_, one, kTimeWeight);
  }
  const auto brought = static_cast<double>(accepted);
  tokens_ += brought;
  lost_ = std::max(lost_ + Cost(times, guessed) - brought, -kMostSaved);
  for (size_t i = 0; i < std::min(guessed, accepted + 1); ++i) {
    const double kept = i < accepted ? 1 : 0;
    const double first_weights = 1.0 / (++seen_[i] + 1);
    kept_[i] += (kept - kept_[i]) * std::max(kKeptWeight, first_weights);
  }
  // Of deeper guesses nothing was seen; they may be as likely as the last that
  // was.
  const size_t last = std::min(guessed - 1, accepted);
  for (size_t i = last + 1; i < kept_.size(); ++i) {
    kept_[i] += (kept_[last] - kept_[i]) * kSupposedWeight;
  }
  if (accepted == guessed) {
    reach_ = std::min(kMostGuesses, std::max(reach_, 2 * guessed));
  }
  if (accepted == 0 || kept_[0] > kSure) {
    paused_ = 0;
    pause_ = std::min(2 * pause_, kLongestPause);
  }
}

}  // namespace baleen
