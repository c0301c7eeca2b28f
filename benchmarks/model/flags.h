// What model_benchmark is asked for on its command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <baleen/baleen.h>

namespace baleen::bench {

struct Flags {
  std::string model;  // A folder.
  std::string slice;  // Or a slice, made if need be.
  std::vector<int64_t> threads = {2, 1};
  std::vector<baleen_mode> modes = {BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE};
  std::vector<int64_t> depths = {0};
  int64_t prompt = 512;  // Tokens of a prefill.
  int64_t decode = 48;   // Tokens of a decode.
  int64_t sessions = 8;  // Of a batch.
  int64_t repetitions = 3;
  bool repack = false;
  std::string isa;
};

// What --help prints.
extern const char* const kUsage;

// From what Google Benchmark has left of the arguments.  Throws
// std::runtime_error for what cannot be understood.
Flags ParseFlags(int argc, char** argv);

const char* ModeName(baleen_mode mode);

}  // namespace baleen::bench
