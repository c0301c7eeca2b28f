// The plan of a mixture of experts, in device memory.
//
// Entries are sorted by expert, then row; entry i is row i of `a`, and the
// shared expert's rows follow the entries.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace baleen::cuda {

// Rows of an expert that a block of threads takes when there are many.
constexpr int kMoeTile = 64;

struct MoePlanHeader {
  int32_t rows;
  int32_t experts;
  int32_t entries;
  int32_t active;  // Experts that have entries and are resident.
  int32_t tiles;
  int32_t all_rows;  // Entries, and rows of the shared expert.
  int32_t room;      // Rows that the plan has room for,
  int32_t places;    // and experts that each visits: where its arrays lie.
};

struct MoeEntry {
  int32_t row;
  int32_t place;  // In the row's list.
  float weight;
  int32_t resident;  // 0 or 1: of the expert.
};

struct MoeTile {
  int32_t expert;
  int32_t first;  // Entry.
};

struct MoePlan {
  MoePlanHeader* header;
  int32_t* starts;       // [experts + 1]: first entry of each.
  int32_t* active;       // [active]: ascending.
  MoeTile* tiles;        // [tiles]: of resident experts.
  MoeEntry* entries;     // [entries]
  int32_t* row_entries;  // [rows, places]: a row's entries, ascending; then -1.
};

// Most tiles of `rows` rows that visit `places` experts each.
static __host__ __device__ constexpr int64_t MostMoeTiles(int64_t rows,
                                                          int64_t places,
                                                          int64_t experts) {
  const int64_t entries = rows * places;
  const int64_t partly = entries < experts ? entries : experts;
  return partly + entries / kMoeTile;
}

static __host__ __device__ inline MoePlan MoePlanOf(void* data, int64_t rows,
                                                    int64_t places,
                                                    int64_t experts) {
  MoePlan plan;
  plan.header = static_cast<MoePlanHeader*>(data);
  plan.starts = reinterpret_cast<int32_t*>(plan.header + 1);
  plan.active = plan.starts + experts + 1;
  plan.tiles = reinterpret_cast<MoeTile*>(plan.active + experts);
  plan.entries = reinterpret_cast<MoeEntry*>(
      plan.tiles + MostMoeTiles(rows, places, experts));
  plan.row_entries = reinterpret_cast<int32_t*>(plan.entries + rows * places);
  return plan;
}

// A plan that has been made.
static __host__ __device__ inline MoePlan ReadPlan(const void* data) {
  const MoePlanHeader header = *static_cast<const MoePlanHeader*>(data);
  return MoePlanOf(const_cast<void*>(data), header.room, header.places,
                   header.experts);
}

inline uint64_t MoePlanBytes(int64_t rows, int64_t places, int64_t experts) {
  return sizeof(MoePlanHeader) +
         static_cast<uint64_t>(2 * experts + 1) * sizeof(int32_t) +
         static_cast<uint64_t>(MostMoeTiles(rows, places, experts)) *
             sizeof(MoeTile) +
         static_cast<uint64_t>(rows * places) *
             (sizeof(MoeEntry) + sizeof(int32_t));
}

}  // namespace baleen::cuda
