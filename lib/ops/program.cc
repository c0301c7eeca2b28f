#include "ops/program.h"

#include <chrono>

#include "numeric/float_mode.h"
#include "ops/table.h"

namespace baleen {

namespace {

// Steps of more rows are not short of time to launch their operators one by
// one; and each number of rows takes a recording of its own.
constexpr int64_t kMostRecordedRows = 64;

}  // namespace

Program::Program(const Machine* machine, int64_t row_limit)
    : machine_(machine),
      row_limit_(row_limit),
      records_(machine->memory()),
      instructions_(machine->memory()),
      recordings_(machine->memory()) {}

Program::~Program() {
  for (const Recording& one : recordings_) {
    if (one.program == nullptr) continue;
    machine_->table(kDevice).program_destroy(machine_->device(kDevice).handle,
                                             one.program);
  }
}

bool Program::IsRecordable() const {
  const baleen_device_table& table = machine_->table(kDevice);
  if (table.program_run == nullptr || table.program_destroy == nullptr) {
    return false;
  }
  for (const Instruction& instruction : instructions_) {
    if (instruction.side != kDevice || instruction.tensor != nullptr) {
      return false;
    }
  }
  return !instructions_.empty();
}

Status Program::FindRecording(int64_t rows, baleen_program** out) const {
  *out = nullptr;
  if (!machine_->split() || rows > kMostRecordedRows ||
      machine_->table(kDevice).program_create == nullptr) {
    return Status();
  }
  for (const Recording& one : recordings_) {
    if (one.rows != rows) continue;
    *out = one.program;
    return Status();
  }
  recordings_.reserve(recordings_.size() + 1);
  if (IsRecordable()) BALEEN_RETURN_IF_ERROR(Record(out));
  recordings_.push_back({rows, *out});
  return Status();
}

Status Program::Record(baleen_program** out) const {
  Vector<baleen_op_record> records(machine_->memory());
  records.reserve(instructions_.size());
  for (const Instruction& instruction : instructions_) {
    records.push_back(instruction.record);
  }
  const auto count = static_cast<uint32_t>(records.size());
  const baleen_device_table& table = machine_->table(kDevice);
  baleen_program* program = nullptr;
  uint32_t taken = 0;
  const baleen_status status =
      table.program_create(machine_->queue(kDevice), records.data(), count,
                           nullptr, 0, &taken, &program);
  if (status == BALEEN_UNSUPPORTED) return Status();
  if (status != BALEEN_OK) {
    return machine_->StatusOf(kDevice, status, "a program was not recorded");
  }
  // A part of it is no use here: operators are then called one by one.
  if (taken != count) {
    table.program_destroy(machine_->device(kDevice).handle, program);
    return Status();
  }
  *out = program;
  return Status();
}

Status Program::Run(int64_t rows, const std::atomic<bool>* cancel,
                    Trace* trace) const {
  const DefaultFloatMode mode;
  const baleen_device_table& table = machine_->table(kDevice);
  if (table.queue_rows != nullptr) {
    BALEEN_RETURN_IF_ERROR(machine_->StatusOf(
        kDevice,
        table.queue_rows(machine_->queue(kDevice), static_cast<uint32_t>(rows)),
        "the number of rows"));
  }
  baleen_program* recording = nullptr;
  if (trace == nullptr) {
    BALEEN_RETURN_IF_ERROR(FindRecording(rows, &recording));
  }
  if (recording == nullptr) return RunInstructions(rows, cancel, trace);
  BALEEN_RETURN_IF_ERROR(machine_->StatusOf(
      kDevice, table.program_run(machine_->queue(kDevice), recording),
      "a recorded program"));
  return machine_->Wait(kDevice);
}

Status Program::RunInstructions(int64_t rows, const std::atomic<bool>* cancel,
                                Trace* trace) const {
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
