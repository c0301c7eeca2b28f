// Launches of products: one for all matrices that read the same rows.
#pragma once

#include "cuda/launch.h"
#include "cuda/operators.h"
#include "cuda/views.h"
#include "cuda/weights.h"

namespace baleen::cuda {

constexpr int kMostProductParts = 7;

struct ProductPart {
  Matrix matrix;
  View in;
  View out;  // Row t, column n: bf16 or f32.
};

struct ProductParams {
  BatchView batch;
  int32_t count;   // Which count of the batch says how many rows.
  int32_t limit;   // And no more than this.
  int32_t repeat;  // Rows for each of them,
  int32_t divide;  // or one for so many of them.
  int32_t parts;
  // Of a grouped weight: how many groups `in` [T, groups, columns] has.
  int32_t groups;
  View base;  // f32, added to the products; or no data.
  ProductPart part[kMostProductParts];
};

baleen_status RunProduct(const Queue& queue, const ProductParams& params);

// bf16 rows to a tensor of e4m3 with a power of two for each 128.
struct RoundParams {
  BatchView batch;
  int32_t count;
  int32_t limit;
  int32_t repeat;
  // Rows that there are besides those of the step, e.g. of experts' entries:
  // read here if not NULL, in place of the count.
  const int32_t* rows;
  View in;
  View out;
};
baleen_status RunRound(const Queue& queue, const RoundParams& params);

}  // namespace baleen::cuda
