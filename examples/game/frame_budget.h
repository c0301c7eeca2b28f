// How much of a frame the engine may take, and whether one more call fits.
//
// A call cannot be cut short without losing its work, so the next one is begun
// only if what such calls took lately still fits in.  The estimate follows a
// slow call at once and forgets it over the next fifty.
#pragma once

#include <algorithm>
#include <functional>

namespace game {

// Milliseconds since some fixed time.
using Clock = std::function<double()>;

class FrameBudget {
 public:
  FrameBudget(double milliseconds, Clock clock)
      : budget_(milliseconds), clock_(std::move(clock)) {}

  void BeginFrame() { begin_ = clock_(); }

  double spent() const { return clock_() - begin_; }
  double budget() const { return budget_; }
  double now() const { return clock_(); }

 private:
  double budget_;
  Clock clock_;
  double begin_ = 0;
};

// What one step takes.
class StepCost {
 public:
  void Add(double milliseconds) {
    estimate_ = std::max(milliseconds, kMemory * estimate_);
  }
  double estimate() const { return estimate_; }

 private:
  static constexpr double kMemory = 0.98;
  double estimate_ = 0;
};

// How many tokens of a prompt to read at once, so that a piece takes about
// `target` milliseconds.  Pieces grow slowly and shrink at once.
class PieceSize {
 public:
  explicit PieceSize(double target) : target_(target) {}

  void Add(size_t tokens, double milliseconds) {
    if (milliseconds > target_) {
      const double share = target_ / milliseconds;
      size_ = std::max<size_t>(
          1, static_cast<size_t>(share * static_cast<double>(tokens)));
    } else if (tokens >= size_ && milliseconds < kRoom * target_) {
      size_ = std::min(kMost, size_ + 1 + size_ / 8);
    }
  }
  size_t size() const { return size_; }

  static constexpr size_t kMost = 256;

 private:
  static constexpr double kRoom = 0.8;
  double target_;
  size_t size_ = 4;  // Until the first piece has been measured.
};

}  // namespace game
