// Loops over the host's workers.
//
// Which thread runs which index is the host's affair: results must not depend
// on it, so the split of work is fixed by shapes, never by the thread count.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/queue.h"
#include "numeric/float_mode.h"

namespace baleen::cpu {

// Runs body(i) for i in [0, count), each once, and waits.
template <typename Body>
void ParallelFor(const Queue& queue, int64_t count, const Body& body) {
  const baleen_workers& workers = *queue.device->host().workers;
  if (count <= 1 || workers.width <= 1) {
    const DefaultVectorMode mode;
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  struct Loop {
    const Body* body;
    int64_t count;
    int64_t per_task;
  };
  // The host counts in 32 bits; more than a few tasks a thread gain nothing.
  constexpr int64_t kMostTasks = 1 << 20;
  const int64_t per_task = (count + kMostTasks - 1) / kMostTasks;
  Loop loop{&body, count, per_task};
  const auto task = [](void* data, uint32_t index) {
    const DefaultVectorMode mode;
    const Loop& all = *static_cast<const Loop*>(data);
    const int64_t first = static_cast<int64_t>(index) * all.per_task;
    const int64_t end = std::min(first + all.per_task, all.count);
    for (int64_t i = first; i < end; ++i) (*all.body)(i);
  };
  workers.run(workers.user_data,
              static_cast<uint32_t>((count + per_task - 1) / per_task), task,
              &loop);
}

// Runs body(first, end) for the ranges of `grain` that make up [0, count).
template <typename Body>
void ParallelRanges(const Queue& queue, int64_t count, int64_t grain,
                    const Body& body) {
  ParallelFor(queue, (count + grain - 1) / grain, [&](int64_t i) {
    body(i * grain, std::min((i + 1) * grain, count));
  });
}

}  // namespace baleen::cpu
