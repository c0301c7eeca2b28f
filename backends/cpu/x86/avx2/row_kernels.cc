// Kernels of the operators without prepared weights, with AVX2 and FMA.
#include <immintrin.h>

#include <cstdint>

namespace baleen::cpu {
namespace {

using Floats = __m256;
using Ints = __m256i;
constexpr int64_t kLanes = 8;
constexpr int64_t kKeyBlockSize = 64;
// Registers for 8 sums at a time, of the 16 there are.
constexpr int kMixRows = 4;
constexpr int kMixOutputs = 3;
constexpr int kGateExperts = 2;
constexpr int kScoreHeads = 2;
constexpr int kValueVectors = 2;
constexpr int kFoldedHeads = 4;

inline Floats Load(const float* x) { return _mm256_loadu_ps(x); }
inline void Store(float* x, Floats value) { _mm256_storeu_ps(x, value); }
inline Floats Broadcast(float x) { return _mm256_set1_ps(x); }
inline Ints BroadcastInt(int32_t x) { return _mm256_set1_epi32(x); }
inline Floats Add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats Subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
inline Floats Multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats Divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
inline Floats Max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats MultiplyAdd(Floats a, Floats b, Floats c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline Floats ToFloats(Ints x) { return _mm256_cvtepi32_ps(x); }
inline float First(Floats x) { return _mm256_cvtss_f32(x); }

// Of the lanes, by halves.
inline float Sum(Floats x) {
  __m128 four =
      _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
inline float Highest(Floats x) {
  __m128 four =
      _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

inline Floats LoadBf16(const uint16_t* x) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

// To nearest, ties to even; NaN stays NaN.
inline Ints Bf16Bits(Floats x) {
  const Ints bits = _mm256_castps_si256(x);
  const Ints lowest =
      _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const Ints rounded = _mm256_add_epi32(
      bits, _mm256_add_epi32(lowest, _mm256_set1_epi32(0x7FFF)));
  const Ints quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  return _mm256_castps_si256(
      _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet),
                       _mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
inline Floats RoundBf16(Floats x) {
  return _mm256_castsi256_ps(_mm256_and_si256(
      Bf16Bits(x), _mm256_set1_epi32(static_cast<int32_t>(0xFFFF0000u))));
}
inline void StoreBf16(uint16_t* out, Floats x) {
  const Ints bits = _mm256_srli_epi32(Bf16Bits(x), 16);
  const Ints packed = _mm256_packus_epi32(bits, bits);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(out),
      _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
}

// The bits of e4m3 are those of a float 2^120 times smaller.
inline Floats LoadFp8(const uint8_t* x) {
  const Ints code = _mm256_cvtepu8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
  const Ints magnitude = _mm256_and_si256(code, _mm256_set1_epi32(0x7F));
  const Ints sign = _mm256_slli_epi32(_mm256_xor_si256(code, magnitude), 24);
  const Ints bits = _mm256_or_si256(_mm256_slli_epi32(magnitude, 20), sign);
  const Ints nan = _mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7F));
  const Floats value =
      _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0x1p120f));
  return _mm256_blendv_ps(value, _mm256_set1_ps(__builtin_nanf("")),
                          _mm256_castsi256_ps(nan));
}

inline float PowerOfTwo(uint8_t code) {
  const uint32_t bits = code == 0     ? 0x00400000u
                        : code == 255 ? 0x7FC00000u
                                      : static_cast<uint32_t>(code) << 23;
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}
inline Floats LoadPowers(const uint8_t* codes) {
  const Ints code = _mm256_cvtepu8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes)));
  const Ints zero = _mm256_cmpeq_epi32(code, _mm256_setzero_si256());
  const Ints nan = _mm256_cmpeq_epi32(code, _mm256_set1_epi32(255));
  Ints bits = _mm256_slli_epi32(code, 23);
  bits = _mm256_blendv_epi8(bits, _mm256_set1_epi32(0x00400000), zero);
  bits = _mm256_blendv_epi8(bits, _mm256_set1_epi32(0x7FC00000), nan);
  return _mm256_castsi256_ps(bits);
}

inline Floats Nearest(Floats x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// REQUIRES: the result is a normal number, or is not used.
inline Floats ScaleByPower(Floats x, Floats power) {
  const Ints exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(power), 23);
  return _mm256_castsi256_ps(
      _mm256_add_epi32(_mm256_castps_si256(x), exponent));
}
inline Floats ZeroWhereBelow(Floats value, Floats x, float least) {
  const Floats below = _mm256_cmp_ps(x, _mm256_set1_ps(least), _CMP_LT_OQ);
  return _mm256_andnot_ps(below, value);
}

// `below` where x is below the limit, else `above`.
inline Floats Select(Floats x, float limit, Floats below, Floats above) {
  return _mm256_blendv_ps(above, below,
                          _mm256_cmp_ps(x, _mm256_set1_ps(limit), _CMP_LT_OQ));
}

// 64 bytes of codes to the low halves, then the high halves, as 2 * e2m1 + 12.
inline void UnpackKeys(const uint8_t* packed, uint8_t* codes) {
  const Ints table = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  const Ints low_bits = _mm256_set1_epi8(15);
  for (int64_t i = 0; i < 64; i += 32) {
    const Ints both =
        _mm256_loadu_si256(reinterpret_cast<const Ints*>(packed + i));
    const Ints low = _mm256_and_si256(both, low_bits);
    const Ints high = _mm256_and_si256(_mm256_srli_epi16(both, 4), low_bits);
    _mm256_store_si256(reinterpret_cast<Ints*>(codes + i),
                       _mm256_shuffle_epi8(table, low));
    _mm256_store_si256(reinterpret_cast<Ints*>(codes + 64 + i),
                       _mm256_shuffle_epi8(table, high));
  }
}

// Codes of kLanes keys, 4 bytes each, from 2 * e2m1 + 12 to (2 * e2m1 << shift)
// + 96.  The codes are at most 24 and the shifts at most 3: no bit leaves its
// byte.
inline void ShiftCodes(uint8_t* codes, const int32_t* shifts) {
  const Ints shift = _mm256_loadu_si256(reinterpret_cast<const Ints*>(shifts));
  const Ints shifted = _mm256_sllv_epi32(
      _mm256_load_si256(reinterpret_cast<const Ints*>(codes)), shift);
  const Ints offset = _mm256_sub_epi8(
      _mm256_set1_epi8(96), _mm256_sllv_epi32(_mm256_set1_epi8(12), shift));
  _mm256_store_si256(reinterpret_cast<Ints*>(codes),
                     _mm256_add_epi8(shifted, offset));
}

// sum[key] += the four bytes of the key times the four of the query.  Pairs are
// at most 2 * (24 << kKeyFold) * (12 << kQueryFold), which fits into 16 bits.
inline Ints DotBytes(Ints sum, const uint8_t* codes, int32_t query) {
  const Ints key = _mm256_load_si256(reinterpret_cast<const Ints*>(codes));
  const Ints pairs = _mm256_maddubs_epi16(key, _mm256_set1_epi32(query));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

}  // namespace
}  // namespace baleen::cpu

#include "cpu/row_kernels_body.h"

namespace baleen::cpu {

const RowKernels kAvx2RowKernels = kKernels;

}  // namespace baleen::cpu
