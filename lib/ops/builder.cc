#include "ops/builder.h"

#include <algorithm>
#include <cstring>

namespace baleen {
namespace {

constexpr uint64_t kAlign = DeviceBlock::kAlignment;

// Where the scales of a tensor lie behind its data.
uint64_t ScaleOffset(const Tensor& tensor) {
  return AlignUp(DataBytes(tensor), kAlign);
}

uint64_t ExtentOf(const Tensor& tensor) {
  return ScaleOffset(tensor) + AlignUp(ScaleBytes(tensor), kAlign);
}

}  // namespace

ProgramBuilder::ProgramBuilder(const Machine* machine, Assignment* assignment,
                               const Batch* batch, baleen_mode mode)
    : machine_(machine),
      assignment_(assignment),
      batch_(batch),
      mode_(mode),
      program_(
          MakeOwned<Program>(machine->memory(), machine, batch->limits().rows)),
      tensors_(machine->memory()),
      by_handle_(machine->memory()),
      commons_(machine->memory()),
      offsets_(machine->memory()) {}

ProgramTensor* ProgramBuilder::NewTensor(const Tensor& shape) {
  void* place = program_->records_.allocate(sizeof(ProgramTensor),
                                            alignof(ProgramTensor));
  ProgramTensor* tensor = new (place) ProgramTensor;
  for (Tensor& home : tensor->homes.on) home = shape;
  tensors_.push_back(tensor);
  by_handle_.emplace(tensor->homes.handle(), tensor);
  return tensor;
}

Tensor* ProgramBuilder::Make(const Tensor& shape) {
  return NewTensor(shape)->homes.handle();
}

Tensor* ProgramBuilder::MakeKept(const Tensor& shape) {
  ProgramTensor* tensor = NewTensor(shape);
  tensor->kept = true;
  return tensor->homes.handle();
}

Tensor* ProgramBuilder::View(Tensor* base, const Tensor& shape,
                             int64_t elements) {
  ProgramTensor* whole = Find(base);
  ProgramTensor* tensor = NewTensor(shape);
  tensor->base = whole->base == nullptr ? whole : whole->base;
  tensor->view_offset =
      whole->view_offset +
      static_cast<uint64_t>(elements * TypeBits(base->type)) / 8;
  return tensor->homes.handle();
}

baleen_format ProgramBuilder::FormatOf(baleen_op op) {
  baleen_format format = {};
  if (!failure_.ok()) return format;
  const Side side = assignment_->side(op);
  failure_ =
      machine_->StatusOf(side,
                         machine_->table(side).format(
                             machine_->device(side).handle, mode_, &format),
                         "the format of activations");
  return format;
}

Tensor* ProgramBuilder::MakeRounded(baleen_op op, Tensor* unrounded,
                                    std::initializer_list<int64_t> sizes) {
  const baleen_format format = FormatOf(op);
  if (format.type == BALEEN_TYPE_BF16 && unrounded != nullptr) return unrounded;
  return Make(MakeRoundedTensor(format, sizes));
}

ProgramTensor* ProgramBuilder::Find(const Tensor* tensor) const {
  const auto found = by_handle_.find(tensor);
  return found == by_handle_.end() ? nullptr : found->second;
}

void ProgramBuilder::Bring(const Tensor* tensor, Side side) {
  ProgramTensor* found = tensor == nullptr ? nullptr : Find(tensor);
  if (found == nullptr) return;
  ProgramTensor* whole = found->base == nullptr ? found : found->base;
  const Side other = side == kDevice ? kCpu : kDevice;
  if (whole->valid[side] || !whole->valid[other]) return;
  // Both places are in use while the copy is made.
  Touch(whole, side);
  Touch(whole, other);
  whole->valid[side] = true;
  Program::Instruction copy;
  copy.side = side;
  copy.tensor = whole;
  program_->instructions_.push_back(copy);
  commons_.push_back(nullptr);
}

void ProgramBuilder::BringRest(const Tensor* tensor, Side side) {
  const ProgramTensor* found = tensor == nullptr ? nullptr : Find(tensor);
  // Whoever writes a part must have the rest beside it.
  if (found != nullptr && found->base != nullptr) Bring(tensor, side);
}

void ProgramBuilder::Use(const Tensor* tensor, Side side) {
  ProgramTensor* found = tensor == nullptr ? nullptr : Find(tensor);
  if (found == nullptr) return;
  Touch(found->base == nullptr ? found : found->base, side);
}

void ProgramBuilder::Define(const Tensor* tensor, Side side) {
  ProgramTensor* found = tensor == nullptr ? nullptr : Find(tensor);
  if (found == nullptr) return;
  ProgramTensor* whole = found->base == nullptr ? found : found->base;
  Touch(whole, side);
  for (int i = 0; i < kSideCount; ++i) whole->valid[i] = i == side;
}

void ProgramBuilder::NeedWeight(const baleen_weight* weight) {
  if (weight == nullptr && !missing_weights_) {
    failure_ = Internal("a program names a weight that is not there");
  }
}

void ProgramBuilder::Touch(ProgramTensor* tensor, Side side) {
  const auto now = static_cast<int32_t>(program_->instructions_.size());
  if (!tensor->used[side]) {
    tensor->used[side] = true;
    tensor->first[side] = now;
  }
  tensor->last[side] = now;
}

void ProgramBuilder::FillCommon(Side side, int32_t layer, size_t size,
                                baleen_op_common* common) const {
  common->struct_size = static_cast<uint32_t>(size);
  common->mode = mode_;
  common->layer = layer;
  common->batch = batch_->on(side);
}

baleen_op_needs ProgramBuilder::QueryRecord(baleen_op op, Side side,
                                            const void* args) {
  baleen_op_needs needs = {};
  needs.struct_size = sizeof needs;
  const baleen_status code = machine_->table(side).query(
      machine_->device(side).handle, op, args, &needs);
  if (code == BALEEN_OK) return needs;
  failure_ = machine_->StatusOf(side, code, OperatorName(op));
  if (code == BALEEN_UNSUPPORTED && machine_->split() && side == kDevice) {
    assignment_->Demote(op);
    refused_ = true;
  }
  return needs;
}

void ProgramBuilder::AddRecord(baleen_op op, Side side, const void* args,
                               baleen_op_common* common,
                               const baleen_op_needs& needs) {
  Program::Instruction instruction;
  instruction.side = side;
  instruction.record.op = op;
  instruction.record.args = args;
  instruction.persistent_offset = persistent_[side];
  instruction.persistent_bytes = needs.persistent_bytes;
  persistent_[side] += AlignUp(needs.persistent_bytes, kAlign);
  scratch_[side] =
      std::max(scratch_[side], AlignUp(needs.scratch_bytes, kAlign));
  program_->instructions_.push_back(instruction);
  commons_.push_back(common);
}

// First fit in the order of first use: a step's tensors come and go like those
// on a stack, so little is lost.
uint64_t ProgramBuilder::PlanTensors(Side side) {
  struct Live {
    uint64_t begin;
    uint64_t end;
    int32_t last;
  };
  Vector<Live> live(machine_->memory());  // By `begin`.
  Vector<size_t> order(machine_->memory());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const ProgramTensor& tensor = *tensors_[i];
    if (tensor.base == nullptr && tensor.used[side]) order.push_back(i);
  }
  const auto first_of = [&](size_t i) {
    return tensors_[i]->kept ? -1 : tensors_[i]->first[side];
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return first_of(a) < first_of(b);
  });
  uint64_t extent = 0;
  for (const size_t i : order) {
    const ProgramTensor& tensor = *tensors_[i];
    const int32_t first = first_of(i);
    std::erase_if(live, [&](const Live& one) { return one.last < first; });
    const uint64_t size = ExtentOf(tensor.homes.on[side]);
    uint64_t begin = 0;
    size_t at = 0;
    while (at < live.size() && live[at].begin < begin + size) {
      begin = live[at].end;
      ++at;
    }
    const int32_t last = tensor.kept ? INT32_MAX : tensor.last[side];
    live.insert(live.begin() + static_cast<ptrdiff_t>(at),
                {begin, begin + size, last});
    offsets_[i] = begin;
    extent = std::max(extent, begin + size);
  }
  return extent;
}

void ProgramBuilder::PlaceTensors(Side side, char* block) {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    ProgramTensor& tensor = *tensors_[i];
    if (tensor.base != nullptr || !tensor.used[side]) continue;
    Tensor& home = tensor.homes.on[side];
    home.data = block + offsets_[i];
    if (ScaleBytes(home) != 0) {
      home.scales = block + offsets_[i] + ScaleOffset(home);
    }
  }
}

void ProgramBuilder::JoinSides() {
  for (ProgramTensor* tensor : tensors_) {
    if (!tensor->used[kCpu]) continue;
    const bool both = tensor->used[kDevice];
    int32_t* first = tensor->first;
    int32_t* last = tensor->last;
    first[kDevice] = both ? std::min(first[kDevice], first[kCpu]) : first[kCpu];
    last[kDevice] = both ? std::max(last[kDevice], last[kCpu]) : last[kCpu];
    tensor->used[kDevice] = true;
    tensor->used[kCpu] = false;
  }
}

Status ProgramBuilder::PlaceSide(Side side, uint64_t tensor_bytes) {
  Program& program = *program_;
  BALEEN_ASSIGN_OR_RETURN(
      program.blocks_[side],
      DeviceBlock::Allocate(*machine_, side, program.bytes_[side]));
  char* block = static_cast<char*>(program.blocks_[side].data());
  const uint64_t persistent = persistent_[side];
  if (persistent != 0) {
    const Block zeros(machine_->memory(), static_cast<size_t>(persistent));
    std::memset(zeros.data(), 0, zeros.size());
    BALEEN_RETURN_IF_ERROR(machine_->Copy(side, block, machine_->cpu_side(),
                                          zeros.data(), zeros.size()));
    BALEEN_RETURN_IF_ERROR(machine_->Wait(side));
  }
  PlaceTensors(side, block + persistent);
  for (size_t i = 0; i < commons_.size(); ++i) {
    const Program::Instruction& one = program.instructions_[i];
    if (commons_[i] == nullptr || one.side != side) continue;
    commons_[i]->scratch = block + persistent + tensor_bytes;
    if (one.persistent_bytes != 0) {
      commons_[i]->persistent = block + one.persistent_offset;
    }
  }
  return Status();
}

void ProgramBuilder::PlaceViews() {
  for (ProgramTensor* tensor : tensors_) {
    Tensor* homes = tensor->homes.on;
    if (tensor->base == nullptr) {
      // Bases come before their views.
      if (machine_->unified()) {
        homes[kCpu].data = homes[kDevice].data;
        homes[kCpu].scales = homes[kDevice].scales;
      }
      continue;
    }
    for (int i = 0; i < machine_->side_count(); ++i) {
      char* data = static_cast<char*>(tensor->base->homes.on[i].data);
      if (data != nullptr) homes[i].data = data + tensor->view_offset;
    }
  }
}

Result<Owned<Program>> ProgramBuilder::Finish(bool measure) {
  if (!failure_.ok()) return failure_;
  offsets_.resize(tensors_.size());
  if (machine_->unified()) JoinSides();
  for (int i = 0; i < machine_->side_count(); ++i) {
    const Side side = static_cast<Side>(i);
    // The persistent part, then tensors, then scratch.
    const uint64_t tensor_bytes = PlanTensors(side);
    program_->bytes_[side] = persistent_[side] + tensor_bytes + scratch_[side];
    if (!measure) BALEEN_RETURN_IF_ERROR(PlaceSide(side, tensor_bytes));
  }
  if (!measure) PlaceViews();
  return std::move(program_);
}

}  // namespace baleen
