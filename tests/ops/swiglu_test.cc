// The kernel of silu(gate) * up on its own: gates from where the exponential
// overflows to where it vanishes, limits, and what is no number.
#include <cmath>
#include <limits>

#include "ops/product_kernels.h"

namespace baleen::conformance {
namespace {

using cpu::kRowUnit;

double Expected(double gate, double up, double limit, double route) {
  if (limit > 0) {
    gate = std::min(gate, limit);
    up = std::clamp(up, -limit, limit);
  }
  return gate / (1 + std::exp(-gate)) * up * route;
}

void ExpectSwiGlu(const cpu::ProductKernels& kernels, float limit) {
  constexpr float kUp = 1.75f;
  constexpr float kRoute = 0.375f;
  constexpr int64_t kCount = 64 * kRowUnit;
  std::vector<float> gates(kCount);
  for (size_t i = 0; i < gates.size(); ++i) {
    // Dense around zero, and out to +-128.
    const double x = (static_cast<double>(i) - kCount / 2) / (kCount / 2);
    gates[i] = static_cast<float>(128 * x * x * x);
  }
  std::vector<float> got(gates.size(), kUp);
  kernels.rows->swiglu(gates.data(), kCount, limit, kRoute, got.data());
  for (size_t i = 0; i < gates.size(); ++i) {
    const double expected =
        Expected(double{gates[i]}, double{kUp}, double{limit}, double{kRoute});
    // The exponential is within two steps of a float, and six operations add
    // half a step each; below e^-87 it is zero.
    const double bound = 5 * 0x1p-23 * std::abs(expected) + 1e-35;
    EXPECT_NEAR(static_cast<double>(got[i]), expected, bound)
        << kernels.name << " gate " << gates[i] << " limit " << limit;
  }
}

TEST(SwiGlu, IsSiluTimesUp) {
  for (const cpu::ProductKernels* kernels : Kernels()) {
    ExpectSwiGlu(*kernels, 0.0f);
    ExpectSwiGlu(*kernels, 1.5f);
    ExpectSwiGlu(*kernels, 10.0f);
  }
}

TEST(SwiGlu, KeepsWhatIsNoNumber) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const cpu::ProductKernels* kernels : Kernels()) {
    for (float limit : {0.0f, 10.0f}) {
      float gates[kRowUnit];
      float ups[kRowUnit];
      for (int64_t i = 0; i < kRowUnit; ++i) {
        gates[i] = i % 2 == 0 ? kNan : 1.0f;
        ups[i] = i % 4 == 1 ? kNan : 1.0f;
      }
      kernels->rows->swiglu(gates, kRowUnit, limit, 1.0f, ups);
      for (int64_t i = 0; i < kRowUnit; ++i) {
        EXPECT_EQ(std::isnan(ups[i]), i % 2 == 0 || i % 4 == 1)
            << kernels->name << " limit " << limit << " place " << i;
      }
    }
  }
}

}  // namespace
}  // namespace baleen::conformance
