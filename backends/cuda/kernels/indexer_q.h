// Queries of the indexer: rotated, transformed and rounded, a warp for each head;
// by a kernel of their own, or by the one that has multiplied them.
#pragma once

#include "cuda/kernels/row_ops.h"

namespace baleen::cuda {

struct IndexerQParams {
  BatchView batch;
  View iq;
  View key_weight;
  View rope;
  View iq_rounded;
  View head_weight;
  float scale;
  int32_t rope_size;
  bool reference;
};

// A head of a row by a warp, in x of its own.
BALEEN_DEVICE void FinishIndexHead(const IndexerQParams& params, int row,
                                   int head, float* x) {
  const int size = params.iq.size2;
  const uint16_t* from = RowOf<const uint16_t>(params.iq, row, head);
  for (int i = Lane(); i < size; i += kWarpSize) x[i] = Bf16ToFloat(from[i]);
  __syncwarp();
  const RopeRow rope = RopeAt(params.rope, params.batch.positions[row]);
  for (int i = Lane(); i < params.rope_size / 2; i += kWarpSize) {
    RotatePair(rope, i, x + size - params.rope_size);
  }
  TransformWarp(x, size, params.reference);
  const bool packed = params.iq_rounded.type == BALEEN_TYPE_F4_E2M1;
  const int groups = size / kKeyGroup;
  const int64_t first =
      row * params.iq_rounded.stride0 + head * params.iq_rounded.stride1;
  for (int group = 0; group < groups; ++group) {
    uint8_t scale;
    const uint32_t code = WarpFp4(x[group * kKeyGroup + Lane()], &scale);
    if (Lane() == 0) {
      params.iq_rounded
          .scales[(int64_t{row} * params.iq.size1 + head) * groups + group] =
          scale;
    }
    const uint32_t next = __shfl_xor_sync(kFullWarp, code, 1);
    const int64_t at = first + group * kKeyGroup + Lane();
    if (!packed) {
      params.iq_rounded.data[at] =
          static_cast<uint8_t>(static_cast<int8_t>(Fp4Twice(code)));
    } else if (Lane() % 2 == 0) {
      params.iq_rounded.data[at / 2] = static_cast<uint8_t>(code | next << 4);
    }
  }
  if (Lane() != 0) return;
  const float weight =
      Bf16ToFloat(RowOf<const uint16_t>(params.key_weight, row)[head]) *
      params.scale;
  RowOf<float>(params.head_weight, row)[head] =
      RoundIf(params.reference, weight);
}

inline IndexerQParams IndexerQOf(const baleen_indexer_q_args& args) {
  IndexerQParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.iq = ViewOf(args.iq);
  params.key_weight = ViewOf(args.key_weight);
  params.rope = ViewOf(args.rope);
  params.iq_rounded = ViewOf(args.iq_rounded);
  params.head_weight = ViewOf(args.head_weight);
  params.scale = args.scale;
  params.rope_size = static_cast<int32_t>(args.rope_size);
  params.reference = args.common.mode == BALEEN_MODE_REFERENCE;
  return params;
}

}  // namespace baleen::cuda
