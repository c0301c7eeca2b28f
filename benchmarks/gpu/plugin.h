// The plug-in by itself, without the library: its first device and a queue.
#pragma once

#include <baleen/backend.h>
#include <baleen/baleen.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace baleen::gpu {

class Plugin {
 public:
  // Throws std::runtime_error where there is no device, or no such setting.
  explicit Plugin(const std::string& path,
                  std::vector<baleen_setting> settings = {});
  ~Plugin();
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const baleen_device_table& table() const { return *table_; }
  baleen_device* device() const { return device_; }
  baleen_queue* queue() const { return queue_; }

  // Throws what the device said if a call of it failed.
  void Expect(baleen_status status) const {
    if (status != BALEEN_OK) throw std::runtime_error(failure_);
  }

 private:
  static void Fail(void* self, const char* message);
  static const char* Setting(void* self, const char* name);

  std::string failure_ = "a call of the device failed";
  std::vector<baleen_setting> settings_;
  baleen_allocator allocator_;
  baleen_workers workers_;
  baleen_host host_;
  const baleen_backend* backend_ = nullptr;
  baleen_device* device_ = nullptr;
  const baleen_device_table* table_ = nullptr;
  baleen_queue* queue_ = nullptr;
};

// Memory of the device.
class DeviceMemory {
 public:
  DeviceMemory(const Plugin& plugin, uint64_t size) : plugin_(plugin) {
    plugin.Expect(plugin.table().allocate(plugin.device(), size, &data_));
  }
  ~DeviceMemory() { plugin_.table().deallocate(plugin_.device(), data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* data() const { return data_; }

 private:
  const Plugin& plugin_;
  void* data_ = nullptr;
};

}  // namespace baleen::gpu
