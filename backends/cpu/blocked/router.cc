// Routing with vectors: products of a few rows with each expert's gate at once,
// so that the gate (2 MB for V4-Flash) is read once for them.
#include "cpu/reference/router.h"
#include "cpu/batch.h"
#include "cpu/blocked/row_ops.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kRowsTogether = 4;
// A run of experts that a thread takes; 256 KB of V4-Flash's gate.
constexpr int64_t kExpertsTogether = 32;

// The rows, widened.
int64_t RowBytes(const baleen_router_args& args) {
  return kRowsTogether * args.u->size[1] * static_cast<int64_t>(sizeof(float));
}

// `rows` rows from `row` on, widened, to `u`.
void WidenRows(const RowKernels& kernels, const baleen_router_args& args,
               int64_t row, int64_t rows, float* u) {
  const int64_t size = args.u->size[1];
  for (int64_t r = 0; r < rows; ++r) {
    kernels.widen(RowOf<const uint16_t>(*args.u, row + r), size, u + r * size);
  }
}

// Their scores for `count` experts, of which expert_at(i) is one.
template <typename ExpertAt>
void ScoreExperts(const RowKernels& kernels, const baleen_router_args& args,
                  const float* u, int64_t row, int64_t rows, int64_t count,
                  const ExpertAt& expert_at, float* scores) {
  const uint16_t* gates[kExpertsTogether] = {};
  float products[kRowsTogether * kExpertsTogether];
  for (int64_t i = 0; i < count; ++i) {
    gates[i] = RowOf<const uint16_t>(*args.gate, expert_at(i));
  }
  kernels.gate(gates, count, u, rows, args.u->size[1], products);
  for (int64_t r = 0; r < rows; ++r) {
    float* to = scores + (row + r) * args.gate->size[0];
    for (int64_t i = 0; i < count; ++i) {
      to[expert_at(i)] = GateScore(products[r * count + i]);
    }
  }
}

void RouteByTable(const RowKernels& kernels, const baleen_router_args& args,
                  int64_t row, float* u, float* scores) {
  TableExperts(args, row);
  WidenRows(kernels, args, row, 1, u);
  const int32_t* experts = RowOf<int32_t>(*args.experts, row);
  const int64_t count = args.experts->size[1];
  for (int64_t first = 0; first < count; first += kExpertsTogether) {
    ScoreExperts(
        kernels, args, u, row, 1, std::min(kExpertsTogether, count - first),
        [&](int64_t i) { return experts[first + i]; }, scores);
  }
}

void RouteByScore(const Queue& queue, const RowKernels& kernels,
                  const baleen_router_args& args, int64_t rows, float* scores,
                  void* memory) {
  const int64_t experts = args.gate->size[0];
  const int64_t runs = (experts + kExpertsTogether - 1) / kExpertsTogether;
  const int64_t groups = (rows + kRowsTogether - 1) / kRowsTogether;
  ForRows(queue, memory, groups * runs, RowBytes(args),
          [&](int64_t i, uint8_t* run_memory) {
            // A run of experts stays in the cache for all rows.
            const int64_t row = i % groups * kRowsTogether;
            const int64_t count = std::min(rows - row, kRowsTogether);
            const int64_t first = i / groups * kExpertsTogether;
            const int64_t size = std::min(kExpertsTogether, experts - first);
            float* u = reinterpret_cast<float*>(run_memory);
            WidenRows(kernels, args, row, count, u);
            ScoreExperts(
                kernels, args, u, row, count, size,
                [&](int64_t e) { return first + e; }, scores);
          });
  ParallelFor(queue, rows, [&](int64_t row) {
    ChooseExperts(args, row, scores + row * experts);
  });
}

int64_t ScoreBytes(const baleen_router_args& args) {
  return AlignScratch(args.u->size[0] * args.gate->size[0] *
                      static_cast<int64_t>(sizeof(float)));
}

}  // namespace

const char* RouterBlockedAccepts(const baleen_router_args& args) {
  const char* error = RouterReferenceAccepts(args);
  if (error != nullptr) return error;
  return args.u->size[1] % kRowUnit == 0 ? nullptr
                                         : "the size is not a multiple of 16";
}

template <const RowKernels& kKernels>
baleen_status RouterBlocked(const Queue& queue,
                            const baleen_router_args& args) {
  const int64_t rows = RowsOf(args.common, args.u->size[0]);
  float* scores = static_cast<float*>(args.common.scratch);
  uint8_t* memory =
      static_cast<uint8_t*>(args.common.scratch) + ScoreBytes(args);
  if (args.table == nullptr) {
    RouteByScore(queue, kKernels, args, rows, scores, memory);
  } else {
    ForRows(queue, memory, rows, RowBytes(args),
            [&](int64_t row, uint8_t* run_memory) {
              RouteByTable(kKernels, args, row,
                           reinterpret_cast<float*>(run_memory), scores);
            });
  }
  ParallelFor(queue, rows, [&](int64_t row) {
    WeighExperts(args, row, scores + row * args.gate->size[0]);
  });
  return BALEEN_OK;
}

void RouterBlockedNeeds(const Device&, const baleen_router_args& args,
                        baleen_op_needs* needs) {
  const int64_t rows = args.u->size[0];
  const int64_t runs =
      (args.gate->size[0] + kExpertsTogether - 1) / kExpertsTogether;
  needs->launches = args.table == nullptr ? 3 : 2;
  needs->scratch_bytes = static_cast<uint64_t>(ScoreBytes(args)) +
                         RowRunScratch(rows * runs, RowBytes(args));
}

BALEEN_CPU_INSTANTIATE(router, Router)

}  // namespace baleen::cpu
