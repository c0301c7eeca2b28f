// Checkpoints for benchmarks: official format, the true shapes of a published
// model's layers, few of them, random weights of realistic scale.  Whole models
// of 160 GB cannot be measured on most machines; these can, and a layer of one
// costs what a layer of the other costs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baleen::slice {

// What slices there are; all but "micro" take gigabytes:
//
//   flash      V4-Flash: 6 layers of ratios 0, 0, 4, 128, 4, 128, the first 3
//              hash-routed, 64 experts; 6.3 GB
//   attention  2 layers of V4-Flash, one CSA, one HCA, whose experts are tiny;
//              0.5 GB
//   pro        V4-Pro: 4 layers of ratios 128, 128, 4, 128, the first 2
//              hash-routed, 32 experts; 6.6 GB
//   micro      every kind of layer, made of next to nothing; for tests
std::vector<std::string> SliceKinds();

struct SliceOptions {
  std::string kind;
  std::string folder;
  uint64_t seed = 1;
  int threads = 2;
};

// $BALEEN_SLICES/KIND, or else slices/KIND in the build tree.
std::string DefaultSliceFolder(const std::string& kind);

// Writes the checkpoint unless its folder has it, complete and of these
// options; says whether it did.  The same options give the same bytes, whatever
// the number of threads.  Throws std::runtime_error if it cannot.
bool MakeSlice(const SliceOptions& options);

}  // namespace baleen::slice
