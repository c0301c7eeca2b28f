// Attention over the window and compressed entries (model.md §6).
#include "cpu/reference/sparse_attn.h"

#include <cmath>

#include "cpu/reference/quantize.h"
#include "cpu/reference/rope.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

// What a row needs while it runs: a block of keys, and for each head the sum,
// the largest score so far and the denominator.
struct RowMemory {
  RowMemory(const baleen_sparse_attn_args& args, uint8_t* memory)
      : keys(reinterpret_cast<float*>(memory)),
        sums(keys + kKeyBlock * args.q->size[2]),
        highest(sums + args.q->size[1] * args.q->size[2]),
        denominators(highest + args.q->size[1]) {}

  static int64_t Bytes(const baleen_sparse_attn_args& args) {
    const int64_t heads = args.q->size[1];
    const int64_t size = args.q->size[2];
    return ((kKeyBlock + heads) * size + 2 * heads) *
           static_cast<int64_t>(sizeof(float));
  }

  float* keys;          // [kKeyBlock, K]
  float* sums;          // [H, K]
  float* highest;       // [H]
  float* denominators;  // [H]
};

void AddBlock(const baleen_sparse_attn_args& args, int64_t row, int64_t head,
              int64_t count, const RowMemory& memory) {
  const int64_t size = args.q->size[2];
  const uint16_t* q = RowOf<const uint16_t>(*args.q, row, head);
  float scores[kKeyBlock];
  float highest = memory.highest[head];
  for (int64_t j = 0; j < count; ++j) {
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) {
      sum += static_cast<double>(Bf16ToFloat(q[i])) *
             static_cast<double>(memory.keys[j * size + i]);
    }
    scores[j] = static_cast<float>(sum) * args.scale;
    highest = std::fmax(highest, scores[j]);
  }
  const float shrink = std::exp(memory.highest[head] - highest);
  float* sums = memory.sums + head * size;
  for (int64_t i = 0; i < size; ++i) sums[i] *= shrink;
  float denominator = memory.denominators[head] * shrink;
  for (int64_t j = 0; j < count; ++j) {
    float p = std::exp(scores[j] - highest);
    denominator += p;
    if (args.common.mode == BALEEN_MODE_REFERENCE) p = RoundToBf16(p);
    for (int64_t i = 0; i < size; ++i) sums[i] += p * memory.keys[j * size + i];
  }
  memory.denominators[head] = denominator;
  memory.highest[head] = highest;
}

void FinishHead(const baleen_sparse_attn_args& args, int64_t row, int64_t head,
                int64_t position, const RowMemory& memory) {
  const int64_t size = args.q->size[2];
  const int64_t rope_size = args.state->shape.rope_size;
  const float sink = static_cast<const float*>(args.sink->data)[head];
  const float denominator =
      memory.denominators[head] + std::exp(sink - memory.highest[head]);
  float* sums = memory.sums + head * size;
  const bool round = args.common.mode == BALEEN_MODE_REFERENCE;
  for (int64_t i = 0; i < size; ++i) {
    sums[i] /= denominator;
    if (round) sums[i] = RoundToBf16(sums[i]);
  }
  RotateBack(RopeAt(*args.rope, position), sums + size - rope_size, rope_size);
  uint16_t* out = HeadOut(args, row, head);
  for (int64_t i = 0; i < size; ++i) out[i] = Bf16FromFloat(sums[i]);
}

void AttendRow(const baleen_sparse_attn_args& args, const BatchView& batch,
               int64_t row, const RowMemory& memory) {
  const int64_t heads = args.q->size[1];
  const int64_t size = args.q->size[2];
  std::fill(memory.highest, memory.highest + heads, -INFINITY);
  const RowKeys keys(args, batch, row);
  // Reference mode rounds the weights of keys against the largest score of all,
  // so a first sweep finds it.
  const bool reference = args.common.mode == BALEEN_MODE_REFERENCE;
  for (int sweep = reference ? 0 : 1; sweep < 2; ++sweep) {
    std::fill(memory.sums, memory.sums + heads * size, 0.0f);
    std::fill(memory.denominators, memory.denominators + heads, 0.0f);
    for (int64_t first = 0; first < keys.count(); first += kKeyBlock) {
      const int64_t count = std::min(kKeyBlock, keys.count() - first);
      for (int64_t j = 0; j < count; ++j) {
        DecodeEntry(args.state->shape, keys.At(first + j),
                    memory.keys + j * size);
      }
      for (int64_t head = 0; head < heads; ++head) {
        AddBlock(args, row, head, count, memory);
      }
    }
  }
  for (int64_t head = 0; head < heads; ++head) {
    FinishHead(args, row, head, batch.positions[row], memory);
  }
}

}  // namespace

const char* SparseAttnReferenceAccepts(const baleen_sparse_attn_args& args) {
  if (args.state == nullptr) return "there is no state";
  const baleen_state_shape& shape = args.state->shape;
  const char* error = StateShapeError(shape);
  if (error != nullptr) return error;
  if (!IsTensor(args.q, BALEEN_TYPE_BF16, 3, shape.head_size)) {
    return "q does not fit the state";
  }
  const int64_t heads = args.q->size[1];
  if (!IsTensor(args.sink, BALEEN_TYPE_F32, 1, heads)) {
    return "sink does not fit q";
  }
  if (!IsRope(args.rope, shape.rope_size)) {
    return "rope does not fit the state";
  }
  if (!IsType(args.out, BALEEN_TYPE_BF16) || args.out->rank != 3 ||
      args.out->size[2] % shape.head_size != 0 ||
      args.out->size[1] * args.out->size[2] != heads * shape.head_size) {
    return "out is not bf16 [T, G, H / G * K]";
  }
  if (args.selected != nullptr && (!IsType(args.selected, BALEEN_TYPE_I32) ||
                                   !IsType(args.count, BALEEN_TYPE_I32))) {
    return "selected or count is not i32";
  }
  if (args.selected != nullptr && shape.ratio == 0) {
    return "a layer of ratio 0 has no compressed entries";
  }
  if (args.block != nullptr &&
      !IsTensor(args.block, BALEEN_TYPE_BYTE, 2, EntryBytes(shape))) {
    return "block is not a row of entries";
  }
  if (args.window == 0 || args.window > shape.ring_rows) {
    return "the window is empty, or larger than its ring";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

baleen_status SparseAttnReference(const Queue& queue,
                                  const baleen_sparse_attn_args& args) {
  const BatchView batch(*args.common.batch);
  ForRows(queue, args.common.scratch, batch.rows, RowMemory::Bytes(args),
          [&](int64_t row, uint8_t* memory) {
            AttendRow(args, batch, row, RowMemory(args, memory));
          });
  return BALEEN_OK;
}

void SparseAttnReferenceNeeds(const Device&,
                              const baleen_sparse_attn_args& args,
                              baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.q->size[0], RowMemory::Bytes(args));
}

}  // namespace baleen::cpu
