// How tokens are chosen, from the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <baleen/baleen.h>
#include <CLI/CLI.hpp>

namespace tool {

// What one turn or completion may be like.
struct GenerationOptions {
  baleen_sampling sampling = {};
  bool greedy = false;
  uint64_t max_tokens = 0;
  std::vector<std::string> stops;
};

void AddGenerationOptions(CLI::App* command, GenerationOptions* options);

// Points into `options` and `stops`, which must outlive it.
baleen_generation MakeGeneration(GenerationOptions* options,
                                 std::vector<const char*>* stops);

// "the model ended its turn" and so on.
const char* DescribeFinish(baleen_finish finish);

}  // namespace tool
