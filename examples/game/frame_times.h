// How long frames took, and how much of each the engine had.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace game {

struct FrameTime {
  double engine = 0;       // Milliseconds,
  double computing = 0;    // of them those its thread was on a core,
  double whole = 0;        // and all that the frame took.
  bool reading = false;    // A prompt was read.
  bool preempted = false;  // Another program had a core meanwhile.
};

class FrameTimes {
 public:
  void Add(const FrameTime& time) {
    times_.push_back(time);
    longest_.engine = std::max(longest_.engine, time.engine);
    longest_.computing = std::max(longest_.computing, time.computing);
    longest_.whole = std::max(longest_.whole, time.whole);
  }

  const std::vector<FrameTime>& times() const { return times_; }
  const FrameTime& longest() const { return longest_; }

  // In how many frames a part of the time was more than this.
  size_t CountOver(double FrameTime::*part, double milliseconds) const {
    return static_cast<size_t>(std::count_if(
        times_.begin(), times_.end(),
        [&](const FrameTime& time) { return time.*part > milliseconds; }));
  }

  size_t CountPreempted() const {
    return static_cast<size_t>(
        std::count_if(times_.begin(), times_.end(),
                      [](const FrameTime& time) { return time.preempted; }));
  }

  // The most that the engine had of a frame that all cores were there for.
  double LongestUndisturbed() const {
    double longest = 0;
    for (const FrameTime& time : times_) {
      if (!time.preempted) longest = std::max(longest, time.engine);
    }
    return longest;
  }

  // What `share` of the frames in which the engine worked stay below.
  double Quantile(double FrameTime::*part, double share) const {
    std::vector<double> worked;
    for (const FrameTime& time : times_) {
      if (time.engine > 0) worked.push_back(time.*part);
    }
    if (worked.empty()) return 0;
    std::sort(worked.begin(), worked.end());
    const double last = static_cast<double>(worked.size() - 1);
    return worked[static_cast<size_t>(share * last)];
  }

 private:
  std::vector<FrameTime> times_;
  FrameTime longest_;
};

}  // namespace game
