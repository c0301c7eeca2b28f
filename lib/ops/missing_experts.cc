#include "ops/missing_experts.h"

#include <algorithm>

#include "ops/builder.h"
#include "ops/table.h"

namespace baleen {

MissingExperts::MissingExperts(ExpertStore* store, int32_t layer,
                               int32_t number, const MixtureOperands& operands)
    : store_(store), layer_(layer), number_(number), operands_(operands) {}

MissingExperts::Mixture MissingExperts::MixtureOf(
    const baleen_weight* weight, const Tensor* resident) const {
  Mixture mixture = {};
  mixture.plan.experts = operands_.experts;
  mixture.plan.weights = operands_.weights;
  mixture.plan.resident = resident;
  mixture.plan.plan = plan_;
  mixture.plan.visited = visited_;
  mixture.gate_up.common.flags = BALEEN_MOE_PARTIAL;
  mixture.gate_up.u_rounded = operands_.u_rounded;
  mixture.gate_up.plan = plan_;
  mixture.gate_up.weight = weight;
  mixture.gate_up.a = a_;
  mixture.gate_up.limit = operands_.limit;
  mixture.down.common.flags = BALEEN_MOE_PARTIAL;
  mixture.down.a = a_;
  mixture.down.plan = plan_;
  mixture.down.weight = weight;
  mixture.down.y = others_;
  return mixture;
}

void MissingExperts::MakeTensors(ProgramBuilder* builder) {
  const int64_t rows = operands_.experts->size[0];
  const int64_t visits = operands_.experts->size[1];
  const ExpertRules& rules = store_->rules();
  const int64_t rounds = (rules.experts + rules.staged - 1) / rules.staged;
  rounds_ = builder->Make(MakeTensor(BALEEN_TYPE_I32, {rounds, rules.experts}));
  visited_ = builder->Make(MakeTensor(BALEEN_TYPE_I32, {rules.experts}));
  others_ = builder->Make(
      MakeTensor(BALEEN_TYPE_F32, {rows, visits, operands_.hidden}));
  a_ = builder->MakeRounded(BALEEN_OP_MOE_GATE_UP, nullptr,
                            {rows * (visits + 1), operands_.inner});
  Homes empty;
  for (Tensor& home : empty.on) home = MakeTensor(BALEEN_TYPE_BYTE, {0});
  plan_ = empty.handle();
  const Tensor resident = MakeTensor(BALEEN_TYPE_I32, {rules.experts});
  Homes residents;
  for (Tensor& home : residents.on) home = resident;
  const Mixture mixture = MixtureOf(nullptr, residents.handle());
  uint64_t plan_bytes = 0;
  uint64_t scratch_bytes = 0;
  for (const Side side : {kDevice, kCpu}) {
    if (side == kCpu && !computes_) continue;
    plan_bytes = std::max(
        plan_bytes, builder->QueryOn(side, mixture.plan, number_).out_bytes);
    scratch_bytes = std::max(
        {scratch_bytes,
         builder->QueryOn(side, mixture.gate_up, number_).scratch_bytes,
         builder->QueryOn(side, mixture.down, number_).scratch_bytes});
  }
  plan_ = builder->Make(
      MakeTensor(BALEEN_TYPE_BYTE, {static_cast<int64_t>(plan_bytes)}));
  scratch_ = builder->Make(
      MakeTensor(BALEEN_TYPE_BYTE, {static_cast<int64_t>(scratch_bytes)}));
}

void MissingExperts::UseTensors(ProgramBuilder* builder, Side side) const {
  for (const Tensor* tensor :
       {operands_.u_rounded, operands_.experts, operands_.weights, plan_,
        visited_, a_, others_, scratch_}) {
    builder->UseOn(side, tensor);
  }
  if (side == kDevice) builder->UseOn(side, rounds_);
}

void MissingExperts::WriteBegin(ProgramBuilder* builder) {
  if (!builder->status().ok()) return;
  machine_ = builder->machine();
  batch_ = &builder->batch();
  mode_ = builder->mode();
  computes_ = store_->rules().computes;
  MakeTensors(builder);
  builder->UseOn(kDevice, operands_.experts);
  builder->UseOn(kDevice, rounds_);
  builder->UseOn(kCpu, operands_.experts);
  if (computes_) {
    builder->UseOn(kCpu, operands_.u_rounded);
    builder->UseOn(kCpu, operands_.weights);
  }
  builder->AddHostPart(
      {[](const void* self, int64_t rows) {
         return static_cast<const MissingExperts*>(self)->Begin(rows);
       },
       this});
}

Tensor* MissingExperts::WriteEnd(ProgramBuilder* builder) {
  if (!builder->status().ok()) return nullptr;
  UseTensors(builder, kDevice);
  if (computes_) UseTensors(builder, kCpu);
  builder->DefineOn(kDevice, others_);
  builder->AddHostPart({[](const void* self, int64_t rows) {
                          return static_cast<const MissingExperts*>(self)->End(
                              rows);
                        },
                        this});
  return others_;
}

Status MissingExperts::CopyRows(Side to, const Tensor* tensor,
                                int64_t rows) const {
  const Side from = to == kDevice ? kCpu : kDevice;
  const Tensor& source = tensor[from];
  const Tensor& target = tensor[to];
  const auto part = [&](uint64_t bytes) {
    return bytes / static_cast<uint64_t>(source.size[0]) *
           static_cast<uint64_t>(rows);
  };
  BALEEN_RETURN_IF_ERROR(machine_->Copy(to, target.data, from, source.data,
                                        part(DataBytes(source))));
  return machine_->Copy(to, target.scales, from, source.scales,
                        part(ScaleBytes(source)));
}

Status MissingExperts::Begin(int64_t rows) const {
  const Tensor& list = operands_.experts[kCpu];
  BALEEN_RETURN_IF_ERROR(CopyRows(kCpu, operands_.experts, rows));
  store_->Visit(layer_, std::span(static_cast<const int32_t*>(list.data),
                                  static_cast<size_t>(rows * list.size[1])));
  if (store_->missing().empty()) return Status();
  if (store_->Computes(rows)) {
    BALEEN_RETURN_IF_ERROR(CopyRows(kCpu, operands_.u_rounded, rows));
    return CopyRows(kCpu, operands_.weights, rows);
  }
  BALEEN_RETURN_IF_ERROR(store_->UploadRounds(rounds_[kDevice]));
  BALEEN_RETURN_IF_ERROR(store_->StageAfterQueue());
  return StageRound(0);
}

Status MissingExperts::End(int64_t rows) const {
  if (store_->missing().empty()) return Status();
  return store_->Computes(rows) ? ComputeOnCpu(rows) : ComputeInRounds();
}

MissingExperts::Mixture MissingExperts::MixtureOn(
    Side side, const baleen_weight* weight, const Tensor* resident) const {
  Mixture mixture = MixtureOf(weight, nullptr);
  const auto fill = [&](auto& args) {
    VisitOperands(args, ProgramBuilder::Resolver{side});
    args.common.struct_size = sizeof args;
    args.common.mode = mode_;
    args.common.layer = number_;
    args.common.batch = batch_->on(side);
    args.common.scratch = scratch_[side].data;
  };
  fill(mixture.plan);
  fill(mixture.gate_up);
  fill(mixture.down);
  mixture.plan.resident = resident;
  return mixture;
}

Status MissingExperts::Run(Side side, const Mixture& mixture) const {
  const baleen_op_record records[] = {
      {BALEEN_OP_MOE_PLAN, 0, &mixture.plan},
      {BALEEN_OP_MOE_GATE_UP, 0, &mixture.gate_up},
      {BALEEN_OP_MOE_DOWN, 0, &mixture.down}};
  for (const baleen_op_record& record : records) {
    BALEEN_RETURN_IF_ERROR(machine_->StatusOf(
        side,
        CallOperator(*machine_->table(side).ops, machine_->queue(side), record),
        OperatorName(record.op)));
  }
  return Status();
}

Status MissingExperts::ComputeOnCpu(int64_t rows) const {
  const Tensor resident = store_->OnlyMissing();
  BALEEN_RETURN_IF_ERROR(
      Run(kCpu, MixtureOn(kCpu, store_->layer(layer_).host_weight, &resident)));
  return CopyRows(kDevice, others_, rows);
}

Status MissingExperts::StageRound(int64_t round) const {
  const std::span<const int32_t> missing = store_->missing();
  const auto staged = static_cast<size_t>(store_->rules().staged);
  const size_t first = static_cast<size_t>(round) * staged;
  if (first >= missing.size()) return Status();
  return store_->Stage(
      layer_, static_cast<int32_t>(round % 2),
      missing.subspan(first, std::min(staged, missing.size() - first)));
}

Status MissingExperts::ComputeInRounds() const {
  const int64_t experts = store_->rules().experts;
  const int64_t staged = store_->rules().staged;
  const auto missing = static_cast<int64_t>(store_->missing().size());
  for (int64_t round = 0; round * staged < missing; ++round) {
    BALEEN_RETURN_IF_ERROR(store_->QueueAfterStaged());
    // The next round overwrites what the last one has read.
    BALEEN_RETURN_IF_ERROR(store_->StageAfterQueue());
    Tensor resident = MakeTensor(BALEEN_TYPE_I32, {experts});
    resident.data =
        static_cast<int32_t*>(rounds_[kDevice].data) + round * experts;
    BALEEN_RETURN_IF_ERROR(Run(
        kDevice, MixtureOn(kDevice, store_->layer(layer_).weight, &resident)));
    BALEEN_RETURN_IF_ERROR(StageRound(round + 1));
  }
  return Status();
}

}  // namespace baleen
