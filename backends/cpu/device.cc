// Instruction sets, memory and messages of the CPU device.
#include "cpu/device.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#include <cstdio>
#include <cstring>
#include <iterator>

namespace baleen::cpu {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kMessageSize = 256;
constexpr const char* kIsaNames[] = {"reference",   "portable", "avx2",
                                     "avx512_core", "avx512",   "amx"};

#if defined(__x86_64__)
// __builtin_cpu_supports of clang 14 does not know it.
bool HasF16c() {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  constexpr unsigned int kF16cBit = 1u << 29;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & kF16cBit) != 0;
}

// Whether the processor has AMX and the kernel gives its registers, 8 KiB of a
// thread's state that a process has to ask for once.
bool HasAmx() {
#if defined(__linux__)
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  constexpr unsigned int kFeatures = 7;
  constexpr unsigned int kBf16TileInt8 = 1u << 22 | 1u << 24 | 1u << 25;
  if (__get_cpuid_count(kFeatures, 0, &a, &b, &c, &d) == 0 ||
      (d & kBf16TileInt8) != kBf16TileInt8) {
    return false;
  }
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

}  // namespace

const char* IsaName(Isa isa) { return kIsaNames[static_cast<int>(isa)]; }

Isa BestIsa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !HasF16c()) {
    return Isa::kPortable;
  }
  if (!__builtin_cpu_supports("avx512f") ||
      !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") ||
      !__builtin_cpu_supports("avx512dq")) {
    return Isa::kAvx2;
  }
  if (!__builtin_cpu_supports("avx512vnni") ||
      !__builtin_cpu_supports("avx512vbmi") ||
      !__builtin_cpu_supports("avx512bf16")) {
    return Isa::kAvx512Core;
  }
  const bool gfni = __builtin_cpu_supports("gfni");
  return gfni && HasAmx() ? Isa::kAmx : Isa::kAvx512;
#else
  return Isa::kPortable;
#endif
}

baleen_status ChooseIsa(const baleen_host& host, Isa* isa) {
  const Isa best = BestIsa();
  *isa = best;
  const char* setting = host.setting == nullptr
                            ? nullptr
                            : host.setting(host.user_data, "cpu.isa");
  if (setting == nullptr) return BALEEN_OK;
  const Device device(&host, best);
  for (int i = 0; i < static_cast<int>(std::size(kIsaNames)); ++i) {
    if (std::strcmp(setting, kIsaNames[i]) != 0) continue;
    *isa = static_cast<Isa>(i);
    if (*isa <= best) return BALEEN_OK;
    return device.Fail(BALEEN_UNSUPPORTED,
                       "this processor has no %s, which cpu.isa asks for",
                       setting);
  }
  return device.Fail(BALEEN_INVALID_ARGUMENT,
                     "cpu.isa is \"%.32s\", but must be reference, portable, "
                     "avx2, avx512_core, avx512 or amx",
                     setting);
}

baleen_status Device::Fail(baleen_status status, const char* format,
                           ...) const {
  if (host_->fail == nullptr) return status;
  char message[kMessageSize];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  host_->fail(host_->user_data, message);
  return status;
}

void Device::Log(baleen_log_level level, const char* format, ...) const {
  if (host_->log == nullptr) return;
  char message[kMessageSize];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  host_->log(host_->user_data, level, message);
}

void* Device::Allocate(uint64_t size) const {
  const baleen_allocator& allocator = *host_->allocator;
  if (size > SIZE_MAX - kAlignment) return nullptr;
  const size_t whole = static_cast<size_t>(size) + kAlignment;
  void* memory = allocator.allocate(allocator.user_data, whole, kAlignment);
  if (memory == nullptr) return nullptr;
  std::memcpy(memory, &whole, sizeof(whole));
  return static_cast<std::byte*>(memory) + kAlignment;
}

void Device::Deallocate(void* memory) const {
  if (memory == nullptr) return;
  const baleen_allocator& allocator = *host_->allocator;
  std::byte* const whole = static_cast<std::byte*>(memory) - kAlignment;
  size_t size;
  std::memcpy(&size, whole, sizeof(size));
  allocator.deallocate(allocator.user_data, whole, size, kAlignment);
}

}  // namespace baleen::cpu
