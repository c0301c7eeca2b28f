// Vectors of AVX-512 for the kernels of the operators without prepared weights:
// all but the products of bytes, which not every such processor has.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace baleen::cpu {
namespace {

using Floats = __m512;
using Ints = __m512i;
constexpr int64_t kLanes = 16;
constexpr int64_t kKeyBlockSize = 64;
// Registers for 16 sums at a time, of the 32 there are.
constexpr int kMixRows = 8;
constexpr int kMixOutputs = 3;
constexpr int kGateExperts = 4;
constexpr int kScoreHeads = 4;
constexpr int kValueVectors = 4;
constexpr int kFoldedHeads = 8;

inline Floats Load(const float* x) { return _mm512_loadu_ps(x); }
inline void Store(float* x, Floats value) { _mm512_storeu_ps(x, value); }
inline Floats Broadcast(float x) { return _mm512_set1_ps(x); }
inline Ints BroadcastInt(int32_t x) { return _mm512_set1_epi32(x); }
inline Floats Add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats Subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats Multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats Divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats Max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats MultiplyAdd(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline Floats ToFloats(Ints x) { return _mm512_cvtepi32_ps(x); }
inline float First(Floats x) { return _mm512_cvtss_f32(x); }

// The masks are for GCC 12, which warns of what its other intrinsics leave
// undefined.
inline __m256 LowHalf(Floats x) {
  return _mm512_maskz_extractf32x8_ps(0xFF, x, 0);
}
inline __m256 HighHalf(Floats x) {
  return _mm512_maskz_extractf32x8_ps(0xFF, x, 1);
}

// Of the lanes, by halves.
inline float Sum(Floats x) {
  const __m256 half = _mm256_add_ps(LowHalf(x), HighHalf(x));
  __m128 four =
      _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
inline float Highest(Floats x) {
  const __m256 half = _mm256_max_ps(LowHalf(x), HighHalf(x));
  __m128 four =
      _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

inline Floats LoadBf16(const uint16_t* x) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// To nearest, ties to even; NaN stays NaN.  Not the processor's conversion,
// which takes subnormals for zero.
inline Ints Bf16Bits(Floats x) {
  const Ints bits = _mm512_castps_si512(x);
  const Ints lowest =
      _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const Ints rounded = _mm512_add_epi32(
      bits, _mm512_add_epi32(lowest, _mm512_set1_epi32(0x7FFF)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
}
inline Floats RoundBf16(Floats x) {
  return _mm512_castsi512_ps(_mm512_and_si512(
      Bf16Bits(x), _mm512_set1_epi32(static_cast<int32_t>(0xFFFF0000u))));
}
inline void StoreBf16(uint16_t* out, Floats x) {
  _mm256_storeu_si256(
      reinterpret_cast<__m256i*>(out),
      _mm512_cvtepi32_epi16(_mm512_srli_epi32(Bf16Bits(x), 16)));
}

// The bits of e4m3 are those of a float 2^120 times smaller.
inline Floats LoadFp8(const uint8_t* x) {
  const Ints code = _mm512_cvtepu8_epi32(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
  const Ints magnitude = _mm512_and_si512(code, _mm512_set1_epi32(0x7F));
  const Ints sign = _mm512_slli_epi32(_mm512_xor_si512(code, magnitude), 24);
  const Ints bits = _mm512_or_si512(_mm512_slli_epi32(magnitude, 20), sign);
  const __mmask16 nan =
      _mm512_cmpeq_epi32_mask(magnitude, _mm512_set1_epi32(0x7F));
  const Floats value =
      _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0x1p120f));
  return _mm512_mask_blend_ps(nan, value, _mm512_set1_ps(__builtin_nanf("")));
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
  const Ints code = _mm512_cvtepu8_epi32(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  const Ints bits = _mm512_mask_blend_epi32(_mm512_test_epi32_mask(code, code),
                                            _mm512_set1_epi32(0x00400000),
                                            _mm512_slli_epi32(code, 23));
  return _mm512_castsi512_ps(_mm512_mask_blend_epi32(
      _mm512_cmpeq_epi32_mask(code, _mm512_set1_epi32(255)), bits,
      _mm512_set1_epi32(0x7FC00000)));
}

inline Floats Nearest(Floats x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Floats ScaleByPower(Floats x, Floats power) {
  return _mm512_scalef_ps(x, power);
}
inline Floats ZeroWhereBelow(Floats value, Floats x, float least) {
  const __mmask16 below =
      _mm512_cmp_ps_mask(x, _mm512_set1_ps(least), _CMP_LT_OQ);
  return _mm512_mask_blend_ps(below, value, _mm512_setzero_ps());
}

// `below` where x is below the limit, else `above`.
inline Floats Select(Floats x, float limit, Floats below, Floats above) {
  return _mm512_mask_blend_ps(
      _mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_LT_OQ), above, below);
}

// 64 bytes of codes to the low halves, then the high halves, as 2 * e2m1 + 12.
inline void UnpackKeys(const uint8_t* packed, uint8_t* codes) {
  const Ints table = _mm512_broadcast_i32x4(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  const Ints low_bits = _mm512_set1_epi8(15);
  const Ints both = _mm512_loadu_si512(packed);
  const Ints low = _mm512_and_si512(both, low_bits);
  const Ints high = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_bits);
  _mm512_store_si512(codes, _mm512_shuffle_epi8(table, low));
  _mm512_store_si512(codes + 64, _mm512_shuffle_epi8(table, high));
}

// Codes of kLanes keys, 4 bytes each, from 2 * e2m1 + 12 to (2 * e2m1 << shift)
// + 96.  The codes are at most 24 and the shifts at most 3: no bit leaves its
// byte.
inline void ShiftCodes(uint8_t* codes, const int32_t* shifts) {
  const Ints shift = _mm512_loadu_si512(shifts);
  const Ints shifted = _mm512_sllv_epi32(_mm512_load_si512(codes), shift);
  const Ints offset = _mm512_sub_epi8(
      _mm512_set1_epi8(96), _mm512_sllv_epi32(_mm512_set1_epi8(12), shift));
  _mm512_store_si512(codes, _mm512_add_epi8(shifted, offset));
}

}  // namespace
}  // namespace baleen::cpu
