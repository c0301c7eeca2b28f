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
// A run of experts that a thread takes; 128 KB of V4-Flash's gate.
constexpr int64_t kExpertsTogether = 16;

// scores[r][e] of some rows for experts [first, end).
void ScoreExperts(const RowKernels& kernels, const baleen_router_args& args,
                  int64_t row, int64_t rows, int64_t first, int64_t end,
                  float* scores) {
  const uint16_t* u[kRowsTogether];
  for (int64_t r = 0; r < rows; ++r) {
    u[r] = RowOf<const uint16_t>(*args.u, row + r);
  }
  for (int64_t expert = first; expert < end; ++expert) {
    float products[kRowsTogether];
    kernels.gate(RowOf<const uint16_t>(*args.gate, expert), u, rows,
                 args.u->size[1], products);
    for (int64_t r = 0; r < rows; ++r) {
      scores[(row + r) * args.gate->size[0] + expert] = GateScore(products[r]);
    }
  }
}

void RouteByTable(const RowKernels& kernels, const baleen_router_args& args,
                  int64_t row, float* scores) {
  TableExperts(args, row);
  const int32_t* experts = RowOf<int32_t>(*args.experts, row);
  for (int64_t i = 0; i < args.experts->size[1]; ++i) {
    ScoreExperts(kernels, args, row, 1, experts[i], experts[i] + 1, scores);
  }
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
  const int64_t experts = args.gate->size[0];
  float* scores = static_cast<float*>(args.common.scratch);
  if (args.table == nullptr) {
    const int64_t runs = (experts + kExpertsTogether - 1) / kExpertsTogether;
    const int64_t groups = (rows + kRowsTogether - 1) / kRowsTogether;
    ParallelFor(queue, groups * runs, [&](int64_t i) {
      const int64_t row = i / runs * kRowsTogether;
      const int64_t first = i % runs * kExpertsTogether;
      ScoreExperts(kKernels, args, row, std::min(rows - row, kRowsTogether),
                   first, std::min(first + kExpertsTogether, experts), scores);
    });
  }
  ParallelRanges(queue, rows, kRowsTogether, [&](int64_t first, int64_t end) {
    for (int64_t row = first; row < end; ++row) {
      float* row_scores = scores + row * experts;
      if (args.table != nullptr) {
        RouteByTable(kKernels, args, row, scores);
      } else {
        ChooseExperts(args, row, row_scores);
      }
      WeighExperts(args, row, row_scores);
    }
  });
  return BALEEN_OK;
}

void RouterBlockedNeeds(const Device&, const baleen_router_args& args,
                        baleen_op_needs* needs) {
  needs->launches = args.table == nullptr ? 2 : 1;
  needs->scratch_bytes =
      static_cast<uint64_t>(args.u->size[0] * args.gate->size[0] *
                            static_cast<int64_t>(sizeof(float)));
}

BALEEN_CPU_INSTANTIATE(router, Router)

}  // namespace baleen::cpu
