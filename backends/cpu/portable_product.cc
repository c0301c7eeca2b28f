// Products for any processor: vectors of four floats, which become SSE2 or NEON.
#include <cstdint>

namespace {
constexpr int kVectorBytes = 16;
}  // namespace

#include "cpu/ordered_product_body.h"

namespace baleen::cpu {

const ProductKernels kPortableKernels = {"portable", PackedFloats, PackFloats,
                                         MultiplyOrdered, &kPortableRowKernels};

}  // namespace baleen::cpu
