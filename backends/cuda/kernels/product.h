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
  int32_t tiles;  // Of all parts; for kernels of few rows that go through them.
  // Of a grouped weight: how many groups `in` [T, groups, columns] has.
  int32_t groups;
  View base;  // f32, added to the products; or no data.
  ProductPart part[kMostProductParts];
};

inline ProductParams ProductOf(const baleen_op_common& common, int32_t count,
                               int64_t limit) {
  ProductParams params = {};
  params.batch = BatchOf(common.batch);
  params.count = count;
  params.limit = static_cast<int32_t>(limit);
  params.repeat = params.divide = params.groups = 1;
  return params;
}

inline void AddPart(ProductParams* params, const Matrix& matrix, const View& in,
                    const View& out) {
  params->part[params->parts++] = {matrix, in, out};
}

// A contiguous tensor [rows, columns] in scratch.
inline View ScratchView(void* data, baleen_type type, int64_t rows,
                        int64_t columns) {
  View view = {};
  view.data = static_cast<uint8_t*>(data);
  view.stride0 = columns;
  view.size0 = static_cast<int32_t>(rows);
  view.size1 = static_cast<int32_t>(columns);
  view.size2 = 1;
  view.type = type;
  return view;
}

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
