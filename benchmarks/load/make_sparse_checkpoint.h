// Makes the files of a published checkpoint with holes instead of weights, so
// that opening 160 or 860 GB can be measured and tested on any disk: names,
// types, shapes and shards are the real ones, only headers take space.
#pragma once

#include <cstdint>
#include <string>

struct SparseCheckpoint {
  uint64_t file_count = 0;
  uint64_t tensor_count = 0;
  uint64_t byte_count = 0;  // Of the tensors.
};

// Writes shards, index and config.json to `folder`, which exists.  `patterns`
// is a NAME.tensor_patterns.json and `config` the config.json that goes with
// it.  Throws std::runtime_error if it cannot.
SparseCheckpoint MakeSparseCheckpoint(const std::string& patterns,
                                      const std::string& config,
                                      const std::string& folder);

// A new folder below the system's temporary one, removed with all in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};
