// Products with AVX-512 F, BW, DQ and VL, as processors have had it from 2017
// on, before VNNI, BF16 and VBMI.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace baleen::cpu {
namespace {

using Floats = __m512;
using Ints = __m512i;
constexpr int64_t kLanes = 16;
constexpr int64_t kRowsAtOnce = 8;  // Of 32 registers.

inline Floats LoadFloats(const float* x) { return _mm512_load_ps(x); }
inline void StoreFloats(float* x, Floats value) { _mm512_store_ps(x, value); }
inline Ints LoadInts(const uint8_t* x) { return _mm512_load_si512(x); }
inline Floats Broadcast(float x) { return _mm512_set1_ps(x); }
inline Ints BroadcastInt(int32_t x) { return _mm512_set1_epi32(x); }
// Two floats, again and again.
inline Floats BroadcastPair(const float* pair) {
  double both;
  std::memcpy(&both, pair, sizeof(both));
  return _mm512_castpd_ps(_mm512_set1_pd(both));
}
inline Floats AsFloats(Ints bits) { return _mm512_castsi512_ps(bits); }
inline Floats ToFloats(Ints x) { return _mm512_cvtepi32_ps(x); }

inline Floats AddFloats(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats MultiplyFloats(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats MultiplyAdd(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
// Sums of the pairs of a, then of those of b.
inline Floats AddNeighbors(Floats a, Floats b) {
  const Ints even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10,
                                     8, 6, 4, 2, 0);
  const Ints odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11,
                                    9, 7, 5, 3, 1);
  return _mm512_add_ps(_mm512_permutex2var_ps(a, even, b),
                       _mm512_permutex2var_ps(a, odd, b));
}

// Words of f16 from the lower and the upper half.
inline Floats LowFloats(Ints halves) {
  return _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
}
inline Floats HighFloats(Ints halves) {
  return _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1));
}

inline Ints And(Ints a, Ints b) { return _mm512_and_si512(a, b); }
inline Ints Greater(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
template <int bits>
inline Ints ShiftLeft(Ints x) {
  return _mm512_slli_epi32(x, bits);
}
template <int bits>
inline Ints ShiftRight(Ints x) {
  return _mm512_srli_epi32(x, bits);
}
// The lower byte of each word, in place of the higher.
inline Ints HighBytes(Ints x) { return _mm512_slli_epi16(x, 8); }
inline Ints HalveWords(Ints x) { return _mm512_srai_epi16(x, 1); }

inline Ints Shuffle(Ints table, Ints places) {
  return _mm512_shuffle_epi8(table, places);
}
inline Ints MultiplyPairs(Ints a, Ints b) { return _mm512_maddubs_epi16(a, b); }
inline Ints AddWords(Ints a, Ints b) { return _mm512_add_epi16(a, b); }
inline Ints SumOfPairs(Ints words) {
  return _mm512_madd_epi16(words, _mm512_set1_epi16(1));
}

}  // namespace
}  // namespace baleen::cpu

#include "cpu/x86/float_product_body.h"

namespace baleen::cpu {

const ProductKernels kAvx512CoreKernels = {"avx512_core", PackedBlock,
                                           PackActivations, MultiplyMatrix,
                                           &kAvx512CoreRowKernels};

}  // namespace baleen::cpu
