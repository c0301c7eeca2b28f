// The routed experts of a model whose device has no room for all: memory on the
// device for some, where each of them lies, and how the others get there.
//
// An expert has a place on the device, or is staged there for a part of a step,
// or is computed by the CPU (ops/missing_experts.h).  Which have places changes
// between steps, by how often they are visited.  Not thread-safe.
#pragma once

#include <cstdint>
#include <span>

#include <baleen/backend.h>

#include "base/memory.h"
#include "base/status.h"
#include "ops/expert_cache.h"
#include "ops/machine.h"

namespace baleen {

struct ExpertRules {
  int32_t layers = 0;
  int32_t experts = 0;        // Of a layer.
  int32_t places = 0;         // Of all layers.
  int32_t staged = 0;         // At once; twice as many have room.
  uint64_t expert_bytes = 0;  // On the device, of the largest.
  // Whether the CPU has the weights to compute experts, and may.
  bool computes = false;
};

class ExpertStore {
 public:
  // Steps of more rows bring experts to the device: the CPU reads an expert's
  // bytes about as fast as the bus, but does not multiply as fast.
  static constexpr int64_t kMostComputedRows = 16;

  // A layer's experts on the device, and on the CPU (or NULL).
  struct Layer {
    const baleen_weight* weight = nullptr;
    const baleen_weight* host_weight = nullptr;
  };

  // For programs that are measured; they run after Open.
  ExpertStore(const Machine* machine, const ExpertRules& rules);
  ~ExpertStore();
  ExpertStore(const ExpertStore&) = delete;
  ExpertStore& operator=(const ExpertStore&) = delete;

  // Takes the device's memory and fills the places.  The layers' weights must
  // outlive the store, and have been opened with BALEEN_RESIDENT_PLACED.
  Status Open(std::span<const Layer> layers);
  // A place's bytes, and all that Open takes.
  static uint64_t PlaceBytesOf(const ExpertRules& rules);
  static uint64_t BytesOf(const ExpertRules& rules);

  const ExpertRules& rules() const { return rules_; }
  ExpertCache& cache() { return cache_; }
  const Layer& layer(int32_t index) const {
    return layers_[static_cast<size_t>(index)];
  }
  // A handle: i32 [E], the place of each expert or -1.
  const Tensor* resident(int32_t layer) const {
    return residents_[static_cast<size_t>(layer)].handle();
  }

  // Whether the CPU computes what is missing in a step of so many rows.
  bool Computes(int64_t rows) const {
    return rules_.computes && rows <= kMostComputedRows;
  }

  // Before a step of so many rows: experts that have become frequent take the
  // places of others, a few each time.
  Status Adapt(int64_t rows);
  // Counts what rows of a layer visit, and finds those without a place.
  void Visit(int32_t layer, std::span<const int32_t> experts);
  // Ascending, of the last Visit.
  std::span<const int32_t> missing() const { return missing_; }
  // Tables of residents, i32 [E]: on the CPU, the missing alone; on the device,
  // in row i of `rounds` those of them that are staged together for the ith time.
  Tensor OnlyMissing();
  Status UploadRounds(const Tensor& rounds);

  // Brings up to `staged` experts to half 0 or 1 of the room for them, while
  // the machine's queue goes on.
  Status Stage(int32_t layer, int32_t half, std::span<const int32_t> experts);
  // What is staged from here on comes after what the machine's queue has now,
  Status StageAfterQueue();
  // and the queue goes on after what is staged now.
  Status QueueAfterStaged();

 private:
  // Between two exchanges of one step, packing an expert takes some ms.
  static constexpr int kMostExchanges = 2;

  void* PlaceAt(int64_t index) const;
  Status PlaceExperts(int32_t layer, std::span<const int32_t> experts,
                      std::span<void* const> memory);
  Status FillPlaces();
  // Makes the device's table of a layer that of the cache.
  Status UploadResident(int32_t layer);
  Status Join(baleen_queue* queue, baleen_queue* other) const;

  const Machine* machine_;
  ExpertRules rules_;
  ExpertCache cache_;
  baleen_queue* queue_ = nullptr;  // For bringing experts.
  Vector<Layer> layers_;
  DeviceBlock block_;  // Room for staged experts, then places.
  DeviceBlock tables_;
  Vector<Homes> residents_;
  Vector<int32_t> missing_;
  Vector<int32_t> list_;  // While a table is made.
  Vector<void*> memory_;
};

}  // namespace baleen
