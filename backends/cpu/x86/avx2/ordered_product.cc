// Reference mode's products with AVX2.
#include <cstdint>

namespace {
constexpr int kVectorBytes = 32;
}  // namespace

#include "cpu/ordered_product_body.h"

namespace baleen::cpu {

const ProductKernels kAvx2OrderedKernels = {"avx2, ordered", PackedFloats,
                                            PackFloats, MultiplyOrdered,
                                            &kAvx2RowKernels};

}  // namespace baleen::cpu
