// The floating-point mode that results are computed in: round to nearest,
// denormals as they are, whatever the caller's thread is set to.
//
// The caller's mode, exception flags included, is put back.
#pragma once

#include <cfenv>

namespace baleen {

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

}  // namespace baleen
