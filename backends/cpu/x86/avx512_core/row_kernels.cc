// Kernels of the operators without prepared weights, with AVX-512 F, BW, DQ and
// VL.
#include "cpu/x86/avx512/row_vectors.h"

namespace baleen::cpu {
namespace {

// sum[key] += the four bytes of the key times the four of the query.  Pairs are
// at most 2 * (24 << kKeyFold) * (12 << kQueryFold), which fits into 16 bits.
inline Ints DotBytes(Ints sum, const uint8_t* codes, int32_t query) {
  const Ints pairs =
      _mm512_maddubs_epi16(_mm512_load_si512(codes), _mm512_set1_epi32(query));
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

}  // namespace
}  // namespace baleen::cpu

#include "cpu/row_kernels_body.h"

namespace baleen::cpu {

const RowKernels kAvx512CoreRowKernels = kKernels;

}  // namespace baleen::cpu
