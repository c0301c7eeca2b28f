// Norms of query rank and kv; rotation, rounding and storing of kv
// (model.md §6).
#include "cpu/batch.h"
#include "cpu/reference/quantize.h"
#include "cpu/reference/rms_norm.h"
#include "cpu/reference/rope.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

// A row of the query, or of kv, as floats and as bf16.
int64_t RowBytes(const baleen_qkv_post_args& args) {
  const int64_t query = args.query == nullptr ? 0 : args.query->size[1];
  return std::max(query, args.kv->size[1]) *
         static_cast<int64_t>(sizeof(float) + sizeof(uint16_t));
}

// The shape of an entry; without a state, of a block's.
baleen_state_shape ShapeOf(const baleen_qkv_post_args& args) {
  if (args.state != nullptr) return args.state->shape;
  baleen_state_shape shape = {};
  shape.head_size = static_cast<uint32_t>(args.kv->size[1]);
  shape.rope_size = static_cast<uint32_t>(2 * args.rope->size[2]);
  shape.ring_rows = shape.slab_pages = shape.slab_slots = 1;
  return shape;
}

void NormQuery(const baleen_qkv_post_args& args, int64_t row, uint8_t* memory) {
  const int64_t size = args.query->size[1];
  float* query = reinterpret_cast<float*>(memory);
  uint16_t* normed = reinterpret_cast<uint16_t*>(query + size);
  LoadRow(*args.query, row, size, query);
  RmsNorm(static_cast<const uint16_t*>(args.q_norm->data), args.epsilon, query,
          size);
  for (int64_t i = 0; i < size; ++i) normed[i] = Bf16FromFloat(query[i]);
  StoreRounded(normed, *args.query_rounded, row);
}

void StoreKv(const baleen_qkv_post_args& args, const BatchView& batch,
             int64_t row, uint8_t* memory) {
  const baleen_state_shape shape = ShapeOf(args);
  const int64_t size = shape.head_size;
  const int64_t position = batch.positions[row];
  float* kv = reinterpret_cast<float*>(memory);
  LoadRow(*args.kv, row, size, kv);
  RmsNorm(static_cast<const uint16_t*>(args.kv_norm->data), args.epsilon, kv,
          size);
  if (args.common.mode == BALEEN_MODE_REFERENCE) {
    for (int64_t i = 0; i < size; ++i) kv[i] = RoundToBf16(kv[i]);
  }
  Rotate(RopeAt(*args.rope, position), kv + PlainSize(shape), shape.rope_size);
  if (args.block != nullptr) {
    EncodeEntry(shape, kv, RowOf<uint8_t>(*args.block, row));
    return;
  }
  const WindowRing ring(*args.state, batch.slots[batch.sessions[row]]);
  EncodeEntry(shape, kv, ring.At(position));
}

}  // namespace

const char* QkvPostReferenceAccepts(const baleen_qkv_post_args& args) {
  if (args.kv == nullptr || args.kv->rank != 2 ||
      (args.kv->type != BALEEN_TYPE_F32 && args.kv->type != BALEEN_TYPE_BF16)) {
    return "kv is neither bf16 nor f32 [T, K]";
  }
  const int64_t size = args.kv->size[1];
  if (args.rope == nullptr || args.rope->rank != 3 ||
      !IsRope(args.rope, 2 * args.rope->size[2])) {
    return "rope is not f32 [positions, 2, rope_size / 2]";
  }
  const baleen_state_shape shape = ShapeOf(args);
  const char* error = StateShapeError(shape);
  if (error != nullptr) return error;
  if (shape.head_size != size || !IsRope(args.rope, shape.rope_size)) {
    return "kv or rope does not fit the state";
  }
  if (!IsTensor(args.kv_norm, BALEEN_TYPE_BF16, 1, size)) {
    return "kv_norm does not fit kv";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  if ((args.state == nullptr) == (args.block == nullptr)) {
    return "kv goes either to the state or to a block";
  }
  if (args.block != nullptr &&
      !IsTensor(args.block, BALEEN_TYPE_BYTE, 2, EntryBytes(shape))) {
    return "block is not a row of entries";
  }
  if (args.query == nullptr) return nullptr;
  if (args.query->rank != 2 || (args.query->type != BALEEN_TYPE_F32 &&
                                args.query->type != BALEEN_TYPE_BF16)) {
    return "query is neither bf16 nor f32 [T, Q]";
  }
  if (!IsTensor(args.q_norm, BALEEN_TYPE_BF16, 1, args.query->size[1])) {
    return "q_norm does not fit query";
  }
  if (!IsRounded(args.query_rounded) || args.query_rounded->rank != 2 ||
      args.query_rounded->size[1] != args.query->size[1]) {
    return "query_rounded is not of this device's format";
  }
  return nullptr;
}

baleen_status QkvPostReference(const Queue& queue,
                               const baleen_qkv_post_args& args) {
  const BatchView batch(*args.common.batch);
  ForRows(queue, args.common.scratch, batch.rows, RowBytes(args),
          [&](int64_t row, uint8_t* memory) {
            if (args.query != nullptr) NormQuery(args, row, memory);
            StoreKv(args, batch, row, memory);
          });
  return BALEEN_OK;
}

void QkvPostReferenceNeeds(const Device&, const baleen_qkv_post_args& args,
                           baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.kv->size[0], RowBytes(args));
}

}  // namespace baleen::cpu
