// Weights for few rows by asynchronous copies.
//
// Each warp has a ring of stages in shared memory.  Stages are filled in the
// order in which the warp multiplies, over the ends of tiles and experts, so that
// bytes are under way while sums are folded and stored.  Blocks are then
// multiplied as products.h does, in the same order: the same bits.
//
// At once under way, by two blocks of threads of a processor: up to 128 KB, where
// an H200 needs 4.3 TB/s * 0.8 us / 132 = 26 KB to keep its memory busy.
#pragma once

#include "cuda/kernels/async_copy.h"
#include "cuda/kernels/products.h"
#include "cuda/launch.h"

namespace baleen::cuda {

constexpr int kStages = 4;
// A block of e4m3, two of e2m1, half of one of bf16.
constexpr int kStageBytes = 2048;
constexpr int kStageScaleBytes = 128;

struct Stage {
  alignas(128) uint8_t data[kStageBytes];
  uint8_t scales[kStageScaleBytes];
};
struct WarpRing {
  Stage stages[kStages];
  CopyBarrier full[kStages];
};
constexpr size_t kRingBytes = kSlices * sizeof(WarpRing);

// A warp's slice of a tile: blocks that follow each other.
struct SliceRun {
  TileView tile;
  int32_t type;
  int32_t block;
  int32_t end;
};

BALEEN_DEVICE SliceRun SliceOfTile(const Matrix& matrix, const uint8_t* base,
                                   int tile) {
  const int blocks = static_cast<int>(BlocksOf(matrix.columns));
  return {TileAt(matrix, base, tile), matrix.type,
          SliceBegin(WarpIndex(), blocks), SliceBegin(WarpIndex() + 1, blocks)};
}

// The 16 bytes that the scale of an e4m3 block lies in: a copy takes no less.
BALEEN_DEVICE const uint8_t* ScaleWindow(const TileView& tile, int block,
                                         uint32_t* offset) {
  const uint8_t* scale = tile.scales + block * BlockScaleBytes(kFp8);
  *offset = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(scale) % 16);
  return scale - *offset;
}

// Of one warp.  `Runs` gives its slices one after another: bool(SliceRun*),
// false when there are no more.
template <typename Runs>
class WeightStream {
 public:
  __device__ explicit WeightStream(const Runs& runs)
      : ring_(static_cast<WarpRing*>(SharedMemory()) + WarpIndex()),
        runs_(runs),
        run_{} {
    if (Lane() == 0) {
      for (int i = 0; i < kStages; ++i) InitCopyBarrier(&ring_->full[i]);
    }
    __syncwarp();
    for (int i = 0; i < kStages; ++i) Fill();
  }

  // The stage that is `ahead` of the next one, once it is full.
  __device__ const Stage& Wait(uint32_t ahead = 0) {
    const uint32_t at = used_ + ahead;
    WaitForCopies(&ring_->full[at % kStages], at / kStages % 2);
    return ring_->stages[at % kStages];
  }

  // The next stage has been read by the lane: when all have, it is filled again.
  __device__ void Release() {
    __syncwarp();
    ++used_;
    Fill();
  }

 private:
  __device__ void Fill() {
    while (run_.block == run_.end && !ended_) {
      half_ = 0;
      ended_ = !runs_(&run_);
      if (ended_) run_ = {};
    }
    if (ended_) return;
    Stage* const stage = &ring_->stages[filled_ % kStages];
    CopyBarrier* const full = &ring_->full[filled_ % kStages];
    ++filled_;
    const TileView& tile = run_.tile;
    const uint8_t* data = tile.data + run_.block * BlockBytes(run_.type);
    if (run_.type == kBf16) {
      CopyToShared(stage->data, data + half_ * kStageBytes, kStageBytes,
                   stage->scales, nullptr, 0, full);
      run_.block += half_;
      half_ ^= 1;
    } else if (run_.type == kFp8) {
      uint32_t offset;
      const uint8_t* scales = ScaleWindow(tile, run_.block, &offset);
      CopyToShared(stage->data, data, kStageBytes, stage->scales, scales, 16,
                   full);
      ++run_.block;
    } else {
      const int left = run_.end - run_.block;
      const int count = left < 2 ? left : 2;
      CopyToShared(
          stage->data, data, static_cast<uint32_t>(count * BlockBytes(kFp4)),
          stage->scales, tile.scales + run_.block * BlockScaleBytes(kFp4),
          static_cast<uint32_t>(count * BlockScaleBytes(kFp4)), full);
      run_.block += count;
    }
  }

  WarpRing* ring_;
  Runs runs_;
  SliceRun run_;
  int half_ = 0;  // Of a bf16 block.
  bool ended_ = false;
  uint32_t filled_ = 0;
  uint32_t used_ = 0;
};

// Vectors `first` on of a lane's part of a block.
template <int kType>
BALEEN_DEVICE void ReadVectors(const uint8_t* data, int first, int count,
                               WeightBlock<kType>* out) {
#pragma unroll
  for (int i = 0; i < VectorsOf<kType>(); ++i) {
    if (i < first || i >= first + count) continue;
    out->vectors[i] = Load16(data + (i - first) * 512 + Lane() * 16);
  }
}

// This warp's slice of a tile of kTokens times 8 rows, as MultiplySliceOf; the
// stream is at its first stage.
template <int kType, int kTokens, typename Runs>
BALEEN_DEVICE void StreamSliceOf(WeightStream<Runs>* stream,
                                 const SliceRun& run, int columns,
                                 const ActivationRow* rows, float (*slice)[4]) {
  for (int block = run.block; block < run.end; ++block) {
    WeightBlock<kType> now;
    if constexpr (kType == kBf16) {
      constexpr int kHalf = VectorsOf<kType>() / 2;
      ReadVectors(stream->Wait().data, 0, kHalf, &now);
      ReadVectors(stream->Wait(1).data, kHalf, kHalf, &now);
      stream->Release();
      stream->Release();
    } else if constexpr (kType == kFp8) {
      const Stage& stage = stream->Wait();
      ReadVectors(stage.data, 0, VectorsOf<kType>(), &now);
      uint32_t offset;
      ScaleWindow(run.tile, block, &offset);
      now.scales[0] = *reinterpret_cast<const uint32_t*>(&stage.scales[offset]);
      stream->Release();
    } else {
      const int half = (block - run.block) % 2;
      const Stage& stage = stream->Wait();
      ReadVectors(stage.data + half * BlockBytes(kFp4), 0, VectorsOf<kType>(),
                  &now);
      const uint32_t* scales = reinterpret_cast<const uint32_t*>(
          stage.scales + half * BlockScaleBytes(kFp4));
      now.scales[0] = scales[Lane() / 4];
      now.scales[1] = scales[Lane() / 4 + 8];
      if (half == 1 || block + 1 == run.end) stream->Release();
    }
    const int k = block * kBlockColumns + Lane() % 4 * 8;
    MultiplyBlock<kType, kTokens>(
        now,
        [&](int n, int part) {
          return LoadActivations(rows[n], k + part * 32, columns);
        },
        slice);
  }
}

template <int kTokens, typename Runs, typename RowOf>
BALEEN_DEVICE void StreamSlice(WeightStream<Runs>* stream, const Matrix& matrix,
                               const uint8_t* base, int tile,
                               const RowOf& row_of, float (*slice)[4]) {
  const SliceRun run = SliceOfTile(matrix, base, tile);
  ActivationRow rows[kTokens];
#pragma unroll
  for (int n = 0; n < kTokens; ++n) rows[n] = row_of(n);
  if (matrix.type == kBf16) {
    StreamSliceOf<kBf16, kTokens>(stream, run, matrix.columns, rows, slice);
  } else if (matrix.type == kFp8) {
    StreamSliceOf<kFp8, kTokens>(stream, run, matrix.columns, rows, slice);
  } else {
    StreamSliceOf<kFp4, kTokens>(stream, run, matrix.columns, rows, slice);
  }
}

// Blocks of threads for `units` of work that each goes through in steps of their
// number; 0: the operator's weights do not come by copies, since the setting or
// too little shared memory, of which its kernel declares some, is against it.
inline int64_t StreamBlocks(const Queue& queue, size_t declared,
                            int64_t units) {
  constexpr size_t kReserved = 1024;  // Of each, by the runtime.
  constexpr size_t kMostOfProcessor = 2;
  const Device& device = *queue.device;
  const size_t each = kRingBytes + declared + kReserved;
  size_t blocks = (device.shared_bytes() + kReserved) / each;
  if ((device.settings().bulk_copies >> queue.op & 1) == 0) blocks = 0;
  if (blocks > kMostOfProcessor) blocks = kMostOfProcessor;
  const int64_t all = static_cast<int64_t>(blocks) * device.processors();
  return all < units ? all : units;
}

// Starts a kernel whose weights come by copies.
template <typename Params>
baleen_status LaunchStream(const Queue& queue, void (*kernel)(Params),
                           dim3 grid, int threads, const Params& params) {
  const baleen_status status = AllowShared(*queue.device, kernel, kRingBytes);
  if (status != BALEEN_OK) return status;
  return Launch(queue, kernel, grid, threads, kRingBytes, params);
}

}  // namespace baleen::cuda
