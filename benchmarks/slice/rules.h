// Which random numbers a tensor of a slice is made of, so that activations stay
// of the size that they have in a trained model: a matrix times a vector of
// root mean square 1 gives one of about 1, norms multiply by about 1, and the
// rest is small.  Codes and scales are spread as in the published checkpoints.
#pragma once

#include <string_view>

#include "benchmarks/slice/values.h"
#include "format/checkpoint.h"

namespace baleen::slice {

// For a tensor of this name, and of the type and shape of `tensor`.  `weight`
// has type and shape of what it scales, if it is scales.  Throws
// std::runtime_error for a tensor that it does not know.
ValueTable ValuesFor(std::string_view name, const StoredTensor& tensor,
                     const StoredTensor& weight);

}  // namespace baleen::slice
