// What the experts of a layer that have no place on the device give to a step:
// its `others` (backend.h).
//
// Two parts of a program, between which the device is given the experts that it
// has.  The first reads which experts the rows visit.  Then the CPU computes
// those that are missing, in a step of few rows, while the device is at work; or
// they come to the device in rounds, the next while one is computed, with the
// device's own products: the same bits as if they had been there.
#pragma once

#include <cstdint>

#include <baleen/backend.h>

#include "base/status.h"
#include "ops/expert_store.h"
#include "ops/machine.h"

namespace baleen {

class Batch;
class ProgramBuilder;

// Handles of a program's tensors, and sizes.
struct MixtureOperands {
  Tensor* u_rounded = nullptr;  // [T, D]
  Tensor* experts = nullptr;    // i32 [T, A]
  Tensor* weights = nullptr;    // f32 [T, A]
  int64_t hidden = 0;           // D
  int64_t inner = 0;            // F
  float limit = 0;
};

// Lives in a program, which destroys nothing.
class MissingExperts {
 public:
  // `layer`: of the store; `number`: for the log.
  MissingExperts(ExpertStore* store, int32_t layer, int32_t number,
                 const MixtureOperands& operands);

  // Writes the parts down; the second returns `others`.
  void WriteBegin(ProgramBuilder* builder);
  Tensor* WriteEnd(ProgramBuilder* builder);

 private:
  // The three operators of a part of the experts, on a side.
  struct Mixture {
    baleen_moe_plan_args plan;
    baleen_moe_gate_up_args gate_up;
    baleen_moe_down_args down;
  };
  // With handles; on a side, with its tensors.
  Mixture MixtureOf(const baleen_weight* weight, const Tensor* resident) const;
  Mixture MixtureOn(Side side, const baleen_weight* weight,
                    const Tensor* resident) const;
  Status Run(Side side, const Mixture& mixture) const;

  void MakeTensors(ProgramBuilder* builder);
  void UseTensors(ProgramBuilder* builder, Side side) const;

  Status Begin(int64_t rows) const;
  Status End(int64_t rows) const;
  Status ComputeOnCpu(int64_t rows) const;
  Status ComputeInRounds() const;
  Status StageRound(int64_t round) const;
  // The first rows of what the device has to the CPU, or the way back.
  Status CopyRows(Side to, const Tensor* tensor, int64_t rows) const;

  ExpertStore* store_;
  int32_t layer_;
  int32_t number_;
  MixtureOperands operands_;
  const Machine* machine_ = nullptr;
  const Batch* batch_ = nullptr;
  baleen_mode mode_ = BALEEN_MODE_FAST;
  bool computes_ = false;      // In steps of few rows.
  Tensor* rounds_ = nullptr;   // i32 [rounds, E]: who is there in each.
  Tensor* plan_ = nullptr;     // Of either side.
  Tensor* visited_ = nullptr;  // i32 [E]
  Tensor* a_ = nullptr;        // [T * (A + 1), F]
  Tensor* others_ = nullptr;   // f32 [T, A, D]
  Tensor* scratch_ = nullptr;
};

}  // namespace baleen
