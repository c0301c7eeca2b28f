// What of a model lies on its device, by a budget of bytes.
//
// First routed experts stay in the host's memory, as many as must; then, where
// the device cannot even hold those that a step brings there, the table of
// embeddings, then the head, which the CPU computes.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace baleen::deepseek_v4 {

// Bytes on the device, of everything.
struct PlacementNeed {
  uint64_t budget = 0;
  uint64_t weights = 0;       // All of them.
  uint64_t experts = 0;       // Of them, routed experts,
  uint64_t embed = 0;         // the table of embeddings and what goes with it,
  uint64_t head = 0;          // and the head.
  uint64_t expert_bytes = 0;  // Of a place of an expert; 0: there are none.
  uint64_t working = 0;       // Scratch, and the state of sessions.
};

struct Placement {
  bool all = false;  // Nothing is elsewhere; the rest says nothing.
  bool embed_on_device = true;
  bool head_on_device = true;
  int64_t places = 0;  // Of routed experts.
  int64_t staged = 0;  // Brought to the device together; twice as many fit.
};

// BALEEN_OUT_OF_MEMORY if the rest of the model does not fit.
Result<Placement> PlaceModel(const PlacementNeed& need);

}  // namespace baleen::deepseek_v4
