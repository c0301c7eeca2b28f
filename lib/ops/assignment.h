// Which operators run on the model's device and which on the CPU.
//
// Operators that share what only a backend understands (plans, state, rounded
// activations) stay together: if the device lacks one of a group, the CPU runs
// all of it.
#pragma once

#include <array>

#include <baleen/backend.h>

#include "ops/machine.h"

namespace baleen {

class Assignment {
 public:
  // By what the device's table offers.
  explicit Assignment(const Machine& machine);

  Side side(baleen_op op) const { return sides_[static_cast<size_t>(op)]; }
  // Gives `op` and its group to the CPU.
  void Demote(baleen_op op);

 private:
  std::array<Side, BALEEN_OP_COUNT> sides_;
};

}  // namespace baleen
