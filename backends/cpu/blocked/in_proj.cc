// in_proj and wo_b: plain products, all parts in one loop over tiles.
#include "cpu/blocked/products.h"
#include "cpu/blocked/tiles.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {

const char* InProjTakes(const baleen_in_proj_args& args) {
  const char* reason = InProjRefusal(args);
  return reason != nullptr ? reason : WeightRefusal(args.weight);
}

void InProjScratch(const Device&, const baleen_in_proj_args& args,
                   baleen_op_needs* needs) {
  for (const baleen_tensor* in : {args.u, args.u_rounded}) {
    if (in == nullptr) continue;
    needs->scratch_bytes += PackedBytes(in->size[0], in->size[1]);
  }
}

baleen_status InProjWith(const Queue& queue, const baleen_in_proj_args& args,
                         const ProductKernels& kernels) {
  const Matrix* matrix = FromHandle(args.weight)->matrices();
  uint8_t* scratch = static_cast<uint8_t*>(args.common.scratch);
  ProductPart parts[BALEEN_IN_COUNT];
  int part_count = 0;
  int64_t rows = 0;
  PackedRows packed[2];  // Of u, and of u_rounded.
  for (int i = 0; i < BALEEN_IN_COUNT; ++i) {
    if (args.out[i] == nullptr) continue;
    const bool plain = matrix->type == MatrixType::kBf16;
    PackedRows& in = packed[plain ? 0 : 1];
    if (in.data == nullptr) {
      const baleen_tensor& from = plain ? *args.u : *args.u_rounded;
      rows = RowsOf(args.common, from.size[0]);
      in = PackRows(queue, kernels, matrix->type, from, rows, scratch);
      scratch += PackedBytes(from.size[0], from.size[1]);
    }
    parts[part_count++] = {matrix++, in, args.out[i]};
  }
  MultiplyParts(queue, kernels, parts, part_count, rows);
  return BALEEN_OK;
}

const char* WoBTakes(const baleen_wo_b_args& args) {
  const char* reason = WoBRefusal(args);
  return reason != nullptr ? reason : WeightRefusal(args.weight);
}

void WoBScratch(const Device&, const baleen_wo_b_args& args,
                baleen_op_needs* needs) {
  needs->scratch_bytes = PackedBytes(args.z->size[0], args.z->size[1]);
}

baleen_status WoBWith(const Queue& queue, const baleen_wo_b_args& args,
                      const ProductKernels& kernels) {
  const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
  const int64_t rows = RowsOf(args.common, args.y->size[0]);
  const ProductPart part{
      &matrix,
      PackRows(queue, kernels, matrix.type, *args.z, rows, args.common.scratch),
      args.y};
  MultiplyParts(queue, kernels, &part, 1, rows);
  return BALEEN_OK;
}

}  // namespace baleen::cpu
