// What each operator reads and computes, from its arguments.  The arguments do
// not show what a weight is made of, so that comes beside them.
//
// Each row reads what it attends to, and the keys that it scores; weights are
// read once a step.
#pragma once

#include <baleen/backend.h>

#include "ops/cost.h"
#include "tensor/tensor.h"

namespace baleen {

// What the tensors of a weight are, in their order; of experts, the matrices of
// the first and those of the shared one, if there is one.
struct WeightFacts {
  struct Matrix {
    baleen_type type = BALEEN_TYPE_NONE;
    uint64_t elements = 0;
    uint64_t rows = 0;
    uint64_t bytes = 0;  // With those of scales.
  };
  Matrix matrices[BALEEN_IN_COUNT];
  uint32_t count = 0;

  // REQUIRES: there is room.
  void Add(const Tensor& tensor);
};

// A weight that operators name, and what it is made of.
struct CountedWeight {
  const baleen_weight* handle = nullptr;
  WeightFacts facts;
};

// Of the weights that an operator names, in its order; NULL where it names none.
struct CostWeights {
  const WeightFacts* first = nullptr;
  const WeightFacts* second = nullptr;
};

void AddCost(const baleen_embed_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_mhc_boundary_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_in_proj_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_qkv_post_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_q_up_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_indexer_q_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_compress_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_step_plan_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_indexer_score_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_topk_select_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_sparse_attn_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_wo_a_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_wo_b_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_router_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_moe_plan_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_moe_gate_up_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_moe_down_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_linear_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_hc_head_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_head_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_sample_args&, const CostWeights&, CostSheet*);
void AddCost(const baleen_draft_head_args&, const CostWeights&, CostSheet*);

}  // namespace baleen
