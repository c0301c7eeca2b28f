#include "ops/operator_cost.h"

#include <initializer_list>

#include "ops/state_shape.h"

namespace baleen {
namespace {

using Matrix = WeightFacts::Matrix;

uint64_t BytesOf(const Tensor* tensor) {
  return tensor == nullptr ? 0 : DataBytes(*tensor) + ScaleBytes(*tensor);
}

uint64_t BytesOf(std::initializer_list<const Tensor*> tensors) {
  uint64_t bytes = 0;
  for (const Tensor* tensor : tensors) bytes += BytesOf(tensor);
  return bytes;
}

uint64_t SizeOf(const Tensor& tensor, int dimension) {
  return static_cast<uint64_t>(tensor.size[dimension]);
}

uint64_t ElementsOf(const Tensor& tensor) {
  return static_cast<uint64_t>(ElementCount(tensor));
}

// Of a matrix, whose other factor is rounded to match: e4m3 activations meet
// FP4 weights, too.
CostFormat FormatOf(baleen_type type) {
  switch (type) {
    case BALEEN_TYPE_F4_E2M1:
    case BALEEN_TYPE_F8_E4M3:
      return CostFormat::kFp8;
    case BALEEN_TYPE_BF16:
      return CostFormat::kBf16;
    default:
      return CostFormat::kF32;
  }
}

// Terms of an operator.
class Costs {
 public:
  Costs(baleen_op op, CostSheet* sheet) : op_(op), sheet_(sheet) {}

  CostTerm Make(int32_t part, CostFormat format,
                CostUnit unit = CostUnit::kRows) const {
    CostTerm term;
    term.op = op_;
    term.part = part;
    term.format = format;
    term.unit = unit;
    return term;
  }
  void Add(const CostTerm& term) const { sheet_->Add(term); }
  // What is read besides matrices: gains, biases.
  void Read(int32_t part, uint64_t bytes,
            CostUnit unit = CostUnit::kRows) const {
    CostTerm term = Make(part, CostFormat::kF32, unit);
    term.weights_once = bytes;
    Add(term);
  }
  // `times` for each of the unit.
  void Multiply(int32_t part, const Matrix& matrix, uint64_t times = 1,
                CostUnit unit = CostUnit::kRows) const {
    CostTerm term = Make(part, FormatOf(matrix.type), unit);
    term.weights_once = matrix.bytes;
    term.operations = 2 * times * matrix.elements;
    Add(term);
  }
  // A row of a table.
  void Look(int32_t part, const Matrix& table,
            CostUnit unit = CostUnit::kRows) const {
    CostTerm term = Make(part, FormatOf(table.type), unit);
    term.weights_each = table.bytes / table.rows;
    Add(term);
  }

 private:
  baleen_op op_;
  CostSheet* sheet_;
};

Matrix MatrixOf(const Tensor& tensor) {
  return {tensor.type, ElementsOf(tensor), SizeOf(tensor, 0), BytesOf(&tensor)};
}

// Ends a half-layer: streams = post * y + mix * streams.
void EndHalf(const Costs& costs, const Tensor& streams) {
  CostTerm term = costs.Make(BALEEN_PART_HYPER, CostFormat::kF32);
  const uint64_t count = SizeOf(streams, 1);
  term.operations = 2 * count * (count + 1) * SizeOf(streams, 2);
  costs.Add(term);
}

// m = fn * streams, then a sum of streams.
void JoinStreams(const Costs& costs, int32_t part, CostUnit unit,
                 const Tensor& fn, const Tensor& streams) {
  costs.Multiply(part, MatrixOf(fn), 1, unit);
  CostTerm term = costs.Make(part, CostFormat::kF32, unit);
  term.operations = 2 * SizeOf(streams, 1) * SizeOf(streams, 2);
  costs.Add(term);
}

// Experts visited of one of their matrices, for a row each of `visits`.
void MultiplyExperts(const Costs& costs, const Matrix& matrix, uint64_t visits,
                     int32_t layer) {
  CostTerm read =
      costs.Make(BALEEN_PART_EXPERTS, FormatOf(matrix.type), CostUnit::kVisits);
  read.index = layer;
  read.weights_each = matrix.bytes;
  costs.Add(read);
  CostTerm multiply = costs.Make(BALEEN_PART_EXPERTS, FormatOf(matrix.type));
  multiply.operations = 2 * visits * matrix.elements;
  costs.Add(multiply);
}

}  // namespace

void WeightFacts::Add(const Tensor& tensor) {
  matrices[count++] = MatrixOf(tensor);
}

void AddCost(const baleen_embed_args&, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_EMBED, sheet);
  costs.Look(BALEEN_PART_EMBEDDING, weights.first->matrices[0]);
}

void AddCost(const baleen_mhc_boundary_args& args, const CostWeights&,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_MHC_BOUNDARY, sheet);
  if (args.y != nullptr) EndHalf(costs, *args.streams);
  JoinStreams(costs, BALEEN_PART_HYPER, CostUnit::kRows, *args.fn,
              *args.streams);
  costs.Read(BALEEN_PART_HYPER, BytesOf({args.base, args.scale, args.norm}));
}

void AddCost(const baleen_in_proj_args& args, const CostWeights& weights,
             CostSheet* sheet) {
  constexpr int32_t kParts[BALEEN_IN_COUNT] = {
      BALEEN_PART_PROJECTION, BALEEN_PART_PROJECTION, BALEEN_PART_COMPRESSOR,
      BALEEN_PART_COMPRESSOR, BALEEN_PART_INDEXER,    BALEEN_PART_INDEXER,
      BALEEN_PART_INDEXER};
  const Costs costs(BALEEN_OP_IN_PROJ, sheet);
  const Matrix* matrix = weights.first->matrices;
  for (int i = 0; i < BALEEN_IN_COUNT; ++i) {
    if (args.out[i] != nullptr) costs.Multiply(kParts[i], *matrix++);
  }
}

void AddCost(const baleen_qkv_post_args& args, const CostWeights&,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_QKV_POST, sheet);
  CostTerm term = costs.Make(BALEEN_PART_PROJECTION, CostFormat::kF32);
  term.weights_once = BytesOf({args.q_norm, args.kv_norm});
  if (args.state != nullptr) {
    term.state_written = ItemBytes(args.state->shape, BALEEN_POOL_WINDOW);
  }
  costs.Add(term);
}

void AddCost(const baleen_q_up_args& args, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_Q_UP, sheet);
  costs.Multiply(BALEEN_PART_PROJECTION, weights.first->matrices[0]);
  if (args.iq != nullptr) {
    costs.Multiply(BALEEN_PART_INDEXER, weights.first->matrices[1]);
  }
}

void AddCost(const baleen_indexer_q_args&, const CostWeights&, CostSheet*) {}

void AddCost(const baleen_compress_args& args, const CostWeights&,
             CostSheet* sheet) {
  const baleen_state_shape& shape = args.state->shape;
  const bool keys = args.pool == BALEEN_POOL_KEYS;
  const int32_t part = keys ? BALEEN_PART_INDEXER : BALEEN_PART_COMPRESSOR;
  const uint64_t size = keys ? shape.key_size : shape.head_size;
  const auto overlap = static_cast<uint64_t>(OverlapOf(shape));
  const Costs costs(BALEEN_OP_COMPRESS, sheet);
  costs.Read(part, BytesOf({args.ape, args.norm}));

  // Values and gates, of which an entry takes one half of each row's.
  CostTerm tail = costs.Make(part, CostFormat::kF32, CostUnit::kLast);
  tail.limit = shape.tail_rows;
  tail.state_written = 2 * overlap * size * sizeof(float);
  costs.Add(tail);

  CostTerm made = costs.Make(part, CostFormat::kF32, CostUnit::kMade);
  made.ratio = shape.ratio;
  made.state_written = ItemBytes(shape, args.pool);
  costs.Add(made);
  CostTerm pooled = costs.Make(part, CostFormat::kF32, CostUnit::kPooled);
  pooled.ratio = shape.ratio;
  pooled.limit = static_cast<int64_t>(overlap) * shape.ratio;
  pooled.operations = 2 * size;
  costs.Add(pooled);
  CostTerm earlier = pooled;
  earlier.unit = CostUnit::kPooledTail;
  earlier.operations = 0;
  earlier.state_read = 2 * size * sizeof(float);
  costs.Add(earlier);
}

void AddCost(const baleen_step_plan_args&, const CostWeights&, CostSheet*) {}

void AddCost(const baleen_indexer_score_args& args, const CostWeights&,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_INDEXER_SCORE, sheet);
  CostTerm term =
      costs.Make(BALEEN_PART_INDEXER, CostFormat::kFp4, CostUnit::kEntries);
  term.ratio = args.state->shape.ratio;
  term.operations =
      2 * SizeOf(*args.iq_rounded, 1) * SizeOf(*args.iq_rounded, 2);
  term.state_read = ItemBytes(args.state->shape, BALEEN_POOL_KEYS);
  costs.Add(term);
}

void AddCost(const baleen_topk_select_args&, const CostWeights&, CostSheet*) {}

// A score of each key for each head, and a sum of keys.
void AddCost(const baleen_sparse_attn_args& args, const CostWeights&,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_SPARSE_ATTN, sheet);
  costs.Read(BALEEN_PART_ATTENTION, BytesOf(args.sink));
  const auto make = [&](CostUnit unit) {
    CostTerm term = costs.Make(BALEEN_PART_ATTENTION, CostFormat::kBf16, unit);
    term.operations = 4 * SizeOf(*args.q, 1) * SizeOf(*args.q, 2);
    term.state_read = ItemBytes(args.state->shape, BALEEN_POOL_ENTRIES);
    return term;
  };
  if (args.block != nullptr) {
    CostTerm window = make(CostUnit::kBehind);
    window.limit = args.window;
    costs.Add(window);
    CostTerm block = make(CostUnit::kTogether);
    block.state_read = 0;
    costs.Add(block);
    return;
  }
  CostTerm window = make(CostUnit::kWindow);
  window.limit = args.window;
  costs.Add(window);
  if (args.state->shape.ratio == 0) return;
  CostTerm entries = make(CostUnit::kEntries);
  entries.ratio = args.state->shape.ratio;
  if (args.selected != nullptr) entries.limit = args.selected->size[1];
  costs.Add(entries);
}

void AddCost(const baleen_wo_a_args&, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_WO_A, sheet);
  costs.Multiply(BALEEN_PART_PROJECTION, weights.first->matrices[0]);
}

void AddCost(const baleen_wo_b_args&, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_WO_B, sheet);
  costs.Multiply(BALEEN_PART_PROJECTION, weights.first->matrices[0]);
}

void AddCost(const baleen_router_args& args, const CostWeights&,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_ROUTER, sheet);
  costs.Multiply(BALEEN_PART_ROUTER, MatrixOf(*args.gate));
  costs.Read(BALEEN_PART_ROUTER, BytesOf(args.bias));
  if (args.table != nullptr) {
    costs.Look(BALEEN_PART_ROUTER, MatrixOf(*args.table));
  }
}

// Which experts are visited is known after a step only.
void AddCost(const baleen_moe_plan_args&, const CostWeights&,
             CostSheet* sheet) {
  sheet->AddExperts();
}

void AddCost(const baleen_moe_gate_up_args& args, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_MOE_GATE_UP, sheet);
  const int32_t layer = sheet->expert_layers() - 1;
  // `a` has a place for each visit, the shared expert's as well.
  const uint64_t visits = SizeOf(*args.a, 0) / SizeOf(*args.u_rounded, 0) - 1;
  const WeightFacts& facts = *weights.first;
  for (const uint32_t i : {0u, 1u}) {
    MultiplyExperts(costs, facts.matrices[i], visits, layer);
    if (facts.count > 3) {
      costs.Multiply(BALEEN_PART_SHARED_EXPERT, facts.matrices[3 + i]);
    }
  }
}

void AddCost(const baleen_moe_down_args& args, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_MOE_DOWN, sheet);
  const int rows = static_cast<int>(args.y->rank) - 2;
  const uint64_t visits = SizeOf(*args.a, 0) / SizeOf(*args.y, rows) - 1;
  const WeightFacts& facts = *weights.first;
  MultiplyExperts(costs, facts.matrices[2], visits, sheet->expert_layers() - 1);
  if (facts.count > 3) {
    costs.Multiply(BALEEN_PART_SHARED_EXPERT, facts.matrices[5]);
  }
}

// Only drafters have it.  Rows of `in` are `repeat` for each of the step.
void AddCost(const baleen_linear_args& args, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_LINEAR, sheet);
  costs.Read(BALEEN_PART_DRAFTER, BytesOf({args.norm_in, args.norm_out}));
  if (weights.first == nullptr) return;
  const Matrix& matrix = weights.first->matrices[0];
  if (args.in->type == BALEEN_TYPE_I32) {
    costs.Look(BALEEN_PART_DRAFTER, matrix);
  } else {
    costs.Multiply(BALEEN_PART_DRAFTER, matrix, args.repeat);
  }
}

void AddCost(const baleen_hc_head_args& args, const CostWeights&,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_HC_HEAD, sheet);
  if (args.y != nullptr) EndHalf(costs, *args.streams);
  JoinStreams(costs, BALEEN_PART_HEAD, CostUnit::kOutputs, *args.fn,
              *args.streams);
  costs.Read(BALEEN_PART_HEAD, BytesOf({args.base, args.scale, args.norm}),
             CostUnit::kOutputs);
}

void AddCost(const baleen_head_args&, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_HEAD, sheet);
  costs.Multiply(BALEEN_PART_HEAD, weights.first->matrices[0], 1,
                 CostUnit::kOutputs);
}

void AddCost(const baleen_sample_args&, const CostWeights&, CostSheet*) {}

void AddCost(const baleen_draft_head_args& args, const CostWeights& weights,
             CostSheet* sheet) {
  const Costs costs(BALEEN_OP_DRAFT_HEAD, sheet);
  costs.Look(BALEEN_PART_DRAFTER, weights.first->matrices[0],
             CostUnit::kOutputs);
  costs.Multiply(BALEEN_PART_DRAFTER, weights.second->matrices[0], 1,
                 CostUnit::kOutputs);
  costs.Multiply(BALEEN_PART_DRAFTER, MatrixOf(*args.confidence_weight), 1,
                 CostUnit::kOutputs);
}

}  // namespace baleen
