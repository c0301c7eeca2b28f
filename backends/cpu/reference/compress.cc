// Pools groups of rows into compressed entries and indexer keys (model.md §7).
//
// Everything follows from positions: rows of this step are read where they
// come in, earlier ones from the tail, and only when all groups are done do
// rows go into the tail.  So a sequence may be cut into steps anywhere, and
// rows may come again.
#include "cpu/reference/compress.h"

#include <cmath>

#include "cpu/parallel.h"
#include "cpu/reference/hadamard.h"
#include "cpu/reference/quantize.h"
#include "cpu/reference/rms_norm.h"
#include "cpu/reference/rope.h"
#include "cpu/reference/state_ops.h"

namespace baleen::cpu {
namespace {

int64_t PooledSize(const baleen_compress_args& args) {
  return args.pool == BALEEN_POOL_KEYS ? args.state->shape.key_size
                                       : args.state->shape.head_size;
}

void RoundRow(baleen_mode mode, float* x, int64_t size) {
  if (mode != BALEEN_MODE_REFERENCE) return;
  for (int64_t i = 0; i < size; ++i) x[i] = RoundToBf16(x[i]);
}

}  // namespace

void PoolGroup(const GroupRow* rows, int64_t count, int64_t size,
               float* pooled) {
  float gates[kMaxGroupRows];
  for (int64_t i = 0; i < size; ++i) {
    float highest = -INFINITY;
    for (int64_t j = 0; j < count; ++j) {
      gates[j] = rows[j].ape == nullptr ? rows[j].gate[i]
                                        : rows[j].gate[i] + rows[j].ape[i];
      highest = std::fmax(highest, gates[j]);
    }
    float sum = 0;
    for (int64_t j = 0; j < count; ++j) {
      gates[j] = std::exp(gates[j] - highest);
      sum += gates[j];
    }
    float value = 0;
    for (int64_t j = 0; j < count; ++j) {
      value += rows[j].value[i] * (gates[j] / sum);
    }
    pooled[i] = value;
  }
}

bool EndsGroup(const baleen_compress_args& args, const BatchView& batch,
               int64_t row) {
  const int64_t ratio = args.state->shape.ratio;
  const int64_t position = batch.positions[row];
  if ((position + 1) % ratio != 0) return false;
  if (args.frozen == nullptr) return true;
  const int32_t* frozen = static_cast<const int32_t*>(args.frozen->data);
  return position / ratio >= frozen[batch.sessions[row]];
}

int64_t GroupRows(const baleen_compress_args& args, const BatchView& batch,
                  int64_t row, GroupRow* rows) {
  const baleen_state_shape& shape = args.state->shape;
  const int64_t ratio = shape.ratio;
  const int64_t halves = OverlapFactor(shape);
  const int64_t size = PooledSize(args);
  const int64_t session = batch.sessions[row];
  const int64_t last = batch.positions[row];
  const int64_t first = std::max<int64_t>(last + 1 - halves * ratio, 0);
  const int64_t step_first = batch.positions[batch.starts[session]];
  const TailRing tail(*args.state, batch.slots[session]);
  int64_t count = 0;
  for (int64_t position = first; position <= last; ++position) {
    // The group before gives its first half, this one its second.
    const int64_t half = halves == 2 && position > last - ratio ? size : 0;
    GroupRow& out = rows[count++];
    if (position >= step_first) {
      const int64_t from = row - (last - position);
      out.value = RowOf<const float>(*args.value, from) + half;
      out.gate = RowOf<const float>(*args.gate, from) + half;
      out.ape = RowOf<const float>(*args.ape, position % ratio) + half;
    } else {
      const float* stored = tail.At(position) + TailOffset(shape, args.pool);
      out = {stored + half, stored + halves * size + half, nullptr};
    }
  }
  return count;
}

void StorePooled(const baleen_compress_args& args, const BatchView& batch,
                 int64_t row, float* pooled) {
  const baleen_state_shape& shape = args.state->shape;
  const int64_t size = PooledSize(args);
  const int64_t entry = int64_t{batch.positions[row]} / shape.ratio;
  const baleen_mode mode = args.common.mode;
  RoundRow(mode, pooled, size);
  RmsNorm(static_cast<const uint16_t*>(args.norm->data), args.epsilon, pooled,
          size);
  RoundRow(mode, pooled, size);
  Rotate(RopeAt(*args.rope, entry * shape.ratio),
         pooled + size - shape.rope_size, shape.rope_size);
  RoundRow(mode, pooled, size);
  const PagedEntries entries(*args.state, args.pool,
                             batch.PagesOf(batch.sessions[row]));
  if (args.pool == BALEEN_POOL_ENTRIES) {
    EncodeEntry(shape, pooled, entries.At(entry));
    return;
  }
  Hadamard(pooled, size);
  RoundRow(mode, pooled, size);
  uint8_t key[kMaxHeadSize];
  EncodeKey(shape, pooled, key);
  StoreKey(shape, entries.Page(entry), entries.InPage(entry), key);
}

void StoreTailRow(const baleen_compress_args& args, const BatchView& batch,
                  int64_t row) {
  const baleen_state_shape& shape = args.state->shape;
  const int64_t width = OverlapFactor(shape) * PooledSize(args);
  const int64_t session = batch.sessions[row];
  const int64_t position = batch.positions[row];
  const TailRing tail(*args.state, batch.slots[session]);
  const int64_t last = batch.positions[batch.starts[session + 1] - 1];
  if (position + tail.rows() <= last) return;
  const float* value = RowOf<const float>(*args.value, row);
  const float* gate = RowOf<const float>(*args.gate, row);
  const float* ape = RowOf<const float>(*args.ape, position % shape.ratio);
  float* stored = tail.At(position) + TailOffset(shape, args.pool);
  for (int64_t i = 0; i < width; ++i) {
    stored[i] = value[i];
    stored[width + i] = gate[i] + ape[i];
  }
}

const char* CompressReferenceAccepts(const baleen_compress_args& args) {
  if (args.state == nullptr) return "there is no state";
  const baleen_state_shape& shape = args.state->shape;
  const char* error = StateShapeError(shape);
  if (error != nullptr) return error;
  if (shape.ratio == 0) return "a layer of ratio 0 has no compressor";
  if (args.pool != BALEEN_POOL_ENTRIES && args.pool != BALEEN_POOL_KEYS) {
    return "the pool is neither that of entries nor that of keys";
  }
  const int64_t size = PooledSize(args);
  if (args.pool == BALEEN_POOL_KEYS &&
      (size == 0 || (size & (size - 1)) != 0)) {
    return "the size of an indexer key is not a power of two";
  }
  const int64_t width = OverlapFactor(shape) * size;
  if (!IsTensor(args.value, BALEEN_TYPE_F32, 2, width) ||
      !IsTensor(args.gate, BALEEN_TYPE_F32, 2, width)) {
    return "value or gate does not fit the state";
  }
  if (!IsTensor(args.ape, BALEEN_TYPE_F32, 2, width) ||
      args.ape->size[0] != int64_t{shape.ratio}) {
    return "ape does not fit the state";
  }
  if (!IsTensor(args.norm, BALEEN_TYPE_BF16, 1, size)) {
    return "norm does not fit the state";
  }
  if (!IsRope(args.rope, shape.rope_size)) {
    return "rope does not fit the state";
  }
  if (args.frozen != nullptr && !IsType(args.frozen, BALEEN_TYPE_I32)) {
    return "frozen is not i32 [S]";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

baleen_status CompressReference(const Queue& queue,
                                const baleen_compress_args& args) {
  const BatchView batch(*args.common.batch);
  ParallelFor(queue, batch.rows, [&](int64_t row) {
    if (!EndsGroup(args, batch, row)) return;
    GroupRow rows[kMaxGroupRows];
    float pooled[kMaxHeadSize];
    const int64_t count = GroupRows(args, batch, row, rows);
    PoolGroup(rows, count, PooledSize(args), pooled);
    StorePooled(args, batch, row, pooled);
  });
  ParallelFor(queue, batch.rows,
              [&](int64_t row) { StoreTailRow(args, batch, row); });
  return BALEEN_OK;
}

void CompressReferenceNeeds(const Device&, const baleen_compress_args&,
                            baleen_op_needs* needs) {
  needs->launches = 2;
}

}  // namespace baleen::cpu
