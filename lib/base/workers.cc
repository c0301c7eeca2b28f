#include "base/workers.h"

#include <sched.h>

#include <exception>

namespace baleen {
namespace {

// About 20 microseconds of pauses: longer than the gap between two operators
// of a step, shorter than anyone's patience with a busy idle process.
constexpr int kSpins = 2000;

uint32_t ProcessorCount() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    return static_cast<uint32_t>(CPU_COUNT(&set));
  }
  const unsigned count = std::thread::hardware_concurrency();
  return count == 0 ? 1 : count;
}

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

Workers::Workers(uint32_t width, Memory* memory) : threads_(memory), hooks_() {
  hooks_.struct_size = sizeof hooks_;
  hooks_.user_data = this;
  hooks_.run = [](void* self, uint32_t count, baleen_task_fn task,
                  void* task_data) {
    static_cast<Workers*>(self)->Run(count, task, task_data);
  };
  if (width == 0) width = ProcessorCount();
  threads_.reserve(width - 1);
  for (uint32_t i = 1; i < width; ++i) {
    try {
      threads_.emplace_back([this] { Help(); });
    } catch (const std::exception&) {
      break;  // No thread, or no memory for one.
    }
  }
  hooks_.width = this->width();
}

Workers::~Workers() {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::Work() {
  for (;;) {
    const uint32_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= count_) return;
    task_(task_data_, index);
  }
}

void Workers::Run(uint32_t count, baleen_task_fn task, void* task_data) {
  if (count <= 1 || threads_.empty() ||
      taken_.exchange(true, std::memory_order_acquire)) {
    for (uint32_t i = 0; i < count; ++i) task(task_data, i);
    return;
  }
  count_ = count;
  task_ = task;
  task_data_ = task_data;
  next_.store(0, std::memory_order_relaxed);
  busy_helpers_.store(static_cast<uint32_t>(threads_.size()),
                      std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  Work();
  for (int spin = 0; busy_helpers_.load(std::memory_order_acquire) != 0;
       ++spin) {
    if (spin < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
  taken_.store(false, std::memory_order_release);
}

void Workers::Help() {
  uint32_t seen = 0;
  for (;;) {
    for (int spin = 0;
         spin < kSpins && generation_.load(std::memory_order_relaxed) == seen;
         ++spin) {
      Pause();
    }
    generation_.wait(seen, std::memory_order_acquire);
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    Work();
    busy_helpers_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace baleen
