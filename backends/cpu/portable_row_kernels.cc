// Kernels of the operators without prepared weights, for any processor: vectors
// of four floats in the compiler's own notation, which become SSE2 or NEON.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "numeric/bf16.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

namespace baleen::cpu {
namespace {

using Floats = float __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));
constexpr int64_t kLanes = 4;
constexpr int64_t kKeyBlockSize = 64;
constexpr int kMixRows = 2;
constexpr int kMixOutputs = 4;
constexpr int kGateExperts = 2;
constexpr int kScoreHeads = 2;
constexpr int kValueVectors = 2;
constexpr int kFoldedHeads = 4;

inline Floats Load(const float* x) {
  Floats value;
  std::memcpy(&value, x, sizeof(value));
  return value;
}
inline void Store(float* x, Floats value) {
  std::memcpy(x, &value, sizeof(value));
}
inline Floats Broadcast(float x) { return Floats{x, x, x, x}; }
inline Ints BroadcastInt(int32_t x) { return Ints{x, x, x, x}; }
inline Floats Add(Floats a, Floats b) { return a + b; }
inline Floats Subtract(Floats a, Floats b) { return a - b; }
inline Floats Multiply(Floats a, Floats b) { return a * b; }
inline Floats Divide(Floats a, Floats b) { return a / b; }
inline Floats Max(Floats a, Floats b) { return a > b ? a : b; }
inline Floats MultiplyAdd(Floats a, Floats b, Floats c) { return a * b + c; }
inline Floats ToFloats(Ints x) { return __builtin_convertvector(x, Floats); }
inline float First(Floats x) { return x[0]; }
inline float Sum(Floats x) { return (x[0] + x[2]) + (x[1] + x[3]); }
inline float Highest(Floats x) {
  const float a = x[0] > x[2] ? x[0] : x[2];
  const float b = x[1] > x[3] ? x[1] : x[3];
  return a > b ? a : b;
}

inline Floats LoadBf16(const uint16_t* x) {
  return Floats{Bf16ToFloat(x[0]), Bf16ToFloat(x[1]), Bf16ToFloat(x[2]),
                Bf16ToFloat(x[3])};
}
inline Floats RoundBf16(Floats x) {
  return Floats{RoundToBf16(x[0]), RoundToBf16(x[1]), RoundToBf16(x[2]),
                RoundToBf16(x[3])};
}
inline void StoreBf16(uint16_t* out, Floats x) {
  for (int64_t i = 0; i < kLanes; ++i) out[i] = Bf16FromFloat(x[i]);
}
inline Floats LoadFp8(const uint8_t* x) {
  return Floats{Fp8ToFloat(x[0]), Fp8ToFloat(x[1]), Fp8ToFloat(x[2]),
                Fp8ToFloat(x[3])};
}
inline float PowerOfTwo(uint8_t code) { return E8m0ToFloat(code); }
inline Floats LoadPowers(const uint8_t* x) {
  return Floats{PowerOfTwo(x[0]), PowerOfTwo(x[1]), PowerOfTwo(x[2]),
                PowerOfTwo(x[3])};
}

// Adding 1.5 * 2^23 leaves no bits below the point.
inline Floats Nearest(Floats x) {
  const Floats magic = Broadcast(12582912.0f);
  return (x + magic) - magic;
}
// NaN stays NaN.  REQUIRES: the result is a normal number, or is not used.
inline Floats ScaleByPower(Floats x, Floats power) {
  const Floats given = x;
  const auto is_number = power == power;
  // Lanes that are not used may be far from any integer.
  power = power > -200.0f ? power : Broadcast(-200.0f);
  using Words = uint32_t __attribute__((vector_size(16)));
  Words bits;
  std::memcpy(&bits, &x, sizeof(bits));
  bits += reinterpret_cast<Words>(__builtin_convertvector(power, Ints)) << 23;
  std::memcpy(&x, &bits, sizeof(x));
  return is_number ? x : given;
}
inline Floats ZeroWhereBelow(Floats value, Floats x, float least) {
  return x < least ? Broadcast(0.0f) : value;
}

// `below` where x is below the limit, else `above`.
inline Floats Select(Floats x, float limit, Floats below, Floats above) {
  return x < limit ? below : above;
}

inline void UnpackKeys(const uint8_t* packed, uint8_t* codes) {
  constexpr uint8_t kCodes[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                  12, 11, 10, 9,  8,  6,  4,  0};
  for (int64_t i = 0; i < 64; ++i) {
    codes[i] = kCodes[packed[i] & 15];
    codes[64 + i] = kCodes[packed[i] >> 4];
  }
}
// Codes of kLanes keys, 4 bytes each, from 2 * e2m1 + 12 to (2 * e2m1 << shift)
// + 96.
inline void ShiftCodes(uint8_t* codes, const int32_t* shifts) {
  for (int64_t i = 0; i < 4 * kLanes; ++i) {
    codes[i] =
        static_cast<uint8_t>(((codes[i] - 12) * (1 << shifts[i / 4])) + 96);
  }
}
inline Ints DotBytes(Ints sum, const uint8_t* codes, int32_t query) {
  int8_t parts[4];
  std::memcpy(parts, &query, sizeof(parts));
  for (int64_t key = 0; key < kLanes; ++key) {
    for (int64_t i = 0; i < 4; ++i) {
      sum[key] += codes[4 * key + i] * parts[i];
    }
  }
  return sum;
}

}  // namespace
}  // namespace baleen::cpu

#include "cpu/row_kernels_body.h"

namespace baleen::cpu {

const RowKernels kPortableRowKernels = kKernels;

}  // namespace baleen::cpu
