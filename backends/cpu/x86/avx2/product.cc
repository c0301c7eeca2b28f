// Products with AVX2, FMA and F16C.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace baleen::cpu {
namespace {

using Floats = __m256;
using Ints = __m256i;
constexpr int64_t kLanes = 8;
constexpr int64_t kRowsAtOnce = 4;  // Of 16 registers.

inline Floats LoadFloats(const float* x) { return _mm256_load_ps(x); }
inline void StoreFloats(float* x, Floats value) { _mm256_store_ps(x, value); }
inline Ints LoadInts(const uint8_t* x) {
  return _mm256_load_si256(reinterpret_cast<const Ints*>(x));
}
inline Floats Broadcast(float x) { return _mm256_set1_ps(x); }
inline Ints BroadcastInt(int32_t x) { return _mm256_set1_epi32(x); }
// Two floats, again and again.
inline Floats BroadcastPair(const float* pair) {
  double both;
  std::memcpy(&both, pair, sizeof(both));
  return _mm256_castpd_ps(_mm256_set1_pd(both));
}
inline Floats AsFloats(Ints bits) { return _mm256_castsi256_ps(bits); }
inline Floats ToFloats(Ints x) { return _mm256_cvtepi32_ps(x); }

inline Floats AddFloats(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats MultiplyFloats(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats MultiplyAdd(Floats a, Floats b, Floats c) {
  return _mm256_fmadd_ps(a, b, c);
}
// Sums of the pairs of a, then of those of b.
inline Floats AddNeighbors(Floats a, Floats b) {
  // Pairs 0 1 of each, then 2 3 of each.
  const Floats mixed = _mm256_hadd_ps(a, b);
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xD8));
}

// Words of f16 from the lower and the upper half.
inline Floats LowFloats(Ints halves) {
  return _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
}
inline Floats HighFloats(Ints halves) {
  return _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
}

inline Ints And(Ints a, Ints b) { return _mm256_and_si256(a, b); }
inline Ints Greater(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
template <int bits>
inline Ints ShiftLeft(Ints x) {
  return _mm256_slli_epi32(x, bits);
}
template <int bits>
inline Ints ShiftRight(Ints x) {
  return _mm256_srli_epi32(x, bits);
}
// The lower byte of each word, in place of the higher.
inline Ints HighBytes(Ints x) { return _mm256_slli_epi16(x, 8); }
inline Ints HalveWords(Ints x) { return _mm256_srai_epi16(x, 1); }

inline Ints Shuffle(Ints table, Ints places) {
  return _mm256_shuffle_epi8(table, places);
}
inline Ints MultiplyPairs(Ints a, Ints b) { return _mm256_maddubs_epi16(a, b); }
inline Ints AddWords(Ints a, Ints b) { return _mm256_add_epi16(a, b); }
inline Ints SumOfPairs(Ints words) {
  return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

}  // namespace
}  // namespace baleen::cpu

#include "cpu/x86/float_product_body.h"

namespace baleen::cpu {

const ProductKernels kAvx2Kernels = {"avx2", PackedBlock, PackActivations,
                                     MultiplyMatrix, &kAvx2RowKernels};

}  // namespace baleen::cpu
