// Models on a device that lacks operators, or refuses them: the CPU runs those,
// tensors are copied, and the bits are the same.
//
// The device is a second CPU device whose table is thinned out; that its memory
// is not the CPU's is all that the library knows, so a copy left out would be
// seen.
#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>

#include "cpu/entry.h"
#include "unit/models/golden.h"
#include "unit/models/test_model.h"

namespace baleen::test {
namespace {

// Which operators the thinned device refuses when asked.  The C interface has no
// room for more.
uint32_t refused = 0;
const baleen_device_table* original = nullptr;

baleen_status RefuseSome(baleen_device* device, baleen_op op, const void* args,
                         baleen_op_needs* needs) {
  if ((refused >> op & 1) != 0) return BALEEN_UNSUPPORTED;
  return original->query(device, op, args, needs);
}

class ThinnedDevice {
 public:
  ThinnedDevice(uint32_t offered, uint32_t refused_when_asked)
      : cpu_(baleen_cpu_backend_entry, &memory_, 2) {
    original = cpu_.device().table;
    refused = refused_when_asked;
    table_ = *original;
    table_.query = RefuseSome;
    ops_ = *original->ops;
    auto* functions = reinterpret_cast<void**>(&ops_.embed);
    for (int op = 0; op < BALEEN_OP_COUNT; ++op) {
      if ((offered >> op & 1) == 0) functions[op] = nullptr;
    }
    table_.ops = &ops_;
    device_ = cpu_.device();
    device_.table = &table_;
    device_.backend = "thinned";
  }

  const Device& device() const { return device_; }
  void set_unified() { device_.unified_memory = true; }

 private:
  CountedMemory memory_;
  TestDevice cpu_;
  baleen_ops ops_;
  baleen_device_table table_;
  Device device_;
};

constexpr uint32_t kAll = (1u << BALEEN_OP_COUNT) - 1;

uint32_t SetOf(std::initializer_list<int> ops) {
  uint32_t set = 0;
  for (const int op : ops) set |= 1u << op;
  return set;
}

struct Case {
  const char* name;
  uint32_t offered;
  uint32_t refused;
  bool unified;
};

class SplitTest : public testing::TestWithParam<Case> {};

TEST_P(SplitTest, SameBitsAsOnTheCpu) {
  const Case& param = GetParam();
  ThinnedDevice thinned(param.offered, param.refused);
  if (param.unified) thinned.set_unified();
  ModelOptions options;
  options.device = &thinned.device();
  const std::vector<int32_t> ids =
      Golden("tiny_v4/golden.safetensors").Integers("ids");
  const auto all = std::span<const int32_t>(ids).first(140);
  for (const char* folder : {"tiny_v4", "tiny_v4_dspark"}) {
    TestModel plain(folder);
    TestModel split(folder, options);
    for (const baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
      const std::vector<float> wanted =
          Timeline(plain.model(), mode).AppendAll(all, 64);
      Timeline timeline(split.model(), mode);
      timeline.Append(all.first(131), 64);
      // State is copied on the device, and through the host.
      Timeline fork = timeline.Fork();
      const std::vector<char> bytes = fork.Save();
      Timeline loaded(split.model(), mode);
      loaded.Load(bytes, all.first(131));
      for (Timeline* one : {&timeline, &fork, &loaded}) {
        const std::vector<float> logits = one->Append(all.subspan(131));
        EXPECT_EQ(std::memcmp(logits.data(),
                              wanted.data() + wanted.size() - logits.size(),
                              logits.size() * sizeof(float)),
                  0)
            << folder << " mode " << mode;
      }
    }
  }
}

// Routes are where the router ran, and are copied for counts.
TEST_P(SplitTest, SameCountsAsOnTheCpu) {
  const Case& param = GetParam();
  ThinnedDevice thinned(param.offered, param.refused);
  if (param.unified) thinned.set_unified();
  ModelOptions options;
  options.device = &thinned.device();
  TestModel plain("tiny_v4");
  TestModel split("tiny_v4", options);
  const std::vector<int32_t> ids =
      Golden("tiny_v4/golden.safetensors").Integers("ids");
  const auto count = [&](TestModel& model) {
    Result<StatePointer> state = model.model().CreateState();
    Expect(state.status());
    baleen_session_counters counters = {};
    StepPart part;
    part.state = state->get();
    part.counters = &counters;
    for (const size_t rows : {1u, 5u, 1u, 40u}) {
      part.position = (*state)->length();
      part.frozen = part.position;
      part.tokens = std::span<const baleen_token>(ids).subspan(
          static_cast<size_t>(part.position), rows);
      Expect(model.model().Step(BALEEN_MODE_FAST,
                                std::span<const StepPart>(&part, 1), nullptr,
                                nullptr));
    }
    return counters;
  };
  const baleen_session_counters wanted = count(plain);
  const baleen_session_counters found = count(split);
  EXPECT_GT(wanted.weight_bytes[BALEEN_PART_EXPERTS], 0u);
  EXPECT_EQ(std::memcmp(&wanted, &found, sizeof wanted), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Devices, SplitTest,
    testing::Values(
        Case{"nothing", 0, 0, false}, Case{"all", kAll, 0, false},
        Case{"experts",
             SetOf({BALEEN_OP_MHC_BOUNDARY, BALEEN_OP_IN_PROJ,
                    BALEEN_OP_MOE_PLAN, BALEEN_OP_MOE_GATE_UP,
                    BALEEN_OP_MOE_DOWN}),
             0, false},
        Case{"all_but_routing", kAll & ~SetOf({BALEEN_OP_ROUTER}), 0, false},
        Case{"refuses_selection", kAll, SetOf({BALEEN_OP_TOPK_SELECT}), false},
        Case{"refuses_output", kAll,
             SetOf({BALEEN_OP_WO_B, BALEEN_OP_HEAD, BALEEN_OP_EMBED}), false},
        Case{"unified", kAll, SetOf({BALEEN_OP_WO_A, BALEEN_OP_HC_HEAD}),
             true}),
    [](const testing::TestParamInfo<Case>& param) {
      return std::string(param.param.name);
    });

}  // namespace
}  // namespace baleen::test
