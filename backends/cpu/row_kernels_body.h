// The kernels of row_kernels.h in terms of vectors of floats, which the file
// that includes this has defined before: Floats, Ints, kLanes and what is done
// with them, all in an unnamed namespace, so that each instruction set has its
// own copy of everything here.
#include <cstdint>

#include "cpu/row_kernels.h"

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
  for (int64_t i = run.first; i < run.end; i += kLanes) {
    Floats y;
    if (run.y != nullptr) {
      y = LoadBf16(run.y + i);
    } else {
      y = Broadcast(0.0f);
      for (int64_t p = 0; p < run.part_count; ++p) {
        y = Add(y, Load(run.parts[p] + i));
      }
      y = RoundBf16(y);
    }
    Floats before[kKernelStreams];
    for (int64_t j = 0; j < kKernelStreams; ++j) {
      before[j] = LoadBf16(run.streams + j * run.stream_stride + i);
    }
    for (int64_t k = 0; k < kKernelStreams; ++k) {
      Floats sum = Multiply(Broadcast(run.mix[k]), before[0]);
      for (int64_t j = 1; j < kKernelStreams; ++j) {
        sum = MultiplyAdd(Broadcast(run.mix[j * kKernelStreams + k]), before[j],
                          sum);
      }
      StoreBf16(run.streams + k * run.stream_stride + i,
                MultiplyAdd(Broadcast(run.post[k]), y, sum));
    }
  }
}

void StreamMean(const EndHalfRun& run) {
  for (int64_t i = run.first; i < run.end; i += kLanes) {
    Floats sum = LoadBf16(run.streams + i);
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

// Four of Mix's outputs at once.
void MixFour(const uint16_t* streams, int64_t stream_stride, const float* fn,
             int64_t fn_stride, int64_t fn_stream_stride, int64_t count,
             float* partial) {
  Floats sums[4] = {Broadcast(0.0f), Broadcast(0.0f), Broadcast(0.0f),
                    Broadcast(0.0f)};
  for (int64_t j = 0; j < kKernelStreams; ++j) {
    const uint16_t* stream = streams + j * stream_stride;
    const float* row = fn + j * fn_stream_stride;
    for (int64_t i = 0; i < count; i += kLanes) {
      const Floats x = LoadBf16(stream + i);
      for (int64_t o = 0; o < 4; ++o) {
        sums[o] = MultiplyAdd(x, Load(row + o * fn_stride + i), sums[o]);
      }
    }
  }
  for (int64_t o = 0; o < 4; ++o) partial[o] = Sum(sums[o]);
}

void Mix(const uint16_t* streams, int64_t stream_stride, const float* fn,
         int64_t fn_stride, int64_t fn_stream_stride, int64_t outputs,
         int64_t count, float* partial) {
  for (int64_t o = 0; o < outputs; o += 4) {
    MixFour(streams, stream_stride, fn + o * fn_stride, fn_stride,
            fn_stream_stride, count, partial + o);
  }
  Floats squares[2] = {Broadcast(0.0f), Broadcast(0.0f)};
  for (int64_t j = 0; j < kKernelStreams; ++j) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const Floats x = LoadBf16(streams + j * stream_stride + i);
      squares[j & 1] = MultiplyAdd(x, x, squares[j & 1]);
    }
  }
  partial[outputs] = Sum(Add(squares[0], squares[1]));
}

float Join(const uint16_t* streams, int64_t stream_stride, const float* pre,
           int64_t size, float* joined) {
  Floats squares = Broadcast(0.0f);
  for (int64_t i = 0; i < size; i += kLanes) {
    Floats sum = Multiply(Broadcast(pre[0]), LoadBf16(streams + i));
    for (int64_t j = 1; j < kKernelStreams; ++j) {
      sum = MultiplyAdd(Broadcast(pre[j]),
                        LoadBf16(streams + j * stream_stride + i), sum);
    }
    sum = RoundBf16(sum);
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

template <int kRows>
void GateRows(const uint16_t* gate, const uint16_t* const* u, int64_t size,
              float* out) {
  // Two chains of sums a row, for vectors in turn.
  Floats even[kRows];
  Floats odd[kRows];
  for (int r = 0; r < kRows; ++r) even[r] = odd[r] = Broadcast(0.0f);
  int64_t i = 0;
  for (; i + 2 * kLanes <= size; i += 2 * kLanes) {
    const Floats g0 = LoadBf16(gate + i);
    const Floats g1 = LoadBf16(gate + i + kLanes);
    for (int r = 0; r < kRows; ++r) {
      even[r] = MultiplyAdd(LoadBf16(u[r] + i), g0, even[r]);
      odd[r] = MultiplyAdd(LoadBf16(u[r] + i + kLanes), g1, odd[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    if (i < size) {
      even[r] = MultiplyAdd(LoadBf16(u[r] + i), LoadBf16(gate + i), even[r]);
    }
    out[r] = Sum(Add(even[r], odd[r]));
  }
}

void Gate(const uint16_t* gate, const uint16_t* const* u, int64_t rows,
          int64_t size, float* out) {
  switch (rows) {
    case 4:
      return GateRows<4>(gate, u, size, out);
    case 3:
      return GateRows<3>(gate, u, size, out);
    case 2:
      return GateRows<2>(gate, u, size, out);
    default:
      return GateRows<1>(gate, u, size, out);
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
  for (int h = 0; h < kHeads; ++h) {
    for (int k = 0; k < kKeys; ++k) sums[h][k] = Broadcast(0.0f);
  }
  const float* q = block.q + head * block.size;
  const float* keys = block.keys + key * block.size;
  for (int64_t i = 0; i < block.size; i += kLanes) {
    Floats values[kKeys];
    for (int k = 0; k < kKeys; ++k) values[k] = Load(keys + k * block.size + i);
    for (int h = 0; h < kHeads; ++h) {
      const Floats one = Load(q + h * block.size + i);
      for (int k = 0; k < kKeys; ++k) {
        sums[h][k] = MultiplyAdd(one, values[k], sums[h][k]);
      }
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    float* scores = block.scores + (head + h) * kKeyBlockSize + key;
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
  float* sums = block.sums + head * block.size;
  for (int64_t i = 0; i < block.size; i += kLanes) {
    Store(sums + i, Multiply(Load(sums + i), Broadcast(shrink)));
  }
}

template <int kHeads>
void AddValues(const AttendBlock& block, int64_t head) {
  float* out = block.sums + head * block.size;
  const float* weights = block.scores + head * kKeyBlockSize;
  for (int64_t i = 0; i < block.size; i += kValueVectors * kLanes) {
    Floats sums[kHeads][kValueVectors];
    for (int h = 0; h < kHeads; ++h) {
      for (int v = 0; v < kValueVectors; ++v) {
        sums[h][v] = Load(out + h * block.size + i + v * kLanes);
      }
    }
    for (int64_t j = 0; j < block.key_count; ++j) {
      const float* key = block.keys + j * block.size + i;
      Floats values[kValueVectors];
      for (int v = 0; v < kValueVectors; ++v) {
        values[v] = Load(key + v * kLanes);
      }
      for (int h = 0; h < kHeads; ++h) {
        const Floats weight = Broadcast(weights[h * kKeyBlockSize + j]);
        for (int v = 0; v < kValueVectors; ++v) {
          sums[h][v] = MultiplyAdd(weight, values[v], sums[h][v]);
        }
      }
    }
    for (int h = 0; h < kHeads; ++h) {
      for (int v = 0; v < kValueVectors; ++v) {
        Store(out + h * block.size + i + v * kLanes, sums[h][v]);
      }
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
  int64_t head = 0;
  for (; head + 4 <= block.heads; head += 4) AddValues<4>(block, head);
  for (; head < block.heads; ++head) AddValues<1>(block, head);
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

// Largest size of a key.
constexpr int64_t kMostKeySize = 1024;

void Score(const ScoreQueries& queries, const uint8_t* group, float* scores) {
  constexpr int64_t kRunBytes = 64;
  const int64_t runs = queries.size / 8;
  const int64_t blocks = queries.size / 32;
  // For each run of 8 elements the even ones of 16 keys, then the odd ones:
  // 2 * e2m1 + 12, which is not negative.
  alignas(64) uint8_t codes[kMostKeySize / 8 * 2 * kRunBytes];
  for (int64_t run = 0; run < runs; ++run) {
    UnpackKeys(group + run * kRunBytes, codes + run * 2 * kRunBytes);
  }
  const uint8_t* key_scales = group + runs * kRunBytes;
  for (int64_t key = 0; key < kRowUnit; key += kLanes) {
    Floats total = Broadcast(0.0f);
    for (int64_t head = 0; head < queries.heads; ++head) {
      const int32_t* query = queries.runs + head * runs * 2;
      Floats product = Broadcast(0.0f);
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t at = head * blocks + block;
        Ints exact = BroadcastInt(queries.offsets[at]);
        for (int64_t run = block * 8; run < block * 8 + 8; ++run) {
          exact =
              DotBytes(exact, codes + run * kRunBytes + key * 4, query[run]);
        }
        // Powers of two: the product with the integer is exact.
        const Floats scale =
            Multiply(Broadcast(queries.scales[at]),
                     LoadPowers(key_scales + block * kRowUnit + key));
        product = Add(product, Multiply(ToFloats(exact), scale));
      }
      if (queries.round) product = RoundBf16(product);
      product = Multiply(Max(product, Broadcast(0.0f)),
                         Broadcast(queries.weights[head]));
      if (queries.round) product = RoundBf16(product);
      total = Add(total, product);
    }
    Store(scores + key, queries.round ? RoundBf16(total) : total);
  }
}

constexpr RowKernels kKernels = {
    EndHalfAndMean, Mix,    Join,       Norm, Gate,
    DecodeEntryRow, Attend, FinishHead, Pool, Score};

}  // namespace
}  // namespace baleen::cpu
