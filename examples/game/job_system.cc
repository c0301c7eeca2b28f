#include "job_system.h"

#include <algorithm>

namespace game {
namespace {

// About a tenth of a millisecond of looking out.
constexpr int kSpins = 2000;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

JobSystem::JobSystem(uint32_t width) {
  for (uint32_t i = 1; i < width; ++i) {
    threads_.emplace_back([this] { Help(); });
  }
}

JobSystem::~JobSystem() {
  stop_.store(true);
  started_.fetch_add(1);
  started_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

uint32_t JobSystem::Work(Loop* loop) {
  uint32_t done = 0;
  for (;; ++done) {
    const uint32_t index = loop->next.fetch_add(1, std::memory_order_relaxed);
    if (index >= loop->count) return done;
    loop->task(loop->data, index);
  }
}

void JobSystem::Run(uint32_t count, baleen_task_fn task, void* data) {
  loops_.fetch_add(1, std::memory_order_relaxed);
  if (count <= 1 || threads_.empty()) {
    for (uint32_t i = 0; i < count; ++i) task(data, i);
    return;
  }
  Loop loop = {task, data, count};
  {
    const std::lock_guard lock(mutex_);
    open_.push_back(&loop);
  }
  started_.fetch_add(1, std::memory_order_release);
  started_.notify_all();
  Work(&loop);
  {
    const std::lock_guard lock(mutex_);
    open_.erase(std::find(open_.begin(), open_.end(), &loop));
  }
  // Nobody can join any more; those who have are at their last task.
  for (int spin = 0; loop.helpers.load(std::memory_order_acquire) != 0;
       ++spin) {
    if (spin < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

JobSystem::Loop* JobSystem::Join() {
  const std::lock_guard lock(mutex_);
  for (Loop* loop : open_) {
    if (loop->next.load(std::memory_order_relaxed) < loop->count) {
      loop->helpers.fetch_add(1, std::memory_order_relaxed);
      return loop;
    }
  }
  return nullptr;
}

void JobSystem::Help() {
  uint32_t seen = started_.load(std::memory_order_acquire);
  while (!stop_.load(std::memory_order_relaxed)) {
    if (Loop* loop = Join(); loop != nullptr) {
      helped_tasks_.fetch_add(Work(loop), std::memory_order_relaxed);
      loop->helpers.fetch_sub(1, std::memory_order_release);
      continue;
    }
    for (int spin = 0;
         spin < kSpins && started_.load(std::memory_order_relaxed) == seen;
         ++spin) {
      Pause();
    }
    started_.wait(seen, std::memory_order_acquire);
    seen = started_.load(std::memory_order_acquire);
  }
}

baleen_workers JobSystem::hooks() {
  baleen_workers hooks = {};
  hooks.struct_size = sizeof hooks;
  hooks.width = width();
  hooks.user_data = this;
  hooks.run = [](void* self, uint32_t count, baleen_task_fn task,
                 void* task_data) {
    static_cast<JobSystem*>(self)->Run(count, task, task_data);
  };
  return hooks;
}

}  // namespace game
