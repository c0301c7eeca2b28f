#include "ops/program.h"

#include <chrono>

#include "numeric/float_mode.h"
#include "ops/table.h"

namespace baleen {
Program::Program(const Machine* machine, int64_t row_limit)
    : machine_(machine),
      row_limit_(row_limit),
      records_(machine->memory()),
      instructions_(machine->memory()) {}

Status Program::Run(int64_t rows, const std::atomic<bool>* cancel,
                    Trace* trace) const {
  const DefaultFloatMode mode;
  for (const Instruction& instruction : instructions_) {
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) {
      // Nothing of this run may still be at work when the caller goes on.
      for (int i = 0; i < machine_->side_count(); ++i) {
        BALEEN_RETURN_IF_ERROR(machine_->Wait(static_cast<Side>(i)));
      }
      return Status::Error(BALEEN_CANCELLED, "the call was cancelled");
    }
    BALEEN_RETURN_IF_ERROR(RunOne(instruction, rows, trace));
  }
  for (int i = 0; i < machine_->side_count(); ++i) {
    BALEEN_RETURN_IF_ERROR(machine_->Wait(static_cast<Side>(i)));
  }
  return Status();
}

Status Program::RunOne(const Instruction& instruction, int64_t rows,
                       Trace* trace) const {
  using Clock = std::chrono::steady_clock;
  const auto start = trace == nullptr ? Clock::time_point() : Clock::now();
  const Side side = instruction.side;
  const bool is_copy = instruction.tensor != nullptr;
  if (is_copy) {
    BALEEN_RETURN_IF_ERROR(CopyTensor(*instruction.tensor, side, rows));
  } else {
    BALEEN_RETURN_IF_ERROR(machine_->StatusOf(
        side,
        CallOperator(*machine_->table(side).ops, machine_->queue(side),
                     instruction.record),
        OperatorName(instruction.record.op)));
  }
  if (trace == nullptr) return Status();
  BALEEN_RETURN_IF_ERROR(machine_->Wait(side));
  Trace::Entry& entry =
      is_copy ? trace->copies : trace->operators[instruction.record.op];
  ++entry.calls;
  entry.nanoseconds += static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start)
          .count());
  return Status();
}

Status Program::CopyTensor(const ProgramTensor& tensor, Side to,
                           int64_t rows) const {
  const Side from = to == kDevice ? kCpu : kDevice;
  const Tensor& source = tensor.homes.on[from];
  const Tensor& target = tensor.homes.on[to];
  if (source.data == target.data) return machine_->Wait(from);
  uint64_t data_bytes = DataBytes(source);
  uint64_t scale_bytes = ScaleBytes(source);
  // Where rows are outermost, those of this step lie in front.
  if (source.rank > 0 && source.size[0] % row_limit_ == 0) {
    const auto limit = static_cast<uint64_t>(row_limit_);
    data_bytes = data_bytes / limit * static_cast<uint64_t>(rows);
    scale_bytes = scale_bytes / limit * static_cast<uint64_t>(rows);
  }
  BALEEN_RETURN_IF_ERROR(
      machine_->Copy(to, target.data, from, source.data, data_bytes));
  return machine_->Copy(to, target.scales, from, source.scales, scale_bytes);
}

}  // namespace baleen
