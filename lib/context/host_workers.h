// The host's job system, with each task run in our floating-point mode.
#pragma once

#include <baleen/baleen.h>

namespace baleen {

class HostWorkers {
 public:
  HostWorkers() = default;
  explicit HostWorkers(const baleen_workers& given);
  HostWorkers(const HostWorkers&) = delete;
  HostWorkers& operator=(const HostWorkers&) = delete;

  const baleen_workers* hooks() const { return &hooks_; }

 private:
  void Run(uint32_t count, baleen_task_fn task, void* task_data) const;

  baleen_workers given_ = {};
  baleen_workers hooks_ = {};
};

}  // namespace baleen
