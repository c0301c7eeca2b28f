// A queue of the CPU device: work is done when it is put in.
//
// Holds nothing that changes, so it costs nothing to have many.
#pragma once

#include "cpu/device.h"

namespace baleen::cpu {

struct Queue {
  const Device* device;
};

inline Queue* FromHandle(baleen_queue* queue) {
  return reinterpret_cast<Queue*>(queue);
}
inline baleen_queue* ToHandle(Queue* queue) {
  return reinterpret_cast<baleen_queue*>(queue);
}

}  // namespace baleen::cpu
