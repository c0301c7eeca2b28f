// The floating-point mode of a thread, set to the default and restored.
//
// A host may run with another rounding mode or with subnormals flushed; results
// must be the same there, and its mode must be as it was afterwards.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <cfenv>
#endif

namespace baleen::cpu {

class DefaultFloatMode {
 public:
#if defined(__x86_64__)
  DefaultFloatMode() : saved_(_mm_getcsr()) {
    if (saved_ != kDefault) _mm_setcsr(kDefault);
  }
  ~DefaultFloatMode() {
    if (_mm_getcsr() != saved_) _mm_setcsr(saved_);
  }
#else
  DefaultFloatMode() {
    std::feholdexcept(&saved_);
    std::fesetround(FE_TONEAREST);
  }
  ~DefaultFloatMode() { std::fesetenv(&saved_); }
#endif
  DefaultFloatMode(const DefaultFloatMode&) = delete;
  DefaultFloatMode& operator=(const DefaultFloatMode&) = delete;

 private:
#if defined(__x86_64__)
  // Nearest, all exceptions masked, no flush to zero, no flags.
  static constexpr unsigned int kDefault = 0x1F80;
  unsigned int saved_;
#else
  std::fenv_t saved_;
#endif
};

}  // namespace baleen::cpu
