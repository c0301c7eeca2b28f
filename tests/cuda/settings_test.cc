// Settings of the CUDA backend: what they are by default, which values there are
// not, and what they do to launches.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "cuda/cuda_model.h"
#include "cuda/emulator/control.h"
#include "cuda/set_entry.h"
#include "cuda/settings.h"

namespace baleen::test {
namespace {

constexpr cuda::OperatorSet Bit(baleen_op op) {
  return cuda::OperatorSet{1} << op;
}

struct Host {
  Host(const std::string& name, const std::string& value)
      : settings{{name, value}} {
    host.user_data = this;
    host.setting = [](void* self, const char* wanted) -> const char* {
      const auto& all = static_cast<Host*>(self)->settings;
      const auto found = all.find(wanted);
      return found == all.end() ? nullptr : found->second.c_str();
    };
    host.fail = [](void* self, const char* message) {
      static_cast<Host*>(self)->failure = message;
    };
  }
  cuda::Settings Read() {
    cuda::Settings read;
    EXPECT_EQ(cuda::ReadSettings(host, &read), BALEEN_OK) << failure;
    return read;
  }
  void Refuses(const std::string& message) {
    cuda::Settings read;
    EXPECT_EQ(cuda::ReadSettings(host, &read), BALEEN_INVALID_ARGUMENT);
    EXPECT_EQ(failure, message);
  }

  std::map<std::string, std::string> settings;
  baleen_host host = {};
  std::string failure;
};

TEST(CudaSettings, AreGraphsAloneByDefault) {
  const cuda::Settings read = Host("", "").Read();
  EXPECT_TRUE(read.graph);
  EXPECT_EQ(read.early_launch, 0u);
  EXPECT_EQ(read.bulk_copies, 0u);
}

TEST(CudaSettings, NameOperators) {
  EXPECT_EQ(Host("cuda.early_launch", "off").Read().early_launch, 0u);
  EXPECT_EQ(Host("cuda.early_launch", "on").Read().early_launch,
            Bit(BALEEN_OP_COUNT) - 1);
  EXPECT_EQ(Host("cuda.early_launch", "wo_b").Read().early_launch,
            Bit(BALEEN_OP_WO_B));
  EXPECT_EQ(
      Host("cuda.early_launch", "q_up,embed,draft_head,q_up")
          .Read()
          .early_launch,
      Bit(BALEEN_OP_Q_UP) | Bit(BALEEN_OP_EMBED) | Bit(BALEEN_OP_DRAFT_HEAD));
}

TEST(CudaSettings, NameProducts) {
  const cuda::OperatorSet all =
      Host("cuda.bulk_copies", "on").Read().bulk_copies;
  for (const baleen_op op :
       {BALEEN_OP_IN_PROJ, BALEEN_OP_Q_UP, BALEEN_OP_WO_A, BALEEN_OP_WO_B,
        BALEEN_OP_MOE_GATE_UP, BALEEN_OP_MOE_DOWN, BALEEN_OP_LINEAR,
        BALEEN_OP_HEAD, BALEEN_OP_DRAFT_HEAD}) {
    EXPECT_NE(all & Bit(op), 0u) << op;
  }
  EXPECT_EQ(all & Bit(BALEEN_OP_SPARSE_ATTN), 0u);
  EXPECT_EQ(Host("cuda.bulk_copies", "moe_down,head").Read().bulk_copies,
            Bit(BALEEN_OP_MOE_DOWN) | Bit(BALEEN_OP_HEAD));
  Host("cuda.bulk_copies", "head,sparse_attn")
      .Refuses(
          "cuda.bulk_copies is \"sparse_attn\", but must be on, off, or "
          "operators with weights such as wo_a,wo_b");
}

TEST(CudaSettings, RefuseWhatThereIsNot) {
  Host("cuda.graph", "yes")
      .Refuses("cuda.graph is \"yes\", but must be on or off");
  const std::string end =
      "\", but must be on, off, or operators such as wo_a,wo_b";
  for (const auto& [value, part] :
       {std::pair<std::string, std::string>{"wo_c", "wo_c"},
        {"wo_a,wo", "wo"},
        {"wo_a, wo_b", " wo_b"},
        {"wo_a,", ""},
        {"", ""},
        {"on,wo_a", "on"},
        {"ON", "ON"},
        {std::string(500, 'x'), std::string(32, 'x')}}) {
    Host("cuda.early_launch", value)
        .Refuses("cuda.early_launch is \"" + part + end);
  }
}

uint64_t EarlyLaunchesOfAStep(const char* value) {
  CudaModel cuda("tiny_v4", {}, EntryWith("cuda.early_launch", value));
  Timeline timeline((*cuda).model(), BALEEN_MODE_FAST);
  const uint64_t before = emulator::TheControl().early;
  timeline.Append(Tokens(3));
  return emulator::TheControl().early - before;
}

TEST(CudaSettings, SayWhichKernelsStartEarly) {
  EXPECT_EQ(EarlyLaunchesOfAStep("off"), 0u);
  // A kernel of each layer.
  const uint64_t outputs = EarlyLaunchesOfAStep("wo_b");
  EXPECT_GE(outputs, 2u);
  EXPECT_GT(EarlyLaunchesOfAStep("wo_a,wo_b"), outputs);
  EXPECT_GT(EarlyLaunchesOfAStep("on"), 8 * outputs);
  // What is too old for it goes without.
  emulator::TheControl().major = 8;
  EXPECT_EQ(EarlyLaunchesOfAStep("on"), 0u);
  emulator::TheControl().major = 9;
}

}  // namespace
}  // namespace baleen::test
