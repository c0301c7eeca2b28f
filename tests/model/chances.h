// What a model's logits promise, and whether tokens that were drawn keep it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace baleen_test {

// Of tokens at temperature 1.
inline std::vector<double> Chances(const std::vector<float>& logits) {
  std::vector<double> chances(logits.size());
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    chances[i] = std::exp(static_cast<double>(logits[i]));
    sum += chances[i];
  }
  for (double& chance : chances) chance /= sum;
  return chances;
}

// The 99.99 % point of chi-square with 5 degrees of freedom.
inline constexpr double kChiSquare5 = 25.7;

// Chi-square of tokens that were drawn: over the likeliest, up to 5, and the
// rest, each expected 10 times at the least, as the approximation wants.
inline double ChiSquare5(const std::vector<double>& chances,
                         const std::vector<size_t>& drawn) {
  std::vector<size_t> order(chances.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return chances[a] > chances[b]; });
  const auto draws = static_cast<double>(drawn.size());
  double left = draws;  // What the rest is expected to have.
  size_t others = drawn.size();
  double chi_square = 0;
  const auto add = [&](double expected, size_t seen) {
    const double off = static_cast<double>(seen) - expected;
    chi_square += off * off / expected;
  };
  for (size_t i = 0; i < 5; ++i) {
    const double expected = chances[order[i]] * draws;
    if (expected < 10 || left - expected < 10) break;
    const auto seen =
        static_cast<size_t>(std::count(drawn.begin(), drawn.end(), order[i]));
    add(expected, seen);
    left -= expected;
    others -= seen;
  }
  add(left, others);
  return chi_square;
}

// Four standard deviations of the share of draws that have a chance.
inline double FourDeviations(double chance, size_t draws) {
  return 4 * std::sqrt(chance * (1 - chance) / static_cast<double>(draws));
}

}  // namespace baleen_test
