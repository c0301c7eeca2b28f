// The indexer's queries with vectors, a few heads at a time, so that those of one
// row are shared among the threads.
#include "cpu/batch.h"
#include "cpu/blocked/row_ops.h"
#include "cpu/parallel.h"
#include "cpu/reference/rope.h"
#include "cpu/reference/state_ops.h"
#include "numeric/fp4.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kHeadsTogether = 8;

// Two values of twice e2m1 as a byte of codes.
uint8_t PackPair(int8_t low, int8_t high) {
  // By twice the magnitude, 0 to 12; there is no 5, 7, 9, 10 or 11.
  constexpr uint8_t kCodes[13] = {0, 1, 2, 3, 4, 0, 5, 0, 6, 0, 0, 0, 7};
  const auto code = [&](int8_t twice) {
    return twice < 0 ? kCodes[-twice] | 8 : int{kCodes[twice]};
  };
  return static_cast<uint8_t>(code(low) | code(high) << 4);
}

void RoundHead(const RowKernels& kernels, const baleen_indexer_q_args& args,
               int64_t row, int64_t head, int64_t position) {
  const int64_t size = args.iq->size[2];
  float x[kMaxHeadSize];
  kernels.widen(RowOf<const uint16_t>(*args.iq, row, head), size, x);
  Rotate(RopeAt(*args.rope, position), x + size - args.rope_size,
         args.rope_size);
  const baleen_tensor& out = *args.iq_rounded;
  const int64_t first = row * out.stride[0] + head * out.stride[1];
  uint8_t* scales = static_cast<uint8_t*>(out.scales) +
                    (row * out.size[1] + head) * (size / kKeyGroup);
  const bool round = args.common.mode == BALEEN_MODE_REFERENCE;
  if (out.type == BALEEN_TYPE_I8) {
    kernels.transform(x, size, round, static_cast<int8_t*>(out.data) + first,
                      scales);
    return;
  }
  int8_t twice[kMaxHeadSize];
  kernels.transform(x, size, round, twice, scales);
  uint8_t* packed = static_cast<uint8_t*>(out.data) + first / 2;
  for (int64_t i = 0; i < size / 2; ++i) {
    packed[i] = PackPair(twice[2 * i], twice[2 * i + 1]);
  }
}

}  // namespace

const char* IndexerQBlockedAccepts(const baleen_indexer_q_args& args) {
  return IndexerQReferenceAccepts(args);
}

template <const RowKernels& kKernels>
baleen_status IndexerQBlocked(const Queue& queue,
                              const baleen_indexer_q_args& args) {
  const BatchView batch(*args.common.batch);
  const int64_t heads = args.iq->size[1];
  const int64_t runs = (heads + kHeadsTogether - 1) / kHeadsTogether;
  const bool round = args.common.mode == BALEEN_MODE_REFERENCE;
  ParallelFor(queue, batch.rows * runs, [&](int64_t i) {
    const int64_t row = i / runs;
    const int64_t first = i % runs * kHeadsTogether;
    const int64_t end = std::min(first + kHeadsTogether, heads);
    for (int64_t head = first; head < end; ++head) {
      RoundHead(kKernels, args, row, head, batch.positions[row]);
      const float weight =
          Bf16ToFloat(RowOf<const uint16_t>(*args.key_weight, row)[head]) *
          args.scale;
      RowOf<float>(*args.head_weight, row)[head] =
          round ? RoundToBf16(weight) : weight;
    }
  });
  return BALEEN_OK;
}

void IndexerQBlockedNeeds(const Device&, const baleen_indexer_q_args&,
                          baleen_op_needs*) {}

BALEEN_CPU_INSTANTIATE(indexer_q, IndexerQ)

}  // namespace baleen::cpu
