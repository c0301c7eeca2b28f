// Which devices the CUDA backend offers, and what it says where there are none.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cuda/cuda_model.h"
#include "cuda/emulator/control.h"

namespace baleen::test {
namespace {

class CudaEntry : public testing::Test {
 protected:
  CudaEntry() : before_(emulator::TheControl()) {
    host_.struct_size = sizeof(host_);
    host_.major = BALEEN_BACKEND_MAJOR;
    host_.user_data = this;
    host_.allocator = &allocator_;
    host_.workers = &workers_;
    host_.log = [](void* self, baleen_log_level, const char* message) {
      static_cast<CudaEntry*>(self)->log_.push_back(message);
    };
    host_.fail = [](void* self, const char* message) {
      static_cast<CudaEntry*>(self)->failure_ = message;
    };
  }
  ~CudaEntry() override {
    emulator::Control& control = emulator::TheControl();
    control.driver = before_.driver;
    control.devices = before_.devices;
    control.major = before_.major;
  }

  // There is no device, and one line says why.
  void ExpectNone(const std::string& why) {
    log_.clear();
    const baleen_backend* backend = baleen_cuda_emulated_entry(&host_);
    ASSERT_NE(backend, nullptr);
    EXPECT_EQ(backend->device_count(&host_), 0u);
    EXPECT_EQ(log_, std::vector<std::string>{why});
    baleen_device* device = nullptr;
    const baleen_device_table* table = nullptr;
    EXPECT_EQ(backend->device_open(&host_, 0, &device, &table),
              BALEEN_NOT_FOUND);
    EXPECT_EQ(failure_, "there is no such CUDA device");
  }

 private:
  emulator::Control before_;
  baleen_allocator allocator_ = {};
  baleen_workers workers_ = {};
  baleen_host host_ = {};
  std::vector<std::string> log_;
  std::string failure_;
};

TEST_F(CudaEntry, SaysThatThereIsNoDriver) {
  emulator::TheControl().driver = 0;
  ExpectNone(
      "no CUDA device: the NVIDIA driver (libcuda.so.1) is not installed");
}

TEST_F(CudaEntry, SaysThatTheDriverIsTooOld) {
  emulator::TheControl().driver = 12080;
  ExpectNone(
      "no CUDA device: the NVIDIA driver is for CUDA 12.8, but 13.0 is needed");
}

TEST_F(CudaEntry, SaysThatThereIsNoGpu) {
  emulator::TheControl().devices = 0;
  ExpectNone("no CUDA device: no CUDA-capable device");
}

TEST_F(CudaEntry, SaysThatAGpuIsTooOld) {
  emulator::TheControl().major = 7;
  ExpectNone(
      "emulated device is too old: compute capability 7.0, where 8.0 is the "
      "least");
}

}  // namespace
}  // namespace baleen::test
