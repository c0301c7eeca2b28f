// A device with one operator, `linear`, that multiplies by two: enough to see
// where programs put their tensors and copies.  Its memory is the system's.
#pragma once

#include <baleen/backend.h>

#include "ops/device.h"

namespace baleen::test {

class FakeDevice {
 public:
  explicit FakeDevice(const char* name);

  Device& device() { return device_; }
  baleen_device_table& table() { return table_; }
  baleen_ops& ops() { return ops_; }

  // What has been called.
  int calls = 0;
  int uploads = 0;
  int downloads = 0;
  int64_t allocated = 0;
  // What `query` answers.
  uint64_t scratch_bytes = 0;
  uint64_t persistent_bytes = 0;
  baleen_status query_status = BALEEN_OK;
  baleen_status run_status = BALEEN_OK;

  static FakeDevice* Of(baleen_device* device) {
    return reinterpret_cast<FakeDevice*>(device);
  }
  static FakeDevice* Of(baleen_queue* queue) {
    return reinterpret_cast<FakeDevice*>(queue);
  }

 private:
  void FillTable();

  baleen_ops ops_ = {};
  baleen_device_table table_ = {};
  Device device_;
};

}  // namespace baleen::test
