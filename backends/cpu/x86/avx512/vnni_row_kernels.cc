// Kernels of the operators without prepared weights, with AVX-512 and VNNI.
#include "cpu/x86/avx512/row_vectors.h"

namespace baleen::cpu {
namespace {

// sum[key] += the four bytes of the key times the four of the query.
inline Ints DotBytes(Ints sum, const uint8_t* codes, int32_t query) {
  return _mm512_dpbusd_epi32(sum, _mm512_load_si512(codes),
                             _mm512_set1_epi32(query));
}

}  // namespace
}  // namespace baleen::cpu

#include "cpu/row_kernels_body.h"

namespace baleen::cpu {

const RowKernels kAvx512RowKernels = kKernels;

}  // namespace baleen::cpu
