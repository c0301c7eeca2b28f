// Which routed experts have a place on the device, of all layers together: those
// that were visited most, lately.
//
// Only the choice; whoever asks moves the bytes.  Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/memory.h"

namespace baleen {

class ExpertCache {
 public:
  struct Id {
    int32_t layer = 0;
    int32_t expert = 0;
  };
  // An expert that is to take a place from another.
  struct Exchange {
    Id in;
    Id out;
    int32_t place = 0;
  };

  // An expert comes in when it was visited twice as often as the one that goes,
  // and this often besides, so that chance moves nothing.
  static constexpr float kMargin = 4;
  // Visits count half after so many rows: some minutes of writing, or a long
  // prompt.
  static constexpr int64_t kHalfLife = 4096;

  // All without a place.
  ExpertCache(int32_t layers, int32_t experts, int32_t places, Memory* memory);

  int32_t layers() const { return layers_; }
  int32_t experts() const { return experts_; }
  int32_t places() const { return place_count_; }

  // As if it had been visited so often, before there are visits.
  void Foresee(Id id, float visits);
  // Gives each place to an expert, the most visited first; among equals the
  // lower expert of each layer in turn, so that layers have equally many.
  void Fill();

  // -1: none.
  int32_t PlaceOf(Id id) const { return places_[IndexOf(id)]; }
  // Rows of a step visit these; numbers that are no expert count nothing.
  void Visit(int32_t layer, std::span<const int32_t> experts);
  // Of a step that has been counted.
  void Age(int64_t rows);

  // The exchange that gains most, if any is worth its bytes.
  std::optional<Exchange> FindExchange() const;
  void Leave(Id id) { places_[IndexOf(id)] = -1; }
  void Take(Id id, int32_t place) { places_[IndexOf(id)] = place; }

 private:
  size_t IndexOf(Id id) const {
    return static_cast<size_t>(id.layer) * static_cast<size_t>(experts_) +
           static_cast<size_t>(id.expert);
  }
  Id IdOf(size_t index) const {
    const auto experts = static_cast<size_t>(experts_);
    return {static_cast<int32_t>(index / experts),
            static_cast<int32_t>(index % experts)};
  }

  int32_t layers_;
  int32_t experts_;
  int32_t place_count_;
  int64_t rows_ = 0;        // Since visits were halved last.
  Vector<float> visits_;    // [layers, experts]
  Vector<int32_t> places_;  // [layers, experts]
};

}  // namespace baleen
