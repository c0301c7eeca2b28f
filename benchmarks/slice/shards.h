// How a slice's tensors lie in its files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/checkpoint.h"

namespace baleen::slice {

// A tensor to be written.
struct Place {
  std::string name;
  StoredTensor tensor;  // Type, shape and size only.
  StoredTensor weight;  // Of scales: the same of what they scale.
  uint64_t offset = 0;  // In its shard.
};

struct Shard {
  std::string file;    // Its name in the folder.
  std::string header;  // The 8 bytes of its size, and the header.
  uint64_t size = 0;
  std::vector<Place> places;
};

// What a checkpoint of this configuration has, in shards of 4 GB.
std::vector<Shard> PlanShards(const std::string& config);

// The text of model.safetensors.index.json.
std::string IndexOf(const std::vector<Shard>& shards);

// How many experts a token can be sent to.
int64_t ExpertCount(const std::string& config);

}  // namespace baleen::slice
