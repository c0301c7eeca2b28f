#include "base/workers.h"

#include <sched.h>

#include <exception>

namespace baleen {
namespace {

// 20 to 90 microseconds of pauses, as long as processors take for them: longer
// than the gap between two operators of a step, shorter than anyone's patience
// with a busy idle process.
constexpr int kSpins = 2000;

constexpr uint32_t kOpen = uint32_t{1} << 31;  // Of the gate.

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

Workers::Workers(uint32_t width, Memory* memory)
    : threads_(memory),
      hooks_(),
      shares_(width == 0 ? ProcessorCount() : width, memory) {
  hooks_.struct_size = sizeof hooks_;
  hooks_.user_data = this;
  hooks_.run = [](void* self, uint32_t count, baleen_task_fn task,
                  void* task_data) {
    static_cast<Workers*>(self)->Run(count, task, task_data);
  };
  threads_.reserve(shares_.size() - 1);
  for (uint32_t i = 1; i < shares_.size(); ++i) {
    try {
      threads_.emplace_back([this, i] { Help(i); });
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

void Workers::Work(uint32_t self) {
  const auto width = static_cast<uint32_t>(shares_.size());
  for (uint32_t i = 0; i < width; ++i) {
    Share& share = shares_[(self + i) % width];
    // Looking first saves a thread that finds nothing from writing.
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      const uint32_t index = share.next.fetch_add(1, std::memory_order_relaxed);
      if (index >= share.end) break;
      task_(task_data_, index);
    }
  }
}

void Workers::Run(uint32_t count, baleen_task_fn task, void* task_data) {
  if (count <= 1 || threads_.empty() ||
      taken_.exchange(true, std::memory_order_acquire)) {
    for (uint32_t i = 0; i < count; ++i) task(task_data, i);
    return;
  }
  task_ = task;
  task_data_ = task_data;
  const uint64_t width = shares_.size();
  for (uint64_t i = 0; i < width; ++i) {
    shares_[i].next.store(static_cast<uint32_t>(i * count / width),
                          std::memory_order_relaxed);
    shares_[i].end = static_cast<uint32_t>((i + 1) * count / width);
  }
  gate_.store(kOpen, std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  Work(0);
  gate_.fetch_and(~kOpen, std::memory_order_relaxed);
  for (int spin = 0; gate_.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
  taken_.store(false, std::memory_order_release);
}

void Workers::Help(uint32_t self) {
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
    uint32_t gate = gate_.load(std::memory_order_relaxed);
    while ((gate & kOpen) != 0) {
      if (!gate_.compare_exchange_weak(gate, gate + 1,
                                       std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        continue;
      }
      Work(self);
      gate_.fetch_sub(1, std::memory_order_release);
      break;
    }
  }
}

}  // namespace baleen
