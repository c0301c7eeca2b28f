// Whole models on the emulated device: logits are those of the CPU within what
// operators may differ by, and do not depend on how tokens were cut into steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cuda/emulator/control.h"
#include "unit/models/golden.h"
#include "unit/models/test_model.h"

extern "C" const baleen_backend* baleen_cuda_emulated_entry(
    const baleen_host* host);

namespace baleen::test {
namespace {

std::vector<baleen_token> Tokens(size_t count) {
  const std::vector<int32_t> ids =
      Golden("tiny_v4/golden.safetensors").Integers("ids");
  return {ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count)};
}

// The same device with three experts of each layer on it.  The C interface has
// room for nothing but globals.
baleen_host few_experts_host;
baleen_backend few_experts_backend;

const baleen_backend* FewExpertsEntry(const baleen_host* host) {
  few_experts_backend = *baleen_cuda_emulated_entry(host);
  few_experts_backend.device_open = [](const baleen_host* given, uint32_t index,
                                       baleen_device** device,
                                       const baleen_device_table** table) {
    few_experts_host = *given;
    few_experts_host.setting = [](void*, const char* name) -> const char* {
      return std::strcmp(name, "cuda.resident_experts") == 0 ? "3" : nullptr;
    };
    return baleen_cuda_emulated_entry(given)->device_open(&few_experts_host,
                                                          index, device, table);
  };
  return &few_experts_backend;
}

class CudaModel {
 public:
  explicit CudaModel(const std::string& folder,
                     baleen_backend_entry_fn entry = baleen_cuda_emulated_entry)
      : device_(entry, &memory_, 2) {
    ModelOptions options;
    options.device = &device_.device();
    model_ = std::make_unique<TestModel>(folder, options);
  }
  TestModel& operator*() { return *model_; }

 private:
  CountedMemory memory_;
  TestDevice device_;
  std::unique_ptr<TestModel> model_;
};

// How far two rows of logits are apart, of the length of one.
double Distance(const std::vector<float>& got,
                const std::vector<float>& wanted) {
  double squares = 0;
  double difference = 0;
  for (size_t i = 0; i < got.size() && i < wanted.size(); ++i) {
    const double d =
        static_cast<double>(got[i]) - static_cast<double>(wanted[i]);
    difference += d * d;
    squares += static_cast<double>(wanted[i]) * static_cast<double>(wanted[i]);
  }
  return std::sqrt(difference / squares);
}

baleen_token Likeliest(const std::vector<float>& logits) {
  return static_cast<baleen_token>(
      std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// The pocket model writes on as it does on the CPU.  Near-ties of keys that are
// rounded to e4m3 move its logits: instruction sets of the CPU are as far apart.
TEST(CudaModel, WritesWhatTheCpuDoes) {
  TestModel cpu("pocket");
  CudaModel cuda("pocket");
  std::vector<baleen_token> prompt;
  for (int32_t i = 0; i < 140; ++i) prompt.push_back(3 + i * 37 % 1900);
  for (const baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
    const auto tokens = std::span<const baleen_token>(prompt).first(
        mode == BALEEN_MODE_FAST ? 131 : 20);
    Timeline expected(cpu.model(), mode);
    Timeline got((*cuda).model(), mode);
    std::vector<float> wanted = expected.Append(tokens, 40);
    std::vector<float> here = got.Append(tokens, 40);
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(here.size(), wanted.size());
      EXPECT_LT(Distance(here, wanted), 0.02) << "token " << i;
      const baleen_token next[] = {Likeliest(wanted)};
      EXPECT_EQ(Likeliest(here), next[0]);
      wanted = expected.Append(next);
      here = got.Append(next);
    }
  }
}

TEST(CudaModel, HasTheSameBitsHoweverTokensAreCut) {
  CudaModel cuda("tiny_v4");
  for (const baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
    // Kernels for few and for many rows, and keys that are spread or not.
    const std::vector<baleen_token> tokens =
        Tokens(mode == BALEEN_MODE_FAST ? 132 : 24);
    Timeline whole((*cuda).model(), mode);
    const std::vector<float> wanted = whole.AppendAll(tokens, 66);
    Timeline cut((*cuda).model(), mode);
    const size_t most = tokens.size() * 3 / 4;
    std::vector<float> got = cut.AppendAll(std::span(tokens).first(most), 33);
    const std::vector<float> rest =
        cut.AppendAll(std::span(tokens).subspan(most), 7);
    got.insert(got.end(), rest.begin(), rest.end());
    ASSERT_EQ(got.size(), wanted.size());
    EXPECT_EQ(
        std::memcmp(got.data(), wanted.data(), got.size() * sizeof(float)), 0)
        << "mode " << mode;
  }
}

TEST(CudaModel, ForksSavesAndLoadsItsState) {
  CudaModel cuda("tiny_v4");
  const std::vector<baleen_token> tokens = Tokens(44);
  const auto first = std::span(tokens).first(39);
  Timeline timeline((*cuda).model(), BALEEN_MODE_FAST);
  timeline.Append(first, 64);
  Timeline fork = timeline.Fork();
  const std::vector<char> bytes = fork.Save();
  Timeline loaded((*cuda).model(), BALEEN_MODE_FAST);
  loaded.Load(bytes, first);
  const auto rest = std::span(tokens).subspan(39);
  const std::vector<float> wanted = timeline.Append(rest);
  for (Timeline* one : {&fork, &loaded}) {
    const std::vector<float> got = one->Append(rest);
    EXPECT_EQ(
        std::memcmp(got.data(), wanted.data(), got.size() * sizeof(float)), 0);
  }
}

// Where experts lie changes no bit.
TEST(CudaModel, ReadsExpertsFromHostMemory) {
  const emulator::Control& control = emulator::TheControl();
  const std::vector<baleen_token> tokens = Tokens(20);
  CudaModel all("tiny_v4");
  const std::vector<float> wanted =
      Timeline((*all).model(), BALEEN_MODE_FAST).Append(tokens, 10);
  const uint64_t before = control.hosted;
  CudaModel few("tiny_v4", FewExpertsEntry);
  EXPECT_GT(control.hosted, before);
  const std::vector<float> got =
      Timeline((*few).model(), BALEEN_MODE_FAST).Append(tokens, 10);
  EXPECT_EQ(std::memcmp(got.data(), wanted.data(), got.size() * sizeof(float)),
            0);
}

// A step of one token is recorded once, and then is one launch.
TEST(CudaModel, RecordsAStepOnceForANumberOfRows) {
  CudaModel cuda("pocket");
  Timeline timeline((*cuda).model(), BALEEN_MODE_FAST);
  timeline.Append(Tokens(3));
  const emulator::Control& control = emulator::TheControl();
  const baleen_token next[] = {7};
  timeline.Append(next);
  const uint64_t graphs = control.graphs;
  const uint64_t launches = control.graph_launches;
  timeline.Append(next);
  timeline.Append(next);
  EXPECT_EQ(control.graphs, graphs);
  // The layers, and the head.
  EXPECT_EQ(control.graph_launches, launches + 4);
}

TEST(CudaModel, GivesAllMemoryBack) {
  const uint64_t before = emulator::TheControl().allocated;
  {
    CudaModel cuda("tiny_v4");
    Timeline timeline((*cuda).model(), BALEEN_MODE_FAST);
    timeline.Append(Tokens(5));
    EXPECT_GT(emulator::TheControl().allocated, before);
  }
  EXPECT_EQ(emulator::TheControl().allocated, before);
}

}  // namespace
}  // namespace baleen::test
