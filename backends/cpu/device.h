// The processor as a device of the CPU backend.
//
// Immutable once opened, so every thread may use it.  What a baleen_device* of
// this backend points to.
#pragma once

#include <baleen/backend.h>

#include <cstdarg>
#include <cstddef>

namespace baleen::cpu {

// Instruction sets, each of which includes those before it.  The reference is
// plain loops; portable code is blocked for any compiler to vectorize.
enum class Isa {
  kReference,
  kPortable,
  kAvx2,
  kAvx512Core,  // F, BW, DQ and VL.
  kAvx512,      // And VNNI, VBMI and BF16.
  kAmx
};

const char* IsaName(Isa isa);

// The best that this processor has and the system lets this process use.
Isa BestIsa();

class Device {
 public:
  Device(const baleen_host* host, Isa isa) : host_(host), isa_(isa) {}

  const baleen_host& host() const { return *host_; }
  Isa isa() const { return isa_; }
  uint32_t width() const { return host_->workers->width; }

  // Tells the host why, in one line, and returns `status`.
  baleen_status Fail(baleen_status status, const char* format, ...) const
      __attribute__((format(printf, 3, 4)));
  void Log(baleen_log_level level, const char* format, ...) const
      __attribute__((format(printf, 3, 4)));

  // Memory of the host's allocator, aligned to 256 bytes; the size is kept in
  // front of it.  NULL when there is none.
  void* Allocate(uint64_t size) const;
  void Deallocate(void* memory) const;

 private:
  const baleen_host* host_;
  Isa isa_;
};

inline Device* FromHandle(baleen_device* device) {
  return reinterpret_cast<Device*>(device);
}
inline baleen_device* ToHandle(Device* device) {
  return reinterpret_cast<baleen_device*>(device);
}

// Reads the setting cpu.isa.  Fails with BALEEN_INVALID_ARGUMENT for names
// there are not, BALEEN_UNSUPPORTED for what the processor lacks.
baleen_status ChooseIsa(const baleen_host& host, Isa* isa);

// The functions of devices, in device_table.cc.
extern const baleen_device_table kDeviceTable;

}  // namespace baleen::cpu
