// The game's job system: a few threads that share out parallel loops.
//
// The water is computed on it and so are the engine's operators: a game has its
// threads already, and a library that brings its own would only fight them for
// the cores.  Loops may be started by several threads at once, as happens while
// the model loads behind the title, and all of them get help.
//
// A step of the pocket model is about a hundred loops of 20 microseconds.
// Waking a thread takes longer than that, so helpers look out for the next loop
// for a while before they go to sleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <baleen/baleen.h>

namespace game {

class JobSystem {
 public:
  // `width` threads at once, the caller's included; at least 1.
  explicit JobSystem(uint32_t width);
  ~JobSystem();
  JobSystem(const JobSystem&) = delete;
  JobSystem& operator=(const JobSystem&) = delete;

  // Calls task(data, i) once for each i below `count`; returns when all have.
  void Run(uint32_t count, baleen_task_fn task, void* data);

  // The same for the engine.
  baleen_workers hooks();

  uint32_t width() const { return static_cast<uint32_t>(threads_.size()) + 1; }
  uint64_t loops() const { return loops_.load(std::memory_order_relaxed); }
  // How many tasks ran on other threads than the one that asked.
  uint64_t helped_tasks() const {
    return helped_tasks_.load(std::memory_order_relaxed);
  }

 private:
  // A loop in progress.  It lives on the stack of the thread that runs it, so
  // helpers count themselves in and out.
  struct Loop {
    baleen_task_fn task;
    void* data;
    uint32_t count;
    std::atomic<uint32_t> next{0};
    std::atomic<uint32_t> helpers{0};
  };

  // Runs what is left of the loop; returns how many tasks that was.
  static uint32_t Work(Loop* loop);
  // A loop with work left, the caller counted in; nullptr if there is none.
  Loop* Join();
  void Help();

  std::mutex mutex_;  // Of open_.
  std::vector<Loop*> open_;
  std::atomic<uint32_t> started_{0};  // Counts loops; sleepers wait for it.
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> loops_{0};
  std::atomic<uint64_t> helped_tasks_{0};
  std::vector<std::thread> threads_;
};

}  // namespace game
