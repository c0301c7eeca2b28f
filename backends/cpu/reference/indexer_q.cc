// The indexer's queries: rotation, Hadamard transform, rounding to e2m1; and
// the weights of its heads (model.md §8).
#include "cpu/batch.h"
#include "cpu/parallel.h"
#include "cpu/reference/hadamard.h"
#include "cpu/reference/quantize.h"
#include "cpu/reference/rope.h"
#include "cpu/reference/state_ops.h"

namespace baleen::cpu {
namespace {

// Codes of a group to the tensor: packed, or doubled as integers.
void StoreGroup(const uint8_t* codes, baleen_type type, uint8_t* out) {
  if (type == BALEEN_TYPE_F4_E2M1) {
    for (int64_t i = 0; i < kKeyGroup / 2; ++i) {
      out[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    }
    return;
  }
  for (int64_t i = 0; i < kKeyGroup; ++i) {
    out[i] = static_cast<uint8_t>(static_cast<int8_t>(Fp4Twice(codes[i])));
  }
}

void RoundHead(const baleen_indexer_q_args& args, int64_t row, int64_t head,
               int64_t position) {
  const int64_t size = args.iq->size[2];
  const bool round = args.common.mode == BALEEN_MODE_REFERENCE;
  float x[kMaxHeadSize];
  const uint16_t* in = RowOf<const uint16_t>(*args.iq, row, head);
  for (int64_t i = 0; i < size; ++i) x[i] = Bf16ToFloat(in[i]);
  Rotate(RopeAt(*args.rope, position), x + size - args.rope_size,
         args.rope_size);
  for (int64_t i = 0; round && i < size; ++i) x[i] = RoundToBf16(x[i]);
  Hadamard(x, size);
  for (int64_t i = 0; round && i < size; ++i) x[i] = RoundToBf16(x[i]);

  const baleen_tensor& out = *args.iq_rounded;
  const bool packed = out.type == BALEEN_TYPE_F4_E2M1;
  const int64_t first = row * out.stride[0] + head * out.stride[1];
  uint8_t* data =
      static_cast<uint8_t*>(out.data) + (packed ? first / 2 : first);
  const int64_t groups = size / kKeyGroup;
  uint8_t* scales =
      static_cast<uint8_t*>(out.scales) + (row * out.size[1] + head) * groups;
  uint8_t codes[kKeyGroup];
  for (int64_t group = 0; group < groups; ++group) {
    scales[group] = QuantizeFp4(x + group * kKeyGroup, kKeyGroup, codes);
    StoreGroup(codes, out.type,
               data + group * (packed ? kKeyGroup / 2 : kKeyGroup));
  }
}

}  // namespace

const char* IndexerQReferenceAccepts(const baleen_indexer_q_args& args) {
  if (!IsType(args.iq, BALEEN_TYPE_BF16) || args.iq->rank != 3) {
    return "iq is not bf16 [T, I, J]";
  }
  const int64_t heads = args.iq->size[1];
  const int64_t size = args.iq->size[2];
  if (size > kMaxHeadSize || size % kKeyGroup != 0 ||
      (size & (size - 1)) != 0) {
    return "the size of an indexer head is not a power of two from 32 to 1024";
  }
  if (args.rope_size > size || !IsRope(args.rope, args.rope_size)) {
    return "rope does not fit rope_size";
  }
  if (!IsTensor(args.key_weight, BALEEN_TYPE_BF16, 2, heads) ||
      !IsTensor(args.head_weight, BALEEN_TYPE_F32, 2, heads)) {
    return "key_weight or head_weight does not fit iq";
  }
  const baleen_tensor* out = args.iq_rounded;
  if (!IsTensor(out, BALEEN_TYPE_I8, 3, size) &&
      !IsTensor(out, BALEEN_TYPE_F4_E2M1, 3, size)) {
    return "iq_rounded is neither e2m1 nor i8 [T, I, J]";
  }
  if (out->scale_type != BALEEN_TYPE_E8M0 || out->block_columns != kKeyGroup ||
      out->stride[0] % 2 != 0 || out->stride[1] % 2 != 0) {
    return "iq_rounded has no e8m0 scale for each 32";
  }
  if (!IsBatch(args.common.batch)) return "there is no batch";
  return nullptr;
}

baleen_status IndexerQReference(const Queue& queue,
                                const baleen_indexer_q_args& args) {
  const BatchView batch(*args.common.batch);
  const int64_t heads = args.iq->size[1];
  const bool round = args.common.mode == BALEEN_MODE_REFERENCE;
  ParallelFor(queue, batch.rows, [&](int64_t row) {
    const uint16_t* in = RowOf<const uint16_t>(*args.key_weight, row);
    float* out = RowOf<float>(*args.head_weight, row);
    for (int64_t head = 0; head < heads; ++head) {
      RoundHead(args, row, head, batch.positions[row]);
      const float weight = Bf16ToFloat(in[head]) * args.scale;
      out[head] = round ? RoundToBf16(weight) : weight;
    }
  });
  return BALEEN_OK;
}

void IndexerQReferenceNeeds(const Device&, const baleen_indexer_q_args&,
                            baleen_op_needs*) {}

}  // namespace baleen::cpu
