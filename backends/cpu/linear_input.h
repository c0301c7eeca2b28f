// What `linear` does before and after the product, for every implementation.
//
// Scratch holds, for each row: the input as floats while it is normed (or the
// output while it is), the input as bf16, and its e4m3 codes and scales.
#pragma once

#include "cpu/finish_row.h"
#include "cpu/parallel.h"
#include "cpu/weights.h"

namespace baleen::cpu {

struct LinearLayout {
  int64_t float_row;  // Bytes of a row of each.
  int64_t bf16_row;
  int64_t code_row;
  int64_t scale_row;
  uint64_t floats;  // Where each begins.
  uint64_t bf16;
  uint64_t codes;
  uint64_t scales;
  uint64_t bytes;
};

inline LinearLayout LinearScratch(const baleen_linear_args& args) {
  constexpr int64_t kAlign = 64;
  const auto align = [](int64_t bytes) {
    return (bytes + kAlign - 1) / kAlign * kAlign;
  };
  const int64_t rows = args.out->size[0];
  const int64_t inner = args.in->type == BALEEN_TYPE_I32 ? 0 : args.in->size[1];
  const int64_t longest = std::max(inner, args.out->size[1]);
  LinearLayout layout{};
  layout.float_row = align(longest * 4);
  layout.bf16_row = align(inner * 2);
  layout.code_row = align(inner);
  layout.scale_row = GroupsOf(inner, 128);
  uint64_t offset = 0;
  const auto place = [&](int64_t row_bytes) {
    const uint64_t at = offset;
    offset += static_cast<uint64_t>(align(row_bytes * rows));
    return at;
  };
  layout.floats = place(layout.float_row);
  layout.bf16 = place(layout.bf16_row);
  layout.codes = place(layout.code_row);
  layout.scales = place(layout.scale_row);
  layout.bytes = offset;
  return layout;
}

inline float* LinearFloats(const baleen_linear_args& args, int64_t row) {
  const LinearLayout layout = LinearScratch(args);
  return reinterpret_cast<float*>(
      static_cast<uint8_t*>(args.common.scratch) + layout.floats +
      static_cast<uint64_t>(row * layout.float_row));
}

// Row `row` of in to `values`, normed and rounded to bf16 where it is normed.
inline void LoadLinearRow(const baleen_linear_args& args, int64_t row,
                          float* values) {
  const int64_t inner = args.in->size[1];
  const ActivationRow in = ActivationRowOf(*args.in, row);
  for (int64_t first = 0; first < inner; first += 128) {
    const int64_t count = std::min<int64_t>(128, inner - first);
    uint16_t bits[128];
    LoadBf16(in, first, count, bits);
    for (int64_t i = 0; i < count; ++i) {
      values[first + i] = Bf16ToFloat(bits[i]);
    }
  }
  if (args.norm_in == nullptr) return;
  NormRow(*args.norm_in, args.epsilon, true, values, inner);
}

// The rows that a matrix multiplies: in itself, or normed, or rounded as
// reference mode does before products with quantized weights (model.md §3.4).
inline baleen_tensor PrepareLinearInput(const Queue& queue,
                                        const baleen_linear_args& args,
                                        const Matrix& matrix, int64_t rows) {
  const bool rounds = args.common.mode == BALEEN_MODE_REFERENCE &&
                      matrix.type != MatrixType::kBf16 &&
                      args.in->type == BALEEN_TYPE_BF16;
  if (args.norm_in == nullptr && !rounds) return *args.in;
  const LinearLayout layout = LinearScratch(args);
  uint8_t* scratch = static_cast<uint8_t*>(args.common.scratch);
  baleen_tensor in = *args.in;
  in.data = scratch + layout.bf16;
  in.stride[0] = layout.bf16_row / 2;
  if (rounds) {
    in.type = BALEEN_TYPE_F8_E4M3;
    in.scale_type = BALEEN_TYPE_E8M0;
    in.block_rows = 1;
    in.block_columns = 128;
    in.data = scratch + layout.codes;
    in.scales = scratch + layout.scales;
    in.stride[0] = layout.code_row;
  }
  ParallelFor(queue, rows, [&](int64_t row) {
    float* values = LinearFloats(args, row);
    LoadLinearRow(args, row, values);
    uint16_t* bits = reinterpret_cast<uint16_t*>(
        scratch + layout.bf16 + static_cast<uint64_t>(row * layout.bf16_row));
    for (int64_t i = 0; i < in.size[1]; ++i) bits[i] = Bf16FromFloat(values[i]);
    if (rounds) StoreRounded(bits, in, row);
  });
  return in;
}

// out = rows of the table, or norm_in(in).
inline void CopyLinearInput(const Queue& queue, const baleen_linear_args& args,
                            int64_t rows) {
  const int64_t outer = args.out->size[1];
  ParallelFor(queue, rows, [&](int64_t row) {
    float* values = LinearFloats(args, row);
    if (args.in->type != BALEEN_TYPE_I32) {
      LoadLinearRow(args, row, values);
    } else {
      const Matrix& table = FromHandle(args.weight)->matrices()[0];
      const int64_t token = RowOf<const int32_t>(*args.in, row)[0];
      const bool there = token >= 0 && token < table.rows;
      for (int64_t i = 0; i < outer; ++i) {
        uint16_t bits = 0;  // A token that is none has no row to read.
        if (there) {
          std::memcpy(&bits, table.data + token * table.row_bytes + i * 2,
                      sizeof(bits));
        }
        values[i] = Bf16ToFloat(bits);
      }
    }
    StoreFloats(*args.out, row, 0, outer, values);
  });
}

inline void FinishLinearRows(const Queue& queue, const baleen_linear_args& args,
                             int64_t rows) {
  if (args.add == nullptr && args.norm_out == nullptr) return;
  ParallelFor(queue, rows, [&](int64_t row) {
    FinishLinearRow(args, row, LinearFloats(args, row));
  });
}

}  // namespace baleen::cpu
