// The state of a session as if it had read a long text: random entries of the
// size that real ones have.  What a token costs at a depth does not depend on
// what stands there, and reading a million tokens would take hours.
#pragma once

#include <cstdint>

#include "models/deepseek_v4/model.h"

namespace baleen::bench {

// A state of `length` positions.  Throws std::runtime_error if the model
// refuses it.
StatePointer MakeDeepState(deepseek_v4::V4Model& model, int64_t length);

}  // namespace baleen::bench
