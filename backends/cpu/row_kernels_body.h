// The kernels of row_kernels.h in terms of vectors of floats, which the file
// that includes this has defined before: Floats, Ints, kLanes and what is done
// with them, all in an unnamed namespace, so that each instruction set has its
// own copy of everything here.
#include <cstdint>

#include "cpu/row_kernels.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

// For loops over arrays that must become registers, which GCC does not see at
// -O2 by itself.
#if defined(__clang__)
#define BALEEN_UNROLL _Pragma("unroll")
#else
#define BALEEN_UNROLL _Pragma("GCC unroll 16")
#endif

#include "cpu/index_kernels_body.h"

namespace baleen::cpu {
namespace {

// exp for x <= 0 or so: 2^n times a polynomial of the rest, within two steps of
// a float; zero below -87.
Floats Exp(Floats x) {
  const Floats n = Nearest(Multiply(x, Broadcast(1.44269504f)));
  // ln 2 in two parts, the first of few bits, so that n times it is exact.
  Floats r = MultiplyAdd(n, Broadcast(-0.693359375f), x);
  r = MultiplyAdd(n, Broadcast(2.12194440e-4f), r);
  Floats p = Broadcast(1.9875691500e-4f);
  p = MultiplyAdd(p, r, Broadcast(1.3981999507e-3f));
  p = MultiplyAdd(p, r, Broadcast(8.3334519073e-3f));
  p = MultiplyAdd(p, r, Broadcast(4.1665795894e-2f));
  p = MultiplyAdd(p, r, Broadcast(1.6666665459e-1f));
  p = MultiplyAdd(p, r, Broadcast(5.0000001201e-1f));
  p = Add(MultiplyAdd(p, Multiply(r, r), r), Broadcast(1.0f));
  return ZeroWhereBelow(ScaleByPower(p, n), x, -87.0f);
}

void EndHalf(const EndHalfRun& run) {
  // Copies, which stores to the streams cannot change.
  const EndHalfRun in = run;
  Floats post[kKernelStreams];
  Floats mix[kKernelStreams][kKernelStreams];
  BALEEN_UNROLL
  for (int64_t k = 0; k < kKernelStreams; ++k) {
    post[k] = Broadcast(in.post[k]);
    BALEEN_UNROLL
    for (int64_t j = 0; j < kKernelStreams; ++j) {
      mix[j][k] = Broadcast(in.mix[j * kKernelStreams + k]);
    }
  }
  for (int64_t i = in.first; i < in.end; i += kLanes) {
    Floats y;
    if (in.y != nullptr) {
      y = LoadBf16(in.y + i);
    } else {
      y = Broadcast(0.0f);
      for (int64_t p = 0; p < in.part_count; ++p) {
        y = Add(y, Load(in.parts[p] + i));
      }
      y = RoundBf16(y);
    }
    Floats before[kKernelStreams];
    BALEEN_UNROLL
    for (int64_t j = 0; j < kKernelStreams; ++j) {
      before[j] = LoadBf16(in.streams + j * in.stream_stride + i);
    }
    BALEEN_UNROLL
    for (int64_t k = 0; k < kKernelStreams; ++k) {
      Floats sum = Multiply(mix[0][k], before[0]);
      BALEEN_UNROLL
      for (int64_t j = 1; j < kKernelStreams; ++j) {
        sum = MultiplyAdd(mix[j][k], before[j], sum);
      }
      StoreBf16(in.streams + k * in.stream_stride + i,
                MultiplyAdd(post[k], y, sum));
    }
  }
}

void StreamMean(const EndHalfRun& run) {
  for (int64_t i = run.first; i < run.end; i += kLanes) {
    Floats sum = LoadBf16(run.streams + i);
    BALEEN_UNROLL
    for (int64_t j = 1; j < kKernelStreams; ++j) {
      sum = Add(sum, LoadBf16(run.streams + j * run.stream_stride + i));
    }
    StoreBf16(run.mean + i,
              Multiply(sum, Broadcast(1.0f / float{kKernelStreams})));
  }
}

void EndHalfAndMean(const EndHalfRun& run) {
  if (run.y != nullptr || run.parts != nullptr) EndHalf(run);
  if (run.mean != nullptr) StreamMean(run);
}

struct MixRows {
  const uint16_t* streams;
  int64_t row_stride;
  int64_t stream_stride;
  int64_t fn_stride;
  int64_t fn_stream_stride;
  int64_t count;
  int64_t partial_stride;
};

// Floats of a row's run of streams, and a vector more, lest rows share few
// places in the cache.
constexpr int64_t kMixRowFloats = kKernelStreams * kMostMixed + 16;

// A run of the streams of some rows as floats, and the sum of its squares.
float WidenStreams(const MixRows& in, int64_t r, float* x) {
  Floats squares[2] = {Broadcast(0.0f), Broadcast(0.0f)};
  for (int64_t j = 0; j < kKernelStreams; ++j) {
    const uint16_t* stream =
        in.streams + r * in.row_stride + j * in.stream_stride;
    for (int64_t i = 0; i < in.count; i += kLanes) {
      const Floats value = LoadBf16(stream + i);
      Store(x + j * kMostMixed + i, value);
      squares[j & 1] = MultiplyAdd(value, value, squares[j & 1]);
    }
  }
  return Sum(Add(squares[0], squares[1]));
}

// Some outputs of some rows: what is loaded of fn, which lies beyond the first
// cache, serves all of them.  The rows' floats do not leave it.
template <int kRows, int kOutputs>
void MixSome(const MixRows& in, const float* x, const float* fn,
             float* partial) {
  Floats sums[kRows][kOutputs];
  BALEEN_UNROLL
  for (int r = 0; r < kRows; ++r) {
    BALEEN_UNROLL
    for (int o = 0; o < kOutputs; ++o) sums[r][o] = Broadcast(0.0f);
  }
  for (int64_t j = 0; j < kKernelStreams; ++j) {
    const float* values = x + j * kMostMixed;
    const float* row = fn + j * in.fn_stream_stride;
    for (int64_t i = 0; i < in.count; i += kLanes) {
      Floats weights[kOutputs];
      BALEEN_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        weights[o] = Load(row + o * in.fn_stride + i);
      }
      BALEEN_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const Floats value = Load(values + r * kMixRowFloats + i);
        BALEEN_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
          sums[r][o] = MultiplyAdd(value, weights[o], sums[r][o]);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      partial[r * in.partial_stride + o] = Sum(sums[r][o]);
    }
  }
}

template <int kRows, int kOutputs>
void MixTogether(const MixRows& in, const float* fn, int64_t outputs,
                 float* partial) {
  alignas(64) float x[kRows][kMixRowFloats];
  for (int r = 0; r < kRows; ++r) {
    partial[r * in.partial_stride + outputs] = WidenStreams(in, r, x[r]);
  }
  int64_t o = 0;
  for (; o + kOutputs <= outputs; o += kOutputs) {
    MixSome<kRows, kOutputs>(in, x[0], fn + o * in.fn_stride, partial + o);
  }
  for (; o < outputs; ++o) {
    MixSome<kRows, 1>(in, x[0], fn + o * in.fn_stride, partial + o);
  }
}

void Mix(const uint16_t* streams, int64_t rows, int64_t row_stride,
         int64_t stream_stride, const float* fn, int64_t fn_stride,
         int64_t fn_stream_stride, int64_t outputs, int64_t count,
         float* partial, int64_t partial_stride) {
  MixRows in = {streams,          row_stride, stream_stride, fn_stride,
                fn_stream_stride, count,      partial_stride};
  while (rows > 0) {
    int64_t together = 1;
    if (rows >= kMixRows) {
      together = kMixRows;
      MixTogether<kMixRows, kMixOutputs>(in, fn, outputs, partial);
    } else if (rows >= 4) {
      together = 4;
      MixTogether<4, 3>(in, fn, outputs, partial);
    } else if (rows >= 2) {
      together = 2;
      MixTogether<2, 4>(in, fn, outputs, partial);
    } else {
      MixTogether<1, 4>(in, fn, outputs, partial);
    }
    in.streams += together * row_stride;
    partial += together * partial_stride;
    rows -= together;
  }
}

float Join(const uint16_t* streams, int64_t stream_stride, const float* pre,
           int64_t size, float* joined) {
  Floats squares = Broadcast(0.0f);
  for (int64_t i = 0; i < size; i += kLanes) {
    Floats parts[kKernelStreams];
    BALEEN_UNROLL
    for (int64_t j = 0; j < kKernelStreams; ++j) {
      parts[j] = Multiply(Broadcast(pre[j]),
                          LoadBf16(streams + j * stream_stride + i));
    }
    // Two by two, as the reference.
    const Floats sum =
        RoundBf16(Add(Add(parts[0], parts[1]), Add(parts[2], parts[3])));
    Store(joined + i, sum);
    squares = MultiplyAdd(sum, sum, squares);
  }
  return Sum(squares);
}

void Norm(const float* x, float inverse, const uint16_t* weight, int64_t size,
          uint16_t* out) {
  for (int64_t i = 0; i < size; i += kLanes) {
    StoreBf16(out + i, Multiply(LoadBf16(weight + i),
                                Multiply(Load(x + i), Broadcast(inverse))));
  }
}

void Widen(const uint16_t* x, int64_t size, float* out) {
  for (int64_t i = 0; i < size; i += kLanes) Store(out + i, LoadBf16(x + i));
}

void SwiGluRow(const float* gate, int64_t size, float limit, float route,
               float* up) {
  const Floats zero = Broadcast(0.0f);
  const Floats one = Broadcast(1.0f);
  // NaN passes: Max gives its second argument then.
  const auto at_most = [&](Floats x) {
    return Subtract(zero, Max(Broadcast(-limit), Subtract(zero, x)));
  };
  for (int64_t i = 0; i < size; i += kLanes) {
    Floats g = Load(gate + i);
    Floats u = Load(up + i);
    if (limit > 0.0f) {
      g = at_most(g);
      u = at_most(Max(Broadcast(-limit), u));
    }
    // g / (1 + e^-g), of powers that do not overflow.
    const Floats e = Exp(Subtract(zero, Max(Subtract(zero, g), g)));
    const Floats share = Divide(Select(g, 0.0f, e, one), Add(one, e));
    Store(up + i, Multiply(Multiply(Multiply(g, share), u), Broadcast(route)));
  }
}

// Two chains of sums a product, for vectors in turn: one after the other, so that
// more products share what is loaded.
template <int kRows, int kExperts>
void GateSome(const uint16_t* const* gates, const float* u, int64_t size,
              float* out, int64_t out_stride) {
  Floats sums[2][kRows][kExperts];
  BALEEN_UNROLL
  for (int chain = 0; chain < 2; ++chain) {
    Floats some[kRows][kExperts];
    BALEEN_UNROLL
    for (int r = 0; r < kRows; ++r) {
      BALEEN_UNROLL
      for (int e = 0; e < kExperts; ++e) some[r][e] = Broadcast(0.0f);
    }
    for (int64_t i = chain * kLanes; i < size; i += 2 * kLanes) {
      Floats weights[kExperts];
      BALEEN_UNROLL
      for (int e = 0; e < kExperts; ++e) weights[e] = LoadBf16(gates[e] + i);
      BALEEN_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const Floats x = Load(u + r * size + i);
        BALEEN_UNROLL
        for (int e = 0; e < kExperts; ++e) {
          some[r][e] = MultiplyAdd(x, weights[e], some[r][e]);
        }
      }
    }
    BALEEN_UNROLL
    for (int r = 0; r < kRows; ++r) {
      BALEEN_UNROLL
      for (int e = 0; e < kExperts; ++e) sums[chain][r][e] = some[r][e];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int e = 0; e < kExperts; ++e) {
      out[r * out_stride + e] = Sum(Add(sums[0][r][e], sums[1][r][e]));
    }
  }
}

template <int kRows>
void GateRows(const uint16_t* const* gates, int64_t experts, const float* u,
              int64_t size, float* out) {
  int64_t e = 0;
  for (; e + kGateExperts <= experts; e += kGateExperts) {
    GateSome<kRows, kGateExperts>(gates + e, u, size, out + e, experts);
  }
  for (; e < experts; ++e) {
    GateSome<kRows, 1>(gates + e, u, size, out + e, experts);
  }
}

void Gate(const uint16_t* const* gates, int64_t experts, const float* u,
          int64_t rows, int64_t size, float* out) {
  switch (rows) {
    case 4:
      return GateRows<4>(gates, experts, u, size, out);
    case 3:
      return GateRows<3>(gates, experts, u, size, out);
    case 2:
      return GateRows<2>(gates, experts, u, size, out);
    default:
      return GateRows<1>(gates, experts, u, size, out);
  }
}

void RoundRow(float* x, int64_t size) {
  for (int64_t i = 0; i < size; i += kLanes) {
    Store(x + i, RoundBf16(Load(x + i)));
  }
}

// The butterflies of the transform; the last steps are within a vector.
void Butterflies(float* x, int64_t size) {
  for (int64_t half = 1; half < kLanes; half *= 2) {
    for (int64_t start = 0; start < size; start += 2 * half) {
      for (int64_t i = start; i < start + half; ++i) {
        const float a = x[i];
        const float b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
  for (int64_t half = kLanes; half < size; half *= 2) {
    for (int64_t start = 0; start < size; start += 2 * half) {
      for (int64_t i = start; i < start + half; i += kLanes) {
        const Floats a = Load(x + i);
        const Floats b = Load(x + i + half);
        Store(x + i, Add(a, b));
        Store(x + i + half, Subtract(a, b));
      }
    }
  }
}

// Twice the nearest e2m1 value of x, which is between -6 and 6.  Values are 0.5
// apart below 2, 1 below 4, and 2 from there on; ties go to even multiples.
Floats TwiceFp4(Floats x) {
  const Floats magnitude = Max(x, Subtract(Broadcast(0.0f), x));
  const Floats step =
      Select(magnitude, 2.0f, Broadcast(0.5f),
             Select(magnitude, 4.0f, Broadcast(1.0f), Broadcast(2.0f)));
  const Floats inverse =
      Select(magnitude, 2.0f, Broadcast(2.0f),
             Select(magnitude, 4.0f, Broadcast(1.0f), Broadcast(0.5f)));
  const Floats rounded = Multiply(Nearest(Multiply(x, inverse)), step);
  return Add(rounded, rounded);
}

void Transform(float* x, int64_t size, bool round, int8_t* twice,
               uint8_t* scales) {
  constexpr int64_t kGroup = 32;
  if (round) RoundRow(x, size);
  Butterflies(x, size);
  const Floats norm = Broadcast(
      static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(size))));
  for (int64_t i = 0; i < size; i += kLanes) {
    Store(x + i, Multiply(Load(x + i), norm));
  }
  if (round) RoundRow(x, size);
  for (int64_t first = 0; first < size; first += kGroup) {
    Floats largest = Broadcast(0.0f);
    for (int64_t i = first; i < first + kGroup; i += kLanes) {
      const Floats value = Load(x + i);
      largest = Max(Max(value, Subtract(Broadcast(0.0f), value)), largest);
    }
    const uint8_t scale = Fp4ScaleCode(Highest(largest));
    scales[first / kGroup] = scale;
    const Floats inverse = Broadcast(E8m0Inverse(scale));
    for (int64_t i = first; i < first + kGroup; i += kLanes) {
      alignas(64) float codes[kLanes];
      Store(codes, TwiceFp4(Multiply(Load(x + i), inverse)));
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        // A forged state can bring in a NaN, which is no integer.
        const bool number = codes[lane] == codes[lane];
        twice[i + lane] = number ? static_cast<int8_t>(codes[lane]) : int8_t{0};
      }
    }
  }
}

void DecodeEntryRow(const EntryLayout& layout, const uint8_t* entry,
                    float* out) {
  constexpr int64_t kGroup = 64;
  const uint8_t* scales = entry + layout.scale_offset;
  for (int64_t i = 0; i < layout.plain; i += kGroup) {
    const Floats scale = Broadcast(PowerOfTwo(scales[i / kGroup]));
    for (int64_t k = i; k < i + kGroup; k += kLanes) {
      Store(out + k, Multiply(LoadFp8(entry + k), scale));
    }
  }
  const uint16_t* rotated =
      reinterpret_cast<const uint16_t*>(entry + layout.plain);
  for (int64_t i = 0; i < layout.rotated; i += kLanes) {
    Store(out + layout.plain + i, LoadBf16(rotated + i));
  }
}

// Scores of kHeads heads against four keys.
template <int kHeads>
void ScoreKeys(const AttendBlock& block, int64_t head, int64_t key) {
  constexpr int kKeys = 4;
  Floats sums[kHeads][kKeys];
  BALEEN_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    BALEEN_UNROLL
    for (int k = 0; k < kKeys; ++k) sums[h][k] = Broadcast(0.0f);
  }
  const float* q = block.q + head * block.stride;
  const float* keys = block.keys + key * block.stride;
  for (int64_t i = 0; i < block.size; i += kLanes) {
    Floats values[kKeys];
    BALEEN_UNROLL
    for (int k = 0; k < kKeys; ++k)
      values[k] = Load(keys + k * block.stride + i);
    BALEEN_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      const Floats one = Load(q + h * block.stride + i);
      BALEEN_UNROLL
      for (int k = 0; k < kKeys; ++k) {
        sums[h][k] = MultiplyAdd(one, values[k], sums[h][k]);
      }
    }
  }
  BALEEN_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    float* scores = block.scores + (head + h) * kKeyBlockSize + key;
    BALEEN_UNROLL
    for (int k = 0; k < kKeys; ++k) {
      scores[k] = Sum(sums[h][k]) * block.scale;
    }
  }
}

// Scores to weights; shrinks what is there to the new maximum.
void Weigh(const AttendBlock& block, int64_t head) {
  float* scores = block.scores + head * kKeyBlockSize;
  for (int64_t j = block.key_count; j < kKeyBlockSize; ++j) {
    scores[j] = -__builtin_inff();
  }
  Floats largest = Broadcast(block.highest[head]);
  for (int64_t j = 0; j < kKeyBlockSize; j += kLanes) {
    largest = Max(largest, Load(scores + j));
  }
  const float highest = Highest(largest);
  const float shrink = First(Exp(Broadcast(block.highest[head] - highest)));
  Floats sum = Broadcast(0.0f);
  for (int64_t j = 0; j < kKeyBlockSize; j += kLanes) {
    Floats p = Exp(Subtract(Load(scores + j), Broadcast(highest)));
    sum = Add(sum, p);
    if (block.round) p = RoundBf16(p);
    Store(scores + j, p);
  }
  block.denominators[head] = block.denominators[head] * shrink + Sum(sum);
  block.highest[head] = highest;
  if (shrink == 1.0f) return;
  float* sums = block.sums + head * block.stride;
  for (int64_t i = 0; i < block.size; i += kLanes) {
    Store(sums + i, Multiply(Load(sums + i), Broadcast(shrink)));
  }
}

// Adds weighted keys to elements [i, i + kValueVectors * kLanes) of the sums.
template <int kHeads>
void AddValues(const AttendBlock& block, int64_t head, int64_t i) {
  float* out = block.sums + head * block.stride + i;
  const float* weights = block.scores + head * kKeyBlockSize;
  Floats sums[kHeads][kValueVectors];
  BALEEN_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    BALEEN_UNROLL
    for (int v = 0; v < kValueVectors; ++v) {
      sums[h][v] = Load(out + h * block.stride + v * kLanes);
    }
  }
  for (int64_t j = 0; j < block.key_count; ++j) {
    const float* key = block.keys + j * block.stride + i;
    Floats values[kValueVectors];
    BALEEN_UNROLL
    for (int v = 0; v < kValueVectors; ++v) values[v] = Load(key + v * kLanes);
    BALEEN_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      const Floats weight = Broadcast(weights[h * kKeyBlockSize + j]);
      BALEEN_UNROLL
      for (int v = 0; v < kValueVectors; ++v) {
        sums[h][v] = MultiplyAdd(weight, values[v], sums[h][v]);
      }
    }
  }
  BALEEN_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    BALEEN_UNROLL
    for (int v = 0; v < kValueVectors; ++v) {
      Store(out + h * block.stride + v * kLanes, sums[h][v]);
    }
  }
}

void Attend(const AttendBlock& block) {
  // Keys beyond the last are read as well, and their scores dropped.
  for (int64_t key = 0; key < block.key_count; key += 4) {
    int64_t head = 0;
    for (; head + kScoreHeads <= block.heads; head += kScoreHeads) {
      ScoreKeys<kScoreHeads>(block, head, key);
    }
    for (; head < block.heads; ++head) ScoreKeys<1>(block, head, key);
  }
  for (int64_t head = 0; head < block.heads; ++head) Weigh(block, head);
  // All heads for some elements, whose part of the keys stays in the cache.
  for (int64_t i = 0; i < block.size; i += kValueVectors * kLanes) {
    int64_t head = 0;
    for (; head + 4 <= block.heads; head += 4) AddValues<4>(block, head, i);
    for (; head < block.heads; ++head) AddValues<1>(block, head, i);
  }
}

void FinishHead(float* sums, float denominator, int64_t size, int64_t rotated,
                const float* cosines, const float* sines, bool round,
                uint16_t* out) {
  const int64_t plain = size - rotated;
  for (int64_t i = 0; i < size; i += kLanes) {
    Floats x = Divide(Load(sums + i), Broadcast(denominator));
    if (i < plain) {
      StoreBf16(out + i, x);
      continue;
    }
    if (round) x = RoundBf16(x);
    Store(sums + i, x);
  }
  float* turned = sums + plain;
  for (int64_t i = 0; i < rotated / 2; ++i) {
    const float a = turned[2 * i];
    const float b = turned[2 * i + 1];
    turned[2 * i] = a * cosines[i] + b * sines[i];
    turned[2 * i + 1] = b * cosines[i] - a * sines[i];
  }
  for (int64_t i = plain; i < size; i += kLanes) {
    StoreBf16(out + i, Load(sums + i));
  }
}

void Pool(const float* const* values, const float* const* gates,
          const float* const* apes, int64_t count, int64_t size,
          float* pooled) {
  const auto gate = [&](int64_t j, int64_t i) {
    const Floats value = Load(gates[j] + i);
    return apes[j] == nullptr ? value : Add(value, Load(apes[j] + i));
  };
  for (int64_t i = 0; i < size; i += kLanes) {
    Floats highest = gate(0, i);
    for (int64_t j = 1; j < count; ++j) highest = Max(highest, gate(j, i));
    Floats sum = Broadcast(0.0f);
    Floats weighted = Broadcast(0.0f);
    for (int64_t j = 0; j < count; ++j) {
      const Floats weight = Exp(Subtract(gate(j, i), highest));
      sum = Add(sum, weight);
      weighted = MultiplyAdd(weight, Load(values[j] + i), weighted);
    }
    Store(pooled + i, Divide(weighted, sum));
  }
}

constexpr RowKernels kKernels = {
    EndHalfAndMean, Mix,       Join,           Norm,   Widen,      SwiGluRow,
    Gate,           Transform, DecodeEntryRow, Attend, FinishHead, Pool,
    UnpackGroup,    Score,     ColumnHighest,  Collect};

}  // namespace
}  // namespace baleen::cpu

#undef BALEEN_UNROLL
