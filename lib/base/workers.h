// The library's own threads for parallel loops, where the host brings none.
//
// A fork-join pool: the caller takes part, helpers spin briefly for the next
// loop and then sleep.  One loop runs at a time; a caller that finds the pool
// taken runs its loop alone, so callers never wait for each other and a loop
// inside a loop is safe.  Which thread runs which index is left open: results
// must not depend on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "base/memory.h"

namespace baleen {

class Workers {
 public:
  // `width` threads in all, the caller's included; 0: one for each processor
  // that the process may use.  If the system refuses a thread, fewer.
  Workers(uint32_t width, Memory* memory);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  uint32_t width() const { return static_cast<uint32_t>(threads_.size()) + 1; }
  void Run(uint32_t count, baleen_task_fn task, void* task_data);

  // The same as the host's hooks would be, for backends.
  const baleen_workers* hooks() const { return &hooks_; }

 private:
  void Help();
  // Runs indices until there are none left.
  void Work();

  Vector<std::thread> threads_;
  baleen_workers hooks_;
  std::atomic<bool> taken_{false};
  std::atomic<bool> stop_{false};
  // The loop in progress.  `generation_` counts loops; helpers wait for it.
  std::atomic<uint32_t> generation_{0};
  std::atomic<uint32_t> next_{0};
  std::atomic<uint32_t> busy_helpers_{0};
  uint32_t count_ = 0;
  baleen_task_fn task_ = nullptr;
  void* task_data_ = nullptr;
};

}  // namespace baleen
