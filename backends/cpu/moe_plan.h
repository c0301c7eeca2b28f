// The plan of a mixture of experts: which rows each expert gets.
//
// Entries are sorted by expert, then row; an expert named twice by a row has one
// entry for it (model.md §16.1).  Entry i writes row i of `a`; the shared
// expert's rows follow the entries.
#pragma once

#include <baleen/backend.h>

#include <cstdint>

namespace baleen::cpu {

struct MoePlanHeader {
  int32_t rows;
  int32_t experts;
  int32_t entries;
  int32_t active;  // Experts that have entries and are resident.
};

struct MoeEntry {
  int32_t row;
  int32_t place;  // In the row's list.
  float weight;
};

struct MoePlan {
  explicit MoePlan(const baleen_tensor& plan, int64_t experts)
      : header(static_cast<MoePlanHeader*>(plan.data)),
        starts(reinterpret_cast<int32_t*>(header + 1)),
        active(starts + experts + 1),
        resident(active + experts),
        entries(reinterpret_cast<MoeEntry*>(resident + experts)) {}
  explicit MoePlan(const baleen_tensor& plan)
      : MoePlan(plan, static_cast<MoePlanHeader*>(plan.data)->experts) {}

  MoePlanHeader* header;
  int32_t* starts;    // [experts + 1]: first entry of each.
  int32_t* active;    // [header->active]: ascending.
  int32_t* resident;  // [experts]: 0 or 1.
  MoeEntry* entries;  // [header->entries]
};

inline uint64_t MoePlanBytes(int64_t rows, int64_t places, int64_t experts) {
  return sizeof(MoePlanHeader) +
         static_cast<uint64_t>(3 * experts + 1) * sizeof(int32_t) +
         static_cast<uint64_t>(rows * places) * sizeof(MoeEntry);
}

}  // namespace baleen::cpu
