// A program: a step, or a part of one, as a flat list of operators with their
// argument structs, in memory that is planned once and used by every run.
//
// Built by a ProgramBuilder.  Whoever writes the operators down names tensors by
// handles; the builder decides which side runs each operator, gives every tensor
// a place for as long as it is needed, and puts copies where two sides meet.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory_resource>

#include <baleen/backend.h>

#include "base/memory.h"
#include "base/status.h"
#include "ops/machine.h"
#include "ops/trace.h"

namespace baleen {

// A tensor of a program.  Argument structs name it by &homes.on[0].
struct ProgramTensor {
  Homes homes;
  ProgramTensor* base = nullptr;  // Of a view: what it looks at.
  uint64_t view_offset = 0;       // In bytes.
  bool kept = false;  // Its bytes outlive the run, and may come before it.
  bool used[kSideCount] = {};
  bool valid[kSideCount] = {};  // While building: where its bytes are.
  int32_t first[kSideCount] = {};
  int32_t last[kSideCount] = {};
};

// Not thread-safe.  The machine, weights and state that it names must outlive
// it.
class Program {
 public:
  // Use ProgramBuilder; public for MakeOwned.
  Program(const Machine* machine, int64_t row_limit);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  // Runs the operators in order, in the default floating-point mode, and waits
  // for them.  `rows`: of the batch, so that copies move no more.  *cancel,
  // unless NULL, is looked at between operators.  `trace` may be NULL.
  Status Run(int64_t rows, const std::atomic<bool>* cancel, Trace* trace) const;

  int32_t operator_count() const {
    return static_cast<int32_t>(instructions_.size());
  }
  // Memory for tensors, scratch and persistent parts on a side.
  uint64_t bytes(Side side) const { return bytes_[side]; }

 private:
  friend class ProgramBuilder;

  // An operator, or with `tensor` a copy of it to `side` from the other.
  struct Instruction {
    Side side = kDevice;
    const ProgramTensor* tensor = nullptr;
    baleen_op_record record = {};
    uint64_t persistent_offset = 0;
    uint64_t persistent_bytes = 0;
  };

  // What the device made of the whole program for a number of rows.
  struct Recording {
    int64_t rows;
    baleen_program* program;
  };

  // Whether the device can run all of it as one.
  bool IsRecordable() const;
  // The recording for so many rows, made when it is first asked for; *out is
  // NULL where operators are to be called one by one.
  Status FindRecording(int64_t rows, baleen_program** out) const;
  Status Record(baleen_program** out) const;
  Status RunInstructions(int64_t rows, const std::atomic<bool>* cancel,
                         Trace* trace) const;
  Status RunOne(const Instruction& instruction, int64_t rows,
                Trace* trace) const;
  Status CopyTensor(const ProgramTensor& tensor, Side to, int64_t rows) const;

  const Machine* machine_;
  int64_t row_limit_;
  // Argument structs and tensors: addresses stay.
  std::pmr::monotonic_buffer_resource records_;
  Vector<Instruction> instructions_;
  uint64_t bytes_[kSideCount] = {};
  DeviceBlock blocks_[kSideCount];
  mutable Vector<Recording> recordings_;
};

}  // namespace baleen
