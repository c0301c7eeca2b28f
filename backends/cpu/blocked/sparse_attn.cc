// Attention in blocks of 64 keys and 16 heads.
//
// Keys are stored in 584 bytes and widened to floats once for sixteen heads,
// an eighth of the work that is done with them.  Heads of one row go to
// different threads, so that decoding one token is shared as well.
#include <cmath>
#include <limits>

#include "cpu/blocked/row_ops.h"
#include "cpu/reference/rope.h"
#include "cpu/reference/sparse_attn.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

// Rows lie a cache line further apart than they are long; see row_kernels.h.
int64_t StrideOf(int64_t size) { return size + kRowUnit; }

struct Memory {
  Memory(int64_t size, uint8_t* memory)
      : keys(reinterpret_cast<float*>(memory)),
        q(keys + kKeyBlock * StrideOf(size)),
        sums(q + kKernelHeads * StrideOf(size)),
        scores(sums + kKernelHeads * StrideOf(size)),
        highest(scores + kKernelHeads * kKeyBlock),
        denominators(highest + kKernelHeads) {}

  static int64_t Bytes(int64_t size) {
    return ((kKeyBlock + 2 * kKernelHeads) * StrideOf(size) +
            kKernelHeads * (kKeyBlock + 2)) *
           static_cast<int64_t>(sizeof(float));
  }

  float* keys;          // [kKeyBlock, stride]
  float* q;             // [kKernelHeads, stride]
  float* sums;          // [kKernelHeads, stride]
  float* scores;        // [kKernelHeads, kKeyBlock]
  float* highest;       // [kKernelHeads]
  float* denominators;  // [kKernelHeads]
};

AttendBlock Start(const RowKernels& kernels,
                  const baleen_sparse_attn_args& args, int64_t row,
                  int64_t head, const Memory& memory) {
  const int64_t size = args.q->size[2];
  const int64_t stride = StrideOf(size);
  const int64_t heads = std::min(args.q->size[1] - head, kKernelHeads);
  for (int64_t h = 0; h < heads; ++h) {
    kernels.widen(RowOf<const uint16_t>(*args.q, row, head + h), size,
                  memory.q + h * stride);
  }
  std::fill(memory.highest, memory.highest + heads,
            -std::numeric_limits<float>::infinity());
  AttendBlock block = {};
  block.heads = heads;
  block.size = size;
  block.stride = stride;
  block.keys = memory.keys;
  block.q = memory.q;
  block.scores = memory.scores;
  block.sums = memory.sums;
  block.highest = memory.highest;
  block.denominators = memory.denominators;
  block.scale = args.scale;
  block.round = args.common.mode == BALEEN_MODE_REFERENCE;
  return block;
}

void AttendHeads(const RowKernels& kernels, const baleen_sparse_attn_args& args,
                 const BatchView& batch, int64_t row, int64_t head,
                 const Memory& memory) {
  const baleen_state_shape& shape = args.state->shape;
  const EntryLayout layout = {PlainSize(shape), shape.rope_size,
                              EntryScaleOffset(shape)};
  AttendBlock block = Start(kernels, args, row, head, memory);
  const RowKeys keys(args, batch, row);
  // Reference mode rounds the weights of keys against the largest score of all,
  // so a first sweep finds it.
  for (int sweep = block.round ? 0 : 1; sweep < 2; ++sweep) {
    std::fill(memory.sums, memory.sums + block.heads * block.stride, 0.0f);
    std::fill(memory.denominators, memory.denominators + block.heads, 0.0f);
    for (int64_t first = 0; first < keys.count(); first += kKeyBlock) {
      block.key_count = std::min(kKeyBlock, keys.count() - first);
      for (int64_t j = 0; j < block.key_count; ++j) {
        kernels.decode_entry(layout, keys.At(first + j),
                             memory.keys + j * block.stride);
      }
      kernels.attend(block);
    }
  }
  const RopeRow rope = RopeAt(*args.rope, batch.positions[row]);
  for (int64_t h = 0; h < block.heads; ++h) {
    const float sink = static_cast<const float*>(args.sink->data)[head + h];
    kernels.finish_head(
        memory.sums + h * block.stride,
        memory.denominators[h] + std::exp(sink - memory.highest[h]), block.size,
        shape.rope_size, rope.cosines, rope.sines, block.round,
        HeadOut(args, row, head + h));
  }
}

int64_t HeadRuns(const baleen_sparse_attn_args& args) {
  return (args.q->size[1] + kKernelHeads - 1) / kKernelHeads;
}

}  // namespace

const char* SparseAttnBlockedAccepts(const baleen_sparse_attn_args& args) {
  const char* error = SparseAttnReferenceAccepts(args);
  if (error != nullptr) return error;
  // A kernel sums this many elements of a head at once.
  constexpr int64_t kUnit = 64;
  return args.q->size[2] % kUnit == 0 &&
                 args.state->shape.rope_size % kRowUnit == 0
             ? nullptr
             : "the sizes are not multiples of 64 and 16";
}

template <const RowKernels& kKernels>
baleen_status SparseAttnBlocked(const Queue& queue,
                                const baleen_sparse_attn_args& args) {
  const BatchView batch(*args.common.batch);
  const int64_t runs = HeadRuns(args);
  const int64_t size = args.q->size[2];
  ForRows(queue, args.common.scratch, batch.rows * runs, Memory::Bytes(size),
          [&](int64_t i, uint8_t* memory) {
            AttendHeads(kKernels, args, batch, i / runs,
                        i % runs * kKernelHeads, Memory(size, memory));
          });
  return BALEEN_OK;
}

void SparseAttnBlockedNeeds(const Device&, const baleen_sparse_attn_args& args,
                            baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.q->size[0] * HeadRuns(args),
                                       Memory::Bytes(args.q->size[2]));
}

BALEEN_CPU_INSTANTIATE(sparse_attn, SparseAttn)

}  // namespace baleen::cpu
