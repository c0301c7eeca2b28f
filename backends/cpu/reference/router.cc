// Which experts a token visits, and how much each counts (model.md §11).
#include <cmath>

#include "cpu/batch.h"
#include "cpu/reference/router.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {
namespace {

int64_t RowBytes(const baleen_router_args& args) {
  return args.gate->size[0] * static_cast<int64_t>(sizeof(float));
}

// u . gate[expert]
float GateProduct(const baleen_router_args& args, int64_t row, int64_t expert) {
  const uint16_t* u = RowOf<const uint16_t>(*args.u, row);
  const uint16_t* gate = RowOf<const uint16_t>(*args.gate, expert);
  double sum = 0;
  for (int64_t i = 0; i < args.u->size[1]; ++i) {
    sum += static_cast<double>(Bf16ToFloat(u[i])) *
           static_cast<double>(Bf16ToFloat(gate[i]));
  }
  return static_cast<float>(sum);
}

void RouteRow(const baleen_router_args& args, int64_t row, float* scores) {
  if (args.table != nullptr) {
    TableExperts(args, row);
    const int32_t* experts = RowOf<int32_t>(*args.experts, row);
    for (int64_t i = 0; i < args.experts->size[1]; ++i) {
      scores[experts[i]] = GateScore(GateProduct(args, row, experts[i]));
    }
  } else {
    for (int64_t expert = 0; expert < args.gate->size[0]; ++expert) {
      scores[expert] = GateScore(GateProduct(args, row, expert));
    }
    ChooseExperts(args, row, scores);
  }
  WeighExperts(args, row, scores);
}

}  // namespace

float GateScore(float product) {
  constexpr float kLinearAbove = 20.0f;
  const float softplus =
      product > kLinearAbove ? product : std::log1p(std::exp(product));
  return std::sqrt(softplus);
}

void TableExperts(const baleen_router_args& args, int64_t row) {
  const int64_t last = args.gate->size[0] - 1;
  const int64_t token =
      static_cast<const int32_t*>(args.common.batch->tokens->data)[row];
  // What a file says is not trusted to be an expert, nor a token to be in it.
  const int64_t line = std::clamp<int64_t>(token, 0, args.table->size[0] - 1);
  int32_t* experts = RowOf<int32_t>(*args.experts, row);
  for (int64_t i = 0; i < args.experts->size[1]; ++i) {
    const int64_t named = args.table->type == BALEEN_TYPE_I64
                              ? RowOf<const int64_t>(*args.table, line)[i]
                              : RowOf<const int32_t>(*args.table, line)[i];
    experts[i] = static_cast<int32_t>(std::clamp<int64_t>(named, 0, last));
  }
}

void ChooseExperts(const baleen_router_args& args, int64_t row,
                   const float* scores) {
  const float* bias = static_cast<const float*>(args.bias->data);
  int32_t* experts = RowOf<int32_t>(*args.experts, row);
  const int64_t wanted = args.experts->size[1];
  // Lower than any number, so that NaN is chosen last.
  const auto biased = [&](int32_t expert) {
    const float score = scores[expert] + bias[expert];
    return score == score ? score : -INFINITY;
  };
  for (int32_t expert = 0; expert < args.gate->size[0]; ++expert) {
    // Moves up from the end of the list, past those that are lower.
    const float score = biased(expert);
    int64_t place = std::min<int64_t>(expert, wanted);
    while (place > 0 && score > biased(experts[place - 1])) {
      if (place < wanted) experts[place] = experts[place - 1];
      --place;
    }
    if (place < wanted) experts[place] = expert;
  }
}

void WeighExperts(const baleen_router_args& args, int64_t row,
                  const float* scores) {
  constexpr float kLeastSum = 1e-20f;
  const int32_t* experts = RowOf<int32_t>(*args.experts, row);
  float* weights = RowOf<float>(*args.weights, row);
  float sum = 0;
  for (int64_t i = 0; i < args.experts->size[1]; ++i) {
    sum += scores[experts[i]];
  }
  sum = std::fmax(sum, kLeastSum);
  for (int64_t i = 0; i < args.experts->size[1]; ++i) {
    weights[i] = scores[experts[i]] / sum * args.route_scale;
  }
}

const char* RouterReferenceAccepts(const baleen_router_args& args) {
  if (!IsType(args.u, BALEEN_TYPE_BF16) || args.u->rank != 2) {
    return "u is not bf16 [T, D]";
  }
  if (!IsTensor(args.gate, BALEEN_TYPE_BF16, 2, args.u->size[1])) {
    return "gate does not fit u";
  }
  if (!IsType(args.experts, BALEEN_TYPE_I32) || args.experts->rank != 2 ||
      args.experts->size[1] > args.gate->size[0]) {
    return "experts is not i32 [T, A]";
  }
  if (!IsTensor(args.weights, BALEEN_TYPE_F32, 2, args.experts->size[1])) {
    return "weights does not fit experts";
  }
  if (args.table == nullptr) {
    return IsTensor(args.bias, BALEEN_TYPE_F32, 1, args.gate->size[0])
               ? nullptr
               : "bias does not fit gate";
  }
  if (!IsTensor(args.table, BALEEN_TYPE_I32, 2, args.experts->size[1]) &&
      !IsTensor(args.table, BALEEN_TYPE_I64, 2, args.experts->size[1])) {
    return "table does not fit experts";
  }
  if (args.table->size[0] < 1) return "table is empty";
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->tokens, BALEEN_TYPE_I32)) {
    return "there is no batch";
  }
  return nullptr;
}

baleen_status RouterReference(const Queue& queue,
                              const baleen_router_args& args) {
  ForRows(queue, args.common.scratch, RowsOf(args.common, args.u->size[0]),
          RowBytes(args), [&](int64_t row, uint8_t* memory) {
            RouteRow(args, row, reinterpret_cast<float*>(memory));
          });
  return BALEEN_OK;
}

void RouterReferenceNeeds(const Device&, const baleen_router_args& args,
                          baleen_op_needs* needs) {
  needs->scratch_bytes = RowRunScratch(args.u->size[0], RowBytes(args));
}

}  // namespace baleen::cpu
