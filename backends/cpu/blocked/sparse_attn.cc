// Attention in blocks of 64 keys and 16 heads.
//
// Keys are stored in 584 bytes and widened to floats, a quarter of the time of
// what sixteen heads do with them.  So where there are many rows a task takes
// more heads of a row; of few rows the heads go to different threads, so that
// decoding one token is shared as well.
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

// Runs of kKernelHeads heads of a row, and how many of them a task takes in a
// step of so many rows: tasks are to suffice for any desktop's threads.
int64_t HeadRuns(const baleen_sparse_attn_args& args) {
  return (args.q->size[1] + kKernelHeads - 1) / kKernelHeads;
}
int64_t RunsOfTask(const baleen_sparse_attn_args& args, int64_t rows) {
  constexpr int64_t kTasks = 32;
  return std::clamp<int64_t>(rows * HeadRuns(args) / kTasks, 1, HeadRuns(args));
}

// What a run of heads has.
struct RunMemory {
  RunMemory(int64_t size, float* memory)
      : q(memory),
        sums(q + kKernelHeads * StrideOf(size)),
        scores(sums + kKernelHeads * StrideOf(size)),
        highest(scores + kKernelHeads * kKeyBlock),
        denominators(highest + kKernelHeads) {}

  static int64_t Floats(int64_t size) {
    return 2 * kKernelHeads * StrideOf(size) + kKernelHeads * (kKeyBlock + 2);
  }

  float* q;             // [kKernelHeads, stride]
  float* sums;          // [kKernelHeads, stride]
  float* scores;        // [kKernelHeads, kKeyBlock]
  float* highest;       // [kKernelHeads]
  float* denominators;  // [kKernelHeads]
};

// What a task has: keys, [kKeyBlock, stride], and its runs of heads.
struct Memory {
  Memory(int64_t head_size, uint8_t* memory)
      : size(head_size), keys(reinterpret_cast<float*>(memory)) {}

  static int64_t Bytes(int64_t size, int64_t runs) {
    return (kKeyBlock * StrideOf(size) + runs * RunMemory::Floats(size)) *
           static_cast<int64_t>(sizeof(float));
  }
  RunMemory Run(int64_t run) const {
    return RunMemory(size, keys + kKeyBlock * StrideOf(size) +
                               run * RunMemory::Floats(size));
  }

  int64_t size;
  float* keys;
};

AttendBlock BlockOf(const baleen_sparse_attn_args& args, int64_t head,
                    const Memory& memory, int64_t run) {
  const RunMemory mine = memory.Run(run);
  AttendBlock block = {};
  block.heads = std::min(args.q->size[1] - head, kKernelHeads);
  block.size = memory.size;
  block.stride = StrideOf(memory.size);
  block.keys = memory.keys;
  block.q = mine.q;
  block.scores = mine.scores;
  block.sums = mine.sums;
  block.highest = mine.highest;
  block.denominators = mine.denominators;
  block.scale = args.scale;
  block.round = args.common.mode == BALEEN_MODE_REFERENCE;
  return block;
}

void Start(const RowKernels& kernels, const baleen_sparse_attn_args& args,
           int64_t row, int64_t head, const AttendBlock& block, float* q) {
  for (int64_t h = 0; h < block.heads; ++h) {
    kernels.widen(RowOf<const uint16_t>(*args.q, row, head + h), block.size,
                  q + h * block.stride);
  }
  std::fill(block.highest, block.highest + block.heads,
            -std::numeric_limits<float>::infinity());
}

void Finish(const RowKernels& kernels, const baleen_sparse_attn_args& args,
            const RopeRow& rope, int64_t row, int64_t head,
            const AttendBlock& block) {
  for (int64_t h = 0; h < block.heads; ++h) {
    const float sink = static_cast<const float*>(args.sink->data)[head + h];
    kernels.finish_head(
        block.sums + h * block.stride,
        block.denominators[h] + std::exp(sink - block.highest[h]), block.size,
        args.state->shape.rope_size, rope.cosines, rope.sines, block.round,
        HeadOut(args, row, head + h));
  }
}

// `runs` runs of heads of a row, from `first_run` on.
void AttendHeads(const RowKernels& kernels, const baleen_sparse_attn_args& args,
                 const BatchView& batch, int64_t row, int64_t first_run,
                 int64_t runs, const Memory& memory) {
  const baleen_state_shape& shape = args.state->shape;
  const EntryLayout layout = {PlainSize(shape), shape.rope_size,
                              EntryScaleOffset(shape)};
  const auto head_of = [&](int64_t run) {
    return (first_run + run) * kKernelHeads;
  };
  for (int64_t run = 0; run < runs; ++run) {
    Start(kernels, args, row, head_of(run),
          BlockOf(args, head_of(run), memory, run), memory.Run(run).q);
  }
  const RowKeys keys(args, batch, row);
  // Reference mode rounds the weights of keys against the largest score of all,
  // so a first sweep finds it.
  const bool round = args.common.mode == BALEEN_MODE_REFERENCE;
  for (int sweep = round ? 0 : 1; sweep < 2; ++sweep) {
    for (int64_t run = 0; run < runs; ++run) {
      const AttendBlock block = BlockOf(args, head_of(run), memory, run);
      std::fill(block.sums, block.sums + block.heads * block.stride, 0.0f);
      std::fill(block.denominators, block.denominators + block.heads, 0.0f);
    }
    for (int64_t first = 0; first < keys.count(); first += kKeyBlock) {
      const int64_t count = std::min(kKeyBlock, keys.count() - first);
      for (int64_t j = 0; j < count; ++j) {
        kernels.decode_entry(layout, keys.At(first + j),
                             memory.keys + j * StrideOf(memory.size));
      }
      for (int64_t run = 0; run < runs; ++run) {
        AttendBlock block = BlockOf(args, head_of(run), memory, run);
        block.key_count = count;
        kernels.attend(block);
      }
    }
  }
  const RopeRow rope = RopeAt(*args.rope, batch.positions[row]);
  for (int64_t run = 0; run < runs; ++run) {
    Finish(kernels, args, rope, row, head_of(run),
           BlockOf(args, head_of(run), memory, run));
  }
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
  const int64_t together = RunsOfTask(args, batch.rows);
  const int64_t tasks = (runs + together - 1) / together;
  const int64_t size = args.q->size[2];
  ForRows(queue, args.common.scratch, batch.rows * tasks,
          Memory::Bytes(size, together), [&](int64_t i, uint8_t* memory) {
            const int64_t first = i % tasks * together;
            AttendHeads(kKernels, args, batch, i / tasks, first,
                        std::min(together, runs - first), Memory(size, memory));
          });
  return BALEEN_OK;
}

// Fewer rows than there is room for are more tasks of less memory each.
void SparseAttnBlockedNeeds(const Device&, const baleen_sparse_attn_args& args,
                            baleen_op_needs* needs) {
  const int64_t rows = args.q->size[0];
  needs->scratch_bytes =
      RowRunScratch(rows * HeadRuns(args),
                    Memory::Bytes(args.q->size[2], RunsOfTask(args, rows)));
}

BALEEN_CPU_INSTANTIATE(sparse_attn, SparseAttn)

}  // namespace baleen::cpu
