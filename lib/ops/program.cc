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
  for (const Recording& one : recordings_) Forget(one.pieces);
}

void Program::Forget(const Vector<Piece>& pieces) const {
  for (const Piece& piece : pieces) {
    if (piece.program == nullptr) continue;
    machine_->table(kDevice).program_destroy(machine_->device(kDevice).handle,
                                             piece.program);
  }
}

bool Program::IsRecordable(const Instruction& instruction) const {
  return instruction.side == kDevice && instruction.tensor == nullptr &&
         instruction.host.run == nullptr;
}

Status Program::FindPieces(int64_t rows, std::span<const Piece>* out) const {
  for (const Recording& one : recordings_) {
    if (one.rows != rows) continue;
    *out = one.pieces;
    return Status();
  }
  const baleen_device_table& table = machine_->table(kDevice);
  if (!machine_->split() || rows > kMostRecordedRows ||
      table.program_create == nullptr || table.program_run == nullptr ||
      table.program_destroy == nullptr) {
    return Status();
  }
  recordings_.reserve(recordings_.size() + 1);
  // Left by an error or an exception, what was recorded is given back.
  struct Unfinished {
    const Program* program;
    Vector<Piece> pieces;
    ~Unfinished() { program->Forget(pieces); }
  };
  Unfinished made = {this, Vector<Piece>(machine_->memory())};
  made.pieces.reserve(instructions_.size());
  BALEEN_RETURN_IF_ERROR(Record(&made.pieces));
  recordings_.push_back({rows, std::move(made.pieces)});
  *out = recordings_.back().pieces;
  return Status();
}

Status Program::Record(Vector<Piece>* pieces) const {
  size_t first = 0;
  while (first < instructions_.size()) {
    const bool records = IsRecordable(instructions_[first]);
    size_t end = first + 1;
    while (end < instructions_.size() &&
           IsRecordable(instructions_[end]) == records) {
      ++end;
    }
    baleen_program* program = nullptr;
    if (records) BALEEN_RETURN_IF_ERROR(RecordPiece(first, end, &program));
    pieces->push_back({end, program});
    first = end;
  }
  return Status();
}

Status Program::RecordPiece(size_t first, size_t end,
                            baleen_program** out) const {
  Vector<baleen_op_record> records(machine_->memory());
  records.reserve(end - first);
  for (size_t i = first; i < end; ++i) {
    records.push_back(instructions_[i].record);
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
  const Piece whole = {instructions_.size(), nullptr};
  std::span<const Piece> pieces(&whole, 1);
  if (trace == nullptr) BALEEN_RETURN_IF_ERROR(FindPieces(rows, &pieces));
  BALEEN_RETURN_IF_ERROR(RunPieces(pieces, rows, cancel, trace));
  return WaitForAll();
}

Status Program::WaitForAll() const {
  for (int i = 0; i < machine_->side_count(); ++i) {
    BALEEN_RETURN_IF_ERROR(machine_->Wait(static_cast<Side>(i)));
  }
  return Status();
}

Status Program::CheckCancel(const std::atomic<bool>* cancel) const {
  if (cancel == nullptr || !cancel->load(std::memory_order_relaxed)) {
    return Status();
  }
  // Nothing of this run may still be at work when the caller goes on.
  BALEEN_RETURN_IF_ERROR(WaitForAll());
  return Status::Error(BALEEN_CANCELLED, "the call was cancelled");
}

Status Program::RunPieces(std::span<const Piece> pieces, int64_t rows,
                          const std::atomic<bool>* cancel, Trace* trace) const {
  size_t next = 0;
  for (const Piece& piece : pieces) {
    if (piece.program != nullptr) {
      // One that is the whole program is not looked at: it is soon over.
      if (next != 0) BALEEN_RETURN_IF_ERROR(CheckCancel(cancel));
      BALEEN_RETURN_IF_ERROR(
          machine_->StatusOf(kDevice,
                             machine_->table(kDevice).program_run(
                                 machine_->queue(kDevice), piece.program),
                             "a recorded program"));
      next = piece.end;
    }
    for (; next < piece.end; ++next) {
      BALEEN_RETURN_IF_ERROR(CheckCancel(cancel));
      BALEEN_RETURN_IF_ERROR(RunOne(instructions_[next], rows, trace));
    }
  }
  return Status();
}

Status Program::RunOne(const Instruction& instruction, int64_t rows,
                       Trace* trace) const {
  using Clock = std::chrono::steady_clock;
  const auto start = trace == nullptr ? Clock::time_point() : Clock::now();
  const Side side = instruction.side;
  // A host's part is for the most part copies.
  const bool is_host = instruction.host.run != nullptr;
  const bool is_copy = instruction.tensor != nullptr || is_host;
  if (is_host) {
    BALEEN_RETURN_IF_ERROR(instruction.host.run(instruction.host.self, rows));
  } else if (is_copy) {
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
