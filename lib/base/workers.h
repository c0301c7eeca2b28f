// The library's own threads for parallel loops, where the host brings none.
//
// A fork-join pool: the caller takes part, helpers spin briefly for the next
// loop and then sleep.  Each thread begins with a run of indices of its own, so
// that processors read different streams of memory and no counter travels
// between them, and then takes what is left of the others'.  A caller waits for
// helpers that are inside its loop, never for one that has yet to be scheduled.
// One loop runs at a time; a caller that finds the pool taken runs its loop
// alone, so callers never wait for each other and a loop inside a loop is safe.
// Which thread runs which index is left open: results must not depend on it.
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
  // What different threads write must not share a line of a cache, nor the pair
  // of lines that processors fetch together.
  static constexpr size_t kApart = 128;

  // What is left of the indices that a thread begins with.
  struct alignas(kApart) Share {
    std::atomic<uint32_t> next{0};
    uint32_t end = 0;
  };

  void Help(uint32_t self);
  // Runs indices until there are none left, first those of thread `self`.
  void Work(uint32_t self);

  Vector<std::thread> threads_;
  baleen_workers hooks_;
  // The loop in progress; written while nobody is inside.
  Vector<Share> shares_;
  baleen_task_fn task_ = nullptr;
  void* task_data_ = nullptr;
  std::atomic<bool> stop_{false};
  // Counts loops; helpers wait for it.
  std::atomic<uint32_t> generation_{0};
  // Whether there is a loop to help with, and how many helpers are inside.
  alignas(kApart) std::atomic<uint32_t> gate_{0};
  alignas(kApart) std::atomic<bool> taken_{false};
};

}  // namespace baleen
