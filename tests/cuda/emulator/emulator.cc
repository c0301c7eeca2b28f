// Fibers, and the collectives that they meet at; see emulator.h.
#include "cuda/emulator/emulator.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/emulator/control.h"

namespace baleen::emulator {
namespace {

constexpr size_t kStackBytes = 128 << 10;
constexpr unsigned int kWarp = 32;
constexpr size_t kExchangeBytes = 64;
constexpr size_t kSharedBytes = 228 << 10;

struct Warp {
  unsigned int arrived = 0;
  unsigned int alive = 0;
  unsigned int generation = 0;
  // Two, so that a lane may give its next value while others read the last.
  alignas(16) uint8_t exchange[2][kWarp][kExchangeBytes];
  unsigned int round[kWarp];
};

#if defined(__x86_64__)
// Saves what a call must preserve, and goes on where `to` did so.
extern "C" void BaleenEmulatorSwitch(void** from, void* to);
asm(R"(
.text
.globl BaleenEmulatorSwitch
.type BaleenEmulatorSwitch,@function
BaleenEmulatorSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size BaleenEmulatorSwitch,.-BaleenEmulatorSwitch
)");
#endif

struct Fiber {
#if defined(__x86_64__)
  void* stack_pointer;
#else
  ucontext_t context;
#endif
  uint8_t* stack = nullptr;
  unsigned int index;
  bool ended;
  uint3 thread;
};

struct Machine {
  std::mutex mutex;  // One grid at a time, whoever launches it.
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::unique_ptr<uint8_t[]> shared{new uint8_t[kSharedBytes + 1024]};
  Fiber main;
  Fiber* current = nullptr;
  size_t count = 0;
  size_t ended = 0;
  bool backward = false;
  size_t idle = 0;  // Switches since anything went on.
  unsigned int arrived = 0;
  unsigned int generation = 0;
  const std::function<void()>* body = nullptr;
};

Machine& TheMachine() {
  static Machine* const machine = new Machine;
  return *machine;
}

void SwitchTo(Machine& machine, Fiber* next) {
  Fiber* const from = machine.current;
  if (from == next) return;
  machine.current = next;
  current_place.thread = next->thread;
#if defined(__x86_64__)
  BaleenEmulatorSwitch(&from->stack_pointer, next->stack_pointer);
#else
  swapcontext(&from->context, &next->context);
#endif
}

// The next fiber that has not ended; the main one if there is none.
Fiber* NextOf(Machine& machine, const Fiber& fiber) {
  if (machine.ended == machine.count) return &machine.main;
  size_t i = fiber.index;
  do {
    i = machine.backward ? (i + machine.count - 1) % machine.count
                         : (i + 1) % machine.count;
  } while (machine.fibers[i].ended);
  return &machine.fibers[i];
}

void Yield(Machine& machine) {
  if (++machine.idle > 4 * machine.count + 64) {
    Fault("threads wait for each other at different places");
  }
  SwitchTo(machine, NextOf(machine, *machine.current));
}

void FiberMain() {
  Machine& machine = TheMachine();
  (*machine.body)();
  Fiber& self = *machine.current;
  self.ended = true;
  ++machine.ended;
  machine.idle = 0;
  Warp& warp = machine.warps[self.index / kWarp];
  --warp.alive;
  // Those who wait do not wait for the dead.
  if (warp.arrived > 0) Fault("a lane ended while others of its warp meet");
  const size_t alive = machine.count - machine.ended;
  if (alive > 0 && machine.arrived == alive) {
    machine.arrived = 0;
    ++machine.generation;
  }
  SwitchTo(machine, NextOf(machine, self));
  Fault("a thread went on after its end");
}

void Prepare(Fiber& fiber) {
  if (fiber.stack == nullptr) {
    void* memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) Fault("no memory for a fiber");
    fiber.stack = static_cast<uint8_t*>(memory);
  }
#if defined(__x86_64__)
  // Six registers, the address to go to, and a return address of none: the
  // stack is aligned as after a call.
  void** top = reinterpret_cast<void**>(fiber.stack + kStackBytes) - 1;
  *top = nullptr;
  *--top = reinterpret_cast<void*>(&FiberMain);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, FiberMain, 0);
#endif
  fiber.ended = false;
}

void RunBlock(Machine& machine) {
  const dim3 size = current_place.block_size;
  machine.count = size_t{size.x} * size.y * size.z;
  if (machine.fibers.size() < machine.count) {
    machine.fibers.resize(machine.count);
  }
  machine.warps.resize((machine.count + kWarp - 1) / kWarp);
  for (Warp& warp : machine.warps) {
    warp.arrived = warp.alive = warp.generation = 0;
    std::memset(warp.round, 0, sizeof(warp.round));
  }
  for (size_t i = 0; i < machine.count; ++i) {
    Fiber& fiber = machine.fibers[i];
    fiber.index = static_cast<unsigned int>(i);
    fiber.thread = {fiber.index % size.x, fiber.index / size.x % size.y,
                    fiber.index / size.x / size.y};
    Prepare(fiber);
    ++machine.warps[i / kWarp].alive;
  }
  machine.ended = 0;
  machine.arrived = machine.generation = 0;
  machine.idle = 0;
  machine.current = &machine.main;
  SwitchTo(machine, &machine.fibers[machine.backward ? machine.count - 1 : 0]);
}

}  // namespace

void* DynamicShared() {
  const uintptr_t at = reinterpret_cast<uintptr_t>(TheMachine().shared.get());
  return reinterpret_cast<void*>((at + 1023) / 1024 * 1024);
}

void BlockBarrier() {
  Machine& machine = TheMachine();
  const unsigned int generation = machine.generation;
  machine.idle = 0;
  if (++machine.arrived == machine.count - machine.ended) {
    machine.arrived = 0;
    ++machine.generation;
    return;
  }
  while (machine.generation == generation) Yield(machine);
}

void WarpBarrier() {
  Machine& machine = TheMachine();
  Warp& warp = machine.warps[machine.current->index / kWarp];
  const unsigned int generation = warp.generation;
  machine.idle = 0;
  if (++warp.arrived == warp.alive) {
    warp.arrived = 0;
    ++warp.generation;
    return;
  }
  while (warp.generation == generation) Yield(machine);
}

const void* Exchange(const void* value, size_t size, void (*join)(void*)) {
  if (size > kExchangeBytes) Fault("too large a value for a warp's exchange");
  Machine& machine = TheMachine();
  const unsigned int index = machine.current->index;
  Warp& warp = machine.warps[index / kWarp];
  if (warp.alive != kWarp) Fault("a warp's collective lacks lanes");
  const unsigned int round = warp.round[index % kWarp]++ & 1;
  uint8_t* slots = &warp.exchange[round][0][0];
  std::memcpy(slots + index % kWarp * size, value, size);
  if (join != nullptr && warp.arrived + 1 == warp.alive) join(slots);
  WarpBarrier();
  return slots;
}

void CopyAligned(void* to, const void* from, size_t bytes) {
  const auto rest = [](const void* at) {
    return reinterpret_cast<uintptr_t>(at) % 16;
  };
  if (rest(to) != 0 || rest(from) != 0 || bytes % 16 != 0) {
    Fault("an asynchronous copy is not aligned");
  }
  if (bytes == 0) return;
  ++TheControl().async_copies;
  std::memcpy(to, from, bytes);
}

void AwaitPhase(const uint64_t* barrier, uint32_t parity) {
  Machine& machine = TheMachine();
  while (*static_cast<const volatile uint64_t*>(barrier) % 2 == parity) {
    Yield(machine);
  }
}

void Fault(const char* message) {
  const Coordinates& at = Where();
  std::fprintf(stderr, "emulated device: %s (block %u %u %u, thread %u)\n",
               message, at.block.x, at.block.y, at.block.z, at.thread.x);
  std::abort();
}

void RunGrid(dim3 grid, dim3 block, size_t shared_bytes,
             const std::function<void()>& body) {
  Machine& machine = TheMachine();
  const std::lock_guard<std::mutex> lock(machine.mutex);
  constexpr unsigned int kMostThreads = 1024;
  const size_t threads = size_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > kMostThreads || shared_bytes > kSharedBytes ||
      grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 ||
      grid.z > 65535) {
    Fault("a launch that no device accepts");
  }
  machine.body = &body;
  current_place.block_size = block;
  current_place.grid_size = grid;
  for (unsigned int z = 0; z < grid.z; ++z) {
    for (unsigned int y = 0; y < grid.y; ++y) {
      for (unsigned int x = 0; x < grid.x; ++x) {
        current_place.block = {x, y, z};
        if (shared_bytes != 0) {
          std::memset(DynamicShared(), 0xCB, shared_bytes);
        }
        RunBlock(machine);
        machine.backward = !machine.backward;
      }
    }
  }
}

}  // namespace baleen::emulator
