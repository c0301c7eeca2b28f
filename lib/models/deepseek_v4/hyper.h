// Manifold-constrained hyper-connections (model.md §5): the streams between
// half-layers, and the head that joins them.
#pragma once

#include "models/deepseek_v4/forward.h"

namespace baleen::deepseek_v4 {

// The normed input of a half-layer.
struct HalfInput {
  Tensor* u = nullptr;          // bf16 [T, D]
  Tensor* u_rounded = nullptr;  // As the device rounds activations.
};

// Embedding: every stream begins as the token's row.
void Embed(Forward& forward);

// Ends the half-layer before, and begins the next.
HalfInput BeginHalf(Forward& forward, const PreparedHyper& hyper,
                    const Tensor* norm, int32_t layer);

// The streams of the wanted rows, joined: `u` normed for the head, bf16 [R, D];
// `joined` before the norm, or NULL.
struct JoinedStreams {
  Tensor* u = nullptr;
  Tensor* joined = nullptr;
};
JoinedStreams JoinStreams(Forward& forward, const PreparedHead& head,
                          bool wants_joined);

}  // namespace baleen::deepseek_v4
