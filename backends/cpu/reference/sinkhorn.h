// From the 24 mixes of a token to pre, post and mix (model.md §5).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace baleen::cpu {

// Streams that the loops here have room for; the model has 4.
inline constexpr int64_t kMaxStreams = 8;

inline float Sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

// Makes rows, then columns of m [streams, streams] sum to one, `iterations`
// times; the first time, rows by a softmax.  The report's B is m transposed.
inline void Sinkhorn(int64_t streams, int64_t iterations, float epsilon,
                     float* m) {
  for (int64_t j = 0; j < streams; ++j) {
    float* row = m + j * streams;
    const float highest = *std::max_element(row, row + streams);
    float sum = 0;
    for (int64_t k = 0; k < streams; ++k) {
      row[k] = std::exp(row[k] - highest);
      sum += row[k];
    }
    for (int64_t k = 0; k < streams; ++k) row[k] = row[k] / sum + epsilon;
  }
  for (int64_t iteration = 0; iteration < iterations; ++iteration) {
    for (int64_t j = 0; j < streams && iteration > 0; ++j) {
      float sum = 0;
      for (int64_t k = 0; k < streams; ++k) sum += m[j * streams + k];
      for (int64_t k = 0; k < streams; ++k) {
        m[j * streams + k] /= sum + epsilon;
      }
    }
    for (int64_t k = 0; k < streams; ++k) {
      float sum = 0;
      for (int64_t j = 0; j < streams; ++j) sum += m[j * streams + k];
      for (int64_t j = 0; j < streams; ++j) {
        m[j * streams + k] /= sum + epsilon;
      }
    }
  }
}

// How much of each stream goes into the sublayer's input.
inline void SplitPre(int64_t streams, const float* mixes, const float* base,
                     float scale, float epsilon, float* pre) {
  for (int64_t j = 0; j < streams; ++j) {
    pre[j] = Sigmoid(mixes[j] * scale + base[j]) + epsilon;
  }
}

// mixes and base [(2 + streams) * streams], scale [3] -> pre, post [streams],
// mix [streams, streams].
inline void SplitMixes(int64_t streams, int64_t iterations, float epsilon,
                       const float* mixes, const float* base,
                       const float* scale, float* pre, float* post,
                       float* mix) {
  SplitPre(streams, mixes, base, scale[0], epsilon, pre);
  for (int64_t k = 0; k < streams; ++k) {
    const int64_t i = streams + k;
    post[k] = 2.0f * Sigmoid(mixes[i] * scale[1] + base[i]);
  }
  for (int64_t k = 0; k < streams * streams; ++k) {
    const int64_t i = 2 * streams + k;
    mix[k] = mixes[i] * scale[2] + base[i];
  }
  Sinkhorn(streams, iterations, epsilon, mix);
}

}  // namespace baleen::cpu
