// The parts of BALEEN_OP_ROUTER that every implementation shares: all but the
// products with the gate.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

namespace baleen::cpu {

// sqrt(softplus(product)).
float GateScore(float product);

// experts[row] = those that the table names for the row's token; ids that are
// no expert's become the nearest that is.
void TableExperts(const baleen_router_args& args, int64_t row);

// experts[row] = those of the highest scores [E] plus bias, best first.
void ChooseExperts(const baleen_router_args& args, int64_t row,
                   const float* scores);

// weights[row] = scores of the row's experts over their sum, scaled.
void WeighExperts(const baleen_router_args& args, int64_t row,
                  const float* scores);

}  // namespace baleen::cpu
