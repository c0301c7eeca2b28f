// Writes programs down.
//
//   ProgramBuilder ops(machine, assignment, batch, mode, rows);
//   Tensor* u = ops.Make(MakeTensor(BALEEN_TYPE_BF16, {rows, hidden}));
//   ops.Add(baleen_..._args{...}, layer);
//   auto program = ops.Finish(...);
//
// The first failure is kept and makes the rest do nothing, so that a layer can
// be written without a check after each line; Finish returns it.
#pragma once

#include <initializer_list>
#include <new>
#include <unordered_map>

#include "ops/assignment.h"
#include "ops/attention.h"
#include "ops/batch.h"
#include "ops/experts.h"
#include "ops/hyper.h"
#include "ops/operator_cost.h"
#include "ops/output.h"
#include "ops/program.h"
#include "ops/projections.h"
#include "ops/table.h"

namespace baleen {

class ProgramBuilder {
 public:
  // All must outlive the program; `assignment` only the builder.
  ProgramBuilder(const Machine* machine, Assignment* assignment,
                 const Batch* batch, baleen_mode mode);

  baleen_mode mode() const { return mode_; }
  const Batch& batch() const { return *batch_; }
  const Status& status() const { return failure_; }

  // A tensor that operators of this program write, and then read.
  Tensor* Make(const Tensor& shape);
  // One whose bytes outlive the run, and may be put there before it.
  Tensor* MakeKept(const Tensor& shape);
  // A part of a tensor: the same memory in another shape, `elements` further.
  Tensor* View(Tensor* base, const Tensor& shape, int64_t elements = 0);
  // How the side that runs `op` wants activations rounded.
  baleen_format FormatOf(baleen_op op);
  // A rounded tensor that `op` makes; `unrounded` itself where nothing is to be
  // rounded.
  Tensor* MakeRounded(baleen_op op, Tensor* unrounded,
                      std::initializer_list<int64_t> sizes);

  // What the operator would need.
  template <typename Args>
  baleen_op_needs Query(Args args, int32_t layer) {
    if (!failure_.ok()) return {};
    const baleen_op op = OperatorOf<Args>::kOp;
    const Side side = assignment_->side(op);
    FillCommon(side, layer, sizeof args, &args.common);
    VisitOperands(args, Resolver{side});
    return QueryRecord(op, side, &args);
  }

  // The plan of an operator that makes one: as long as it says.  `args` has all
  // but the plan.
  template <typename Args>
  Tensor PlanShape(Args args, int32_t layer) {
    // A question has tensors without data.
    Homes plan;
    for (Tensor& home : plan.on) home = MakeTensor(BALEEN_TYPE_BYTE, {0});
    args.plan = plan.handle();
    const auto bytes = static_cast<int64_t>(Query(args, layer).out_bytes);
    return MakeTensor(BALEEN_TYPE_BYTE, {bytes});
  }

  // What operators cost is added there from now on; NULL: nowhere.
  void SetCosts(CostSheet* costs) { costs_ = costs; }

  // Puts the operator behind those before.  `weights`: what costs are made of.
  template <typename Args>
  void Add(Args args, int32_t layer, const CostWeights& weights = {}) {
    if (!failure_.ok()) return;
    const baleen_op op = OperatorOf<Args>::kOp;
    const Side side = assignment_->side(op);
    FillCommon(side, layer, sizeof args, &args.common);
    failure_ = CheckShapes(args);
    if (!failure_.ok()) return;
    if (costs_ != nullptr) AddCost(args, weights, costs_);
    VisitOperands(args, Bringer{this, side});
    VisitOperands(args, Marker{this, side});
    VisitOperands(args, Resolver{side});
    if (!failure_.ok()) return;
    const baleen_op_needs needs = QueryRecord(op, side, &args);
    if (!failure_.ok()) return;
    void* place = program_->records_.allocate(sizeof(Args), alignof(Args));
    Args* kept = new (place) Args(args);
    AddRecord(op, side, kept, &kept->common, needs);
  }

  // Weights may be NULL: for a model of shapes, whose programs are measured and
  // never run.
  void AllowMissingWeights() { missing_weights_ = true; }

  // A device's refusal changes the assignment: the program has to be built
  // again from the start.
  bool refused() const { return refused_; }

  // With `measure`, no memory is taken for tensors; bytes() says how much would
  // be, and the program must not be run.
  Result<Owned<Program>> Finish(bool measure);

 private:
  // Operands of an argument struct, made those of a side.
  struct Resolver {
    Side side;
    void In(const Tensor*& tensor) const {
      if (tensor != nullptr) tensor += side;
    }
    void Out(Tensor*& tensor) const {
      if (tensor != nullptr) tensor += side;
    }
    void InOut(Tensor*& tensor) const { Out(tensor); }
    void Weight(const baleen_weight*&) const {}
  };
  // Copies to the side what the operator reads there.
  struct Bringer {
    ProgramBuilder* builder;
    Side side;
    void In(const Tensor* tensor) const { builder->Bring(tensor, side); }
    void Out(Tensor* tensor) const { builder->BringRest(tensor, side); }
    void InOut(Tensor* tensor) const { builder->Bring(tensor, side); }
    void Weight(const baleen_weight*) const {}
  };
  // Notes that the operator to come uses them.
  struct Marker {
    ProgramBuilder* builder;
    Side side;
    void In(const Tensor* tensor) const { builder->Use(tensor, side); }
    void Out(Tensor* tensor) const { builder->Define(tensor, side); }
    void InOut(Tensor* tensor) const { builder->Define(tensor, side); }
    void Weight(const baleen_weight* weight) const {
      builder->NeedWeight(weight);
    }
  };

  // The program's own tensor behind a handle, or NULL: a weight, the batch.
  ProgramTensor* Find(const Tensor* tensor) const;
  void Bring(const Tensor* tensor, Side side);
  void BringRest(const Tensor* tensor, Side side);
  void Use(const Tensor* tensor, Side side);
  void Define(const Tensor* tensor, Side side);
  void Touch(ProgramTensor* tensor, Side side);

  void NeedWeight(const baleen_weight* weight);
  ProgramTensor* NewTensor(const Tensor& shape);
  void FillCommon(Side side, int32_t layer, size_t size,
                  baleen_op_common* common) const;
  baleen_op_needs QueryRecord(baleen_op op, Side side, const void* args);
  void AddRecord(baleen_op op, Side side, const void* args,
                 baleen_op_common* common, const baleen_op_needs& needs);

  // Finish: gives tensors their offsets on a side and returns their extent.
  uint64_t PlanTensors(Side side);
  void PlaceTensors(Side side, char* block);
  // Where the CPU sees the device's memory: one place for each tensor, for as
  // long as either side needs it.
  void JoinSides();
  Status PlaceSide(Side side, uint64_t tensor_bytes);
  void PlaceViews();

  const Machine* machine_;
  Assignment* assignment_;
  const Batch* batch_;
  baleen_mode mode_;
  Status failure_;
  bool refused_ = false;
  bool missing_weights_ = false;
  CostSheet* costs_ = nullptr;
  Owned<Program> program_;
  Vector<ProgramTensor*> tensors_;
  std::pmr::unordered_map<const Tensor*, ProgramTensor*> by_handle_;
  Vector<baleen_op_common*> commons_;  // Of each instruction; NULL: a copy.
  Vector<uint64_t> offsets_;           // Of each tensor, while placing.
  uint64_t scratch_[kSideCount] = {};
  uint64_t persistent_[kSideCount] = {};
};

}  // namespace baleen
