// streams[t][m] = table[tokens[t]] (model.md §4).
#include <cstring>

#include "cpu/checks.h"
#include "cpu/parallel.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* EmbedRefusal(const baleen_embed_args& args) {
  if (!IsBatchOfTokens(args.common.batch)) return "there are no tokens";
  if (!IsType(args.streams, BALEEN_TYPE_BF16) || !IsRows(args.streams, 3)) {
    return "streams are not bf16 [T, M, D]";
  }
  const char* reason = KindRefusal(args.table, BALEEN_WEIGHT_TABLE);
  if (reason != nullptr || args.table == nullptr) return reason;
  if (FromHandle(args.table)->matrices()[0].type != MatrixType::kBf16) {
    return "the table is not of bf16";
  }
  return ProductRefusal(args.table, 0, *args.streams, nullptr);
}

baleen_status EmbedReference(const Queue& queue,
                             const baleen_embed_args& args) {
  const Matrix& table = FromHandle(args.table)->matrices()[0];
  const int32_t* tokens =
      static_cast<const int32_t*>(args.common.batch->tokens->data);
  const int64_t rows = RowsOf(args.common, args.streams->size[0]);
  const size_t bytes = static_cast<size_t>(table.row_bytes);
  ParallelFor(queue, rows, [&](int64_t t) {
    for (int64_t m = 0; m < args.streams->size[1]; ++m) {
      uint16_t* stream = RowOf<uint16_t>(*args.streams, t, m);
      // A token that is none has no row to read.
      if (tokens[t] < 0 || tokens[t] >= table.rows) {
        std::memset(stream, 0, bytes);
      } else {
        std::memcpy(stream, table.data + tokens[t] * table.row_bytes, bytes);
      }
    }
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
