// What tests set and read of the emulated device.
#pragma once

#include <cstdint>
#include <map>

namespace baleen::emulator {

struct Control {
  int devices = 1;
  int major = 9;
  int driver = 13000;
  uint64_t memory = uint64_t{8} << 30;
  uint64_t allocated = 0;
  uint64_t submitted = 0;     // Launches, copies and fills.
  uint64_t early = 0;         // Launches that may start early.
  uint64_t async_copies = 0;  // To shared memory.
  uint64_t graphs = 0;
  uint64_t graph_nodes = 0;  // Of all graphs that were made.
  uint64_t graph_launches = 0;
  std::map<void*, uint64_t> sizes;
};

Control& TheControl();

}  // namespace baleen::emulator
