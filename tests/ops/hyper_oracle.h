// Mixing residual streams in double precision (model.md §5), for the tests of
// the operators that do it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/state_fixture.h"

namespace baleen::ops_test {

inline constexpr int64_t kStreams = 4;

// Of pre, post and mix.  The sum of thousands of products in float is off by
// some 1e-6 of its terms; Sinkhorn's divisions keep that, the sigmoid quarters
// it.
inline constexpr double kMixError = 2e-5;

struct HyperInputs {
  TestTensor* y;
  TestTensor* post;
  TestTensor* mix;
  TestTensor* before;
  TestTensor* after;  // Streams when the half-layer has ended.
  TestTensor* fn;
  double epsilon;
};

// Half a step of bf16, and a hair for sums in float that end at a tie.
inline double Bf16Error(double value, double terms) {
  return std::fabs(value) * 0x1.02p-8 + terms * 1e-6;
}

inline void CheckStreams(const HyperInputs& in) {
  const baleen_tensor& shape = in.before->tensor();
  for (int64_t t = 0; t < shape.size[0]; ++t) {
    for (int64_t i = 0; i < shape.size[2]; ++i) {
      double y = 0;
      if (in.y != nullptr && in.y->tensor().rank == 2) y = in.y->Get(t, i);
      if (in.y != nullptr && in.y->tensor().rank == 3) {
        float sum = 0;
        for (int64_t p = 0; p < in.y->tensor().size[0]; ++p) {
          sum += in.y->At<float>(p, t, i);
        }
        y = static_cast<double>(RoundToBf16(sum));
      }
      for (int64_t k = 0; k < kStreams; ++k) {
        double expected = in.before->Get(t, k, i);
        if (in.y != nullptr) {
          expected = in.post->Get(t, k) * y;
          for (int64_t j = 0; j < kStreams; ++j) {
            expected += in.mix->Get(t, j, k) * in.before->Get(t, j, i);
          }
        }
        ASSERT_NEAR(in.after->Get(t, k, i), expected, Bf16Error(expected, 8));
      }
    }
  }
}

inline void CheckStreamMean(TestTensor& streams, TestTensor& mean, int64_t t) {
  for (int64_t i = 0; i < streams.tensor().size[2]; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < kStreams; ++j) sum += streams.Get(t, j, i);
    ASSERT_NEAR(mean.Get(t, i), sum / kStreams, Bf16Error(sum / kStreams, 1));
  }
}

// fn * streams / rms(streams).
inline std::vector<double> Mixes(const HyperInputs& in, int64_t t) {
  const int64_t size = in.after->tensor().size[2];
  double squares = 0;
  for (int64_t j = 0; j < kStreams; ++j) {
    for (int64_t i = 0; i < size; ++i) {
      squares += in.after->Get(t, j, i) * in.after->Get(t, j, i);
    }
  }
  const double inverse =
      1 /
      std::sqrt(squares / static_cast<double>(kStreams * size) + in.epsilon);
  std::vector<double> mixes;
  for (int64_t o = 0; o < in.fn->tensor().size[0]; ++o) {
    double sum = 0;
    for (int64_t j = 0; j < kStreams; ++j) {
      for (int64_t i = 0; i < size; ++i) {
        sum += in.fn->Get(o, j * size + i) * in.after->Get(t, j, i);
      }
    }
    mixes.push_back(sum * inverse);
  }
  return mixes;
}

inline double LogisticOf(double x) { return 1 / (1 + std::exp(-x)); }

inline void Split(const std::vector<double>& mixes, TestTensor& base,
                  TestTensor& scale, double* pre, double* post, double* mix) {
  constexpr double kEpsilon = 1e-6;
  const auto value = [&](size_t i, int64_t part) {
    return mixes[i] * scale.Get(part) + base.Get(static_cast<int64_t>(i));
  };
  for (size_t j = 0; j < kStreams; ++j) {
    pre[j] = LogisticOf(value(j, 0)) + kEpsilon;
    post[j] = 2 * LogisticOf(value(kStreams + j, 1));
  }
  for (size_t i = 0; i < 16; ++i) mix[i] = std::exp(value(8 + i, 2));
  for (int round = 0; round < 20; ++round) {
    for (size_t j = 0; j < kStreams; ++j) {
      double sum = 0;
      for (size_t k = 0; k < kStreams; ++k) sum += mix[j * kStreams + k];
      for (size_t k = 0; k < kStreams; ++k) {
        double& here = mix[j * kStreams + k];
        here = round == 0 ? here / sum + kEpsilon : here / (sum + kEpsilon);
      }
    }
    for (size_t k = 0; k < kStreams; ++k) {
      double sum = 0;
      for (size_t j = 0; j < kStreams; ++j) sum += mix[j * kStreams + k];
      for (size_t j = 0; j < kStreams; ++j) {
        mix[j * kStreams + k] /= sum + kEpsilon;
      }
    }
  }
}

inline std::vector<double> Joined(TestTensor& streams, int64_t t,
                                  const double* pre) {
  std::vector<double> joined;
  for (int64_t i = 0; i < streams.tensor().size[2]; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < kStreams; ++j) sum += pre[j] * streams.Get(t, j, i);
    joined.push_back(sum);
  }
  return joined;
}

// u = norm(bf16(joined)): each of the two roundings is half a step of bf16.
inline void CheckNormed(const std::vector<double>& joined, TestTensor& norm,
                        TestTensor& u, int64_t t) {
  double squares = 0;
  for (const double x : joined) squares += x * x;
  const double inverse =
      1 / std::sqrt(squares / static_cast<double>(joined.size()) + 1e-6);
  for (size_t i = 0; i < joined.size(); ++i) {
    const int64_t at = static_cast<int64_t>(i);
    const double expected = joined[i] * inverse * norm.Get(at);
    ASSERT_NEAR(u.Get(t, at), expected, std::fabs(expected) * 0x1p-7 + 1e-4);
  }
}

}  // namespace baleen::ops_test
