// Reference mode's products with AVX-512.
#include <cstdint>

namespace {
constexpr int kVectorBytes = 64;
}  // namespace

#include "cpu/ordered_product_body.h"

namespace baleen::cpu {

const ProductKernels kAvx512OrderedKernels = {"avx512, ordered", PackedFloats,
                                              PackFloats, MultiplyOrdered,
                                              &kAvx512CoreRowKernels};

}  // namespace baleen::cpu
