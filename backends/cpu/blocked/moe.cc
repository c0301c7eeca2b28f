// The products of the mixture of experts.
//
// gate_up: a task is 128 columns of a, of one expert, for all of its rows; w1
// and w3 of those columns are read once.  down: a task is 64 columns of y for
// all rows and all experts in turn, so that sums over experts need neither
// atomics nor room for each part.
#include "cpu/blocked/products.h"
#include "cpu/blocked/tiles.h"
#include "cpu/reference/experts.h"
#include "cpu/reference/products.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kDownFewRows = 16;

// What matrix `which` of the routed experts and of the shared one holds.
struct ExpertTypes {
  MatrixType routed;
  MatrixType shared;
};

ExpertTypes TypesOf(const Weight& weight, int64_t experts, int which) {
  const Matrix* shared = SharedExpert(weight, experts);
  const Matrix& any = weight.matrices()[which];
  return {any.type, shared == nullptr ? any.type : shared[which].type};
}

// What an expert is applied to: its rows, their activations and weights, and the
// first of its rows of a.
template <typename PackedAt, typename Route>
struct ExpertRows {
  int64_t count;
  int64_t to;
  float limit;
  PackedAt packed_at;
  Route route;
};
// For clang 14, which does not derive it.
template <typename PackedAt, typename Route>
ExpertRows(int64_t, int64_t, float, PackedAt, Route)
    -> ExpertRows<PackedAt, Route>;

// ups = silu(gates) * ups * route, as the mode has it.
void ApplySwiGlu(const ProductKernels& kernels, bool reference,
                 const float* gates, int64_t count, float limit, float route,
                 float* ups) {
  int64_t done = 0;
  if (!reference) {
    done = count / kRowUnit * kRowUnit;
    kernels.rows->swiglu(gates, done, limit, route, ups);
  }
  for (int64_t n = done; n < count; ++n) {
    const float gate = reference ? RoundToBf16(gates[n]) : gates[n];
    const float up = reference ? RoundToBf16(ups[n]) : ups[n];
    ups[n] = SwiGlu(gate, up, limit, route);
  }
}

// Columns [first, first + count) of a for the rows of one expert.
template <typename Rows>
void GateUpTile(const baleen_moe_gate_up_args& args,
                const ProductKernels& kernels, const Matrix* expert,
                int64_t first, int64_t count, const Rows& rows) {
  const bool reference = args.common.mode == BALEEN_MODE_REFERENCE;
  float gates[kMostValues];
  const int64_t at_once = RowsAtOnce(count);
  for (int64_t row = 0; row < rows.count; row += at_once) {
    const int64_t size = std::min(at_once, rows.count - row);
    const auto packed = [&](int64_t i) { return rows.packed_at(row + i); };
    MultiplyTile(kernels, expert[0], first, count, size, packed,
                 [&](int64_t i, const float* values) {
                   std::copy(values, values + count, gates + i * count);
                 });
    MultiplyTile(kernels, expert[1], first, count, size, packed,
                 [&](int64_t i, float* values) {
                   ApplySwiGlu(kernels, reference, gates + i * count, count,
                               rows.limit, rows.route(row + i), values);
                   StoreRoundedColumns(*args.a, rows.to + row + i, first, count,
                                       values);
                 });
  }
}

// Adds the products of a tile to the rows' sums.
void AddTile(const float* values, int64_t count, bool rounds, float* sums) {
  for (int64_t n = 0; n < count; ++n) {
    sums[n] += rounds ? RoundToBf16(values[n]) : values[n];
  }
}

// Columns of a task of down.  Few rows are bound by memory, which reads long runs
// of each expert faster than short ones; tasks enough for all threads to share
// come first.  No bit depends on it: columns know nothing of each other.
int64_t DownTile(const Queue& queue, int64_t columns, int64_t rows) {
  if (rows > kDownFewRows) return kTile;
  const int64_t tasks = 4 * int64_t{queue.device->width()};
  return std::clamp(columns / tasks / kTile * kTile, kTile, 4 * kTile);
}

// What each resident expert gives, by place in the row's list; `packed_at`: row
// i of a.
template <typename PackedAt>
void StorePlaces(const Queue& queue, const baleen_moe_down_args& args,
                 const ProductKernels& kernels, const MoePlan& plan,
                 const PackedAt& packed_at) {
  const Weight& weight = *FromHandle(args.weight);
  const bool rounds = args.common.mode == BALEEN_MODE_REFERENCE;
  ParallelRanges(
      queue, args.y->size[2], kTile, [&](int64_t first, int64_t end) {
        for (int32_t j = 0; j < plan.header->active; ++j) {
          const int32_t e = plan.active[j];
          const int64_t start = plan.starts[e];
          MultiplyTile(
              kernels, ExpertOf(weight, e)[2], first, end - first,
              plan.starts[e + 1] - start,
              [&](int64_t i) { return packed_at(start + i); },
              [&](int64_t i, const float* values) {
                const MoeEntry& entry = plan.entries[start + i];
                float* to =
                    RowOf<float>(*args.y, entry.row, entry.place) + first;
                std::fill(to, to + end - first, 0.0f);
                AddTile(values, end - first, rounds, to);
              });
        }
      });
}

}  // namespace

const char* MoeGateUpTakes(const baleen_moe_gate_up_args& args) {
  const char* reason = MoeGateUpRefusal(args);
  return reason != nullptr ? reason : WeightRefusal(args.weight);
}

void MoeGateUpScratch(const Device&, const baleen_moe_gate_up_args& args,
                      baleen_op_needs* needs) {
  needs->scratch_bytes =
      2 * PackedBytes(args.u_rounded->size[0], args.u_rounded->size[1]);
}

baleen_status MoeGateUpWith(const Queue& queue,
                            const baleen_moe_gate_up_args& args,
                            const ProductKernels& kernels) {
  const Weight& weight = *FromHandle(args.weight);
  if (!IsPlanOf(*args.plan, weight)) {
    return queue.device->Fail(BALEEN_INVALID_ARGUMENT,
                              "moe_gate_up: the plan is of other experts");
  }
  const MoePlan plan(*args.plan);
  const int64_t rows = plan.header->rows;
  const baleen_tensor& u = *args.u_rounded;
  const ExpertTypes types = TypesOf(weight, plan.header->experts, 0);
  const Matrix* shared =
      SharedExpert(args.common, weight, plan.header->experts);
  uint8_t* scratch = static_cast<uint8_t*>(args.common.scratch);
  const PackedRows routed_u =
      PackRows(queue, kernels, types.routed, u, rows, scratch);
  const PackedRows shared_u =
      types.shared == types.routed
          ? routed_u
          : PackRows(queue, kernels, types.shared, u, rows,
                     scratch + PackedBytes(u.size[0], u.size[1]));
  const int64_t inner = args.a->size[1];
  const int64_t tiles = GroupsOf(inner, kBlock);
  const int64_t sets =
      plan.header->active + (shared == nullptr || rows == 0 ? 0 : 1);
  ParallelFor(queue, sets * tiles, [&](int64_t task) {
    const int64_t set = task / tiles;
    const int64_t first = task % tiles * kBlock;
    const int64_t count = std::min(kBlock, inner - first);
    if (set == plan.header->active) {
      const ExpertRows all = {rows, plan.header->entries, args.shared_limit,
                              [&](int64_t i) { return shared_u.row(i); },
                              [](int64_t) { return 1.0f; }};
      GateUpTile(args, kernels, shared, first, count, all);
      return;
    }
    const int32_t e = plan.active[set];
    const MoeEntry* entries = plan.entries + plan.starts[e];
    const ExpertRows own = {
        int64_t{plan.starts[e + 1]} - plan.starts[e], plan.starts[e],
        args.limit, [&](int64_t i) { return routed_u.row(entries[i].row); },
        [&](int64_t i) { return entries[i].weight; }};
    GateUpTile(args, kernels, ExpertOf(weight, e), first, count, own);
  });
  return BALEEN_OK;
}

const char* MoeDownTakes(const baleen_moe_down_args& args) {
  const char* reason = MoeDownRefusal(args);
  return reason != nullptr ? reason : WeightRefusal(args.weight);
}

// Packed rows of a, then sums [T, D].
void MoeDownScratch(const Device&, const baleen_moe_down_args& args,
                    baleen_op_needs* needs) {
  needs->scratch_bytes =
      PackedBytes(args.a->size[0], args.a->size[1]) +
      (IsPartial(args.common)
           ? 0
           : static_cast<uint64_t>(args.y->size[0] * args.y->size[1]) *
                 sizeof(float));
}

baleen_status MoeDownWith(const Queue& queue, const baleen_moe_down_args& args,
                          const ProductKernels& kernels) {
  const Weight& weight = *FromHandle(args.weight);
  if (!IsPlanOf(*args.plan, weight)) {
    return queue.device->Fail(BALEEN_INVALID_ARGUMENT,
                              "moe_down: the plan is of other experts");
  }
  const MoePlan plan(*args.plan);
  const int64_t rows = plan.header->rows;
  const int64_t entries = plan.header->entries;
  const bool rounds = args.common.mode == BALEEN_MODE_REFERENCE;
  const Matrix* shared =
      SharedExpert(args.common, weight, plan.header->experts);
  const ExpertTypes types = TypesOf(weight, plan.header->experts, 2);
  uint8_t* scratch = static_cast<uint8_t*>(args.common.scratch);
  float* sums = reinterpret_cast<float*>(
      scratch + PackedBytes(args.a->size[0], args.a->size[1]));

  // Entries of experts elsewhere have no row of a to pack.
  const int64_t inner = args.a->size[1];
  const int64_t stride = PackedStride(inner, kMostPackedBlock);
  constexpr int64_t kRowsOfTask = 4;
  ParallelRanges(queue, entries + (shared == nullptr ? 0 : rows), kRowsOfTask,
                 [&](int64_t first, int64_t end) {
                   for (int64_t i = first; i < end; ++i) {
                     PackRow(kernels, i < entries ? types.routed : types.shared,
                             ActivationRowOf(*args.a, i), inner,
                             scratch + i * stride);
                   }
                 });

  if (rows == 0) return BALEEN_OK;
  if (IsPartial(args.common)) {
    StorePlaces(queue, args, kernels, plan,
                [&](int64_t i) { return scratch + i * stride; });
    return BALEEN_OK;
  }
  const int64_t columns = args.y->size[1];
  const int64_t tile = DownTile(queue, columns, rows);
  ParallelRanges(queue, columns, tile, [&](int64_t first, int64_t end) {
    const int64_t count = end - first;
    const auto sum_of = [&](int64_t row) {
      return sums + row * columns + first;
    };
    for (int64_t t = 0; t < rows; ++t) {
      std::fill(sum_of(t), sum_of(t) + count, 0.0f);
    }
    for (int32_t e = 0; e < plan.header->experts; ++e) {
      const int64_t start = plan.starts[e];
      const int64_t size = plan.starts[e + 1] - start;
      const MoeEntry* list = plan.entries + start;
      if (size == 0) continue;
      if (plan.resident[e] != 0) {
        MultiplyTile(
            kernels, ExpertOf(weight, e)[2], first, count, size,
            [&](int64_t i) { return scratch + (start + i) * stride; },
            [&](int64_t i, const float* values) {
              AddTile(values, count, rounds, sum_of(list[i].row));
            });
      } else if (args.others != nullptr) {
        for (int64_t i = 0; i < size; ++i) {
          AddTile(RowOf<const float>(*args.others, list[i].row, list[i].place) +
                      first,
                  count, false, sum_of(list[i].row));
        }
      }
    }
    if (shared != nullptr) {
      MultiplyTile(
          kernels, shared[2], first, count, rows,
          [&](int64_t i) { return scratch + (entries + i) * stride; },
          [&](int64_t i, const float* values) {
            AddTile(values, count, rounds, sum_of(i));
          });
    }
    for (int64_t t = 0; t < rows; ++t) {
      StoreFloats(*args.y, t, first, count, sum_of(t));
    }
  });
  return BALEEN_OK;
}

}  // namespace baleen::cpu
