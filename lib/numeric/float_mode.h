// The floating-point mode that results are computed in: round to nearest,
// denormals as they are, whatever the host's threads are set to.
//
// A host may round upward or flush denormals to zero (games and audio programs
// do); the logits must not depend on it, and its mode, sticky exception flags
// included, must be as it was when we return.
#pragma once

#include <cfenv>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace baleen {

// The default mode for the life of the object: for entries of the API.
class DefaultFloatMode {
 public:
  DefaultFloatMode() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatMode() { std::fesetenv(&saved_); }
  DefaultFloatMode(const DefaultFloatMode&) = delete;
  DefaultFloatMode& operator=(const DefaultFloatMode&) = delete;

 private:
  std::fenv_t saved_;
};

// The same for one operator, or one task of a parallel loop, where only vector
// arithmetic matters: a few ns instead of 60 on x86.
class DefaultVectorMode {
 public:
#if defined(__SSE__)
  DefaultVectorMode() : saved_(_mm_getcsr()) {
    if (saved_ != kDefault) _mm_setcsr(kDefault);
  }
  ~DefaultVectorMode() {
    if (_mm_getcsr() != saved_) _mm_setcsr(saved_);
  }
#else
  DefaultVectorMode() = default;
#endif
  DefaultVectorMode(const DefaultVectorMode&) = delete;
  DefaultVectorMode& operator=(const DefaultVectorMode&) = delete;

 private:
#if defined(__SSE__)
  // Nearest, all exceptions masked, no flush to zero, no flags.
  static constexpr unsigned kDefault = 0x1F80;
  unsigned saved_;
#else
  DefaultFloatMode mode_;
#endif
};

}  // namespace baleen
