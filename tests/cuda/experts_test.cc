// Models whose experts are not all on the device: what is brought there changes
// no bit and comes in time, what the CPU computes is as near as it should be, and
// a model of every size has its place in 141, 24 and 8 GB.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/json.h"
#include "cpu/entry.h"
#include "cuda/cuda_model.h"
#include "cuda/emulator/control.h"
#include "cuda/order_check.h"
#include "models/registry.h"

namespace baleen::test {
namespace {

MemoryNeed NeedOf(TestModel& model, int64_t capacity) {
  const Result<MemoryNeed> need =
      model.model().Need(BALEEN_MODE_FAST, capacity, 256);
  Expect(need.status());
  return *need;
}

uint64_t DeviceBytesOf(const MemoryNeed& need) {
  return need.weights_device + need.scratch_device + need.draft_device +
         need.session_device;
}

// An eighth of the experts less than what a model wants; what is staged takes
// places of others.
ModelOptions LittleMemory(TestModel& model) {
  const MemoryNeed need = NeedOf(model, 32768);
  ModelOptions options;
  options.device_memory =
      DeviceBytesOf(need) - need.weights_by_part[BALEEN_PART_EXPERTS] / 8;
  return options;
}

// Room for two experts of the one round and two of the next, and one place.
ModelOptions LeastMemory(TestModel& model) {
  ModelOptions options = LittleMemory(model);
  CudaModel few("tiny_v4", options);
  const ExpertRules& rules = (*few).v4().experts()->rules();
  const uint64_t each = ExpertStore::PlaceBytesOf(rules);
  options.device_memory -=
      static_cast<uint64_t>(rules.places + 2 * rules.staged - 5) * each;
  return options;
}

std::vector<int32_t> PlacesOf(TestModel& model) {
  ExpertStore& store = *model.v4().experts();
  std::vector<int32_t> places;
  for (int32_t layer = 0; layer < store.rules().layers; ++layer) {
    for (int32_t e = 0; e < store.rules().experts; ++e) {
      places.push_back(store.cache().PlaceOf({layer, e}));
    }
  }
  return places;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void ExpectSameBits(CudaModel& few, CudaModel& all, baleen_mode mode,
                    size_t count) {
  const std::vector<baleen_token> tokens = Tokens(count);
  const std::vector<float> wanted =
      Timeline((*all).model(), mode).AppendAll(tokens, 70);
  const std::vector<float> got =
      Timeline((*few).model(), mode).AppendAll(tokens, 70);
  EXPECT_TRUE(SameBits(got, wanted)) << "mode " << mode;
}

// Neither places nor exchanges of them change a bit where experts are fetched.
TEST(CudaExperts, HaveTheSameBitsWhereverTheyLie) {
  CudaModel all("tiny_v4");
  ModelOptions options = LittleMemory(*all);
  options.fetch_experts = true;
  CudaModel few("tiny_v4", options);
  ASSERT_NE((*few).v4().experts(), nullptr);
  const ExpertRules& rules = (*few).v4().experts()->rules();
  EXPECT_GT(rules.places, 4);
  EXPECT_LT(rules.places, rules.layers * rules.experts - 4);
  const std::vector<int32_t> before = PlacesOf(*few);
  ExpectSameBits(few, all, BALEEN_MODE_FAST, 75);
  EXPECT_NE(PlacesOf(*few), before);
  ExpectSameBits(few, all, BALEEN_MODE_REFERENCE, 10);
}

TEST(CudaExperts, HaveTheSameBitsWhenTheyComeInRounds) {
  CudaModel all("tiny_v4");
  CudaModel few("tiny_v4", LeastMemory(*all));
  const ExpertRules& rules = (*few).v4().experts()->rules();
  EXPECT_EQ(rules.staged, 2);
  EXPECT_EQ(rules.places, 1);
  // A step of many rows fetches, whatever a step of few does.
  ASSERT_TRUE(rules.computes);
  const std::vector<baleen_token> tokens = Tokens(20);
  EXPECT_TRUE(
      SameBits(Timeline((*few).model(), BALEEN_MODE_FAST).Append(tokens),
               Timeline((*all).model(), BALEEN_MODE_FAST).Append(tokens)));
}

TEST(CudaExperts, AreComputedByTheCpuForFewRows) {
  CudaModel all("tiny_v4");
  CudaModel few("tiny_v4", LeastMemory(*all), WatchedEntry);
  const OrderCheck& check = TheOrderCheck();
  for (const baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
    Timeline expected((*all).model(), mode);
    Timeline timeline((*few).model(), mode);
    // A prompt's rows come first, as they do; then a few, one after another.
    const std::vector<baleen_token> tokens = Tokens(26);
    const auto prompt = std::span(tokens).first(20);
    const auto rest = std::span(tokens).subspan(20);
    const int before = check.parts;
    EXPECT_TRUE(SameBits(timeline.Append(prompt), expected.Append(prompt)));
    const int brought = check.parts;
    EXPECT_GT(brought, before);
    const std::vector<float> wanted = expected.AppendAll(rest, 2);
    const std::vector<float> got = timeline.AppendAll(rest, 2);
    // As far as devices may be apart; and the device had no part in it.
    EXPECT_LT(Distance(got, wanted), 0.02) << "mode " << mode;
    EXPECT_EQ(check.parts, brought) << "mode " << mode;
  }
}

// The order in which queues wait for each other, and that it is looked at.
TEST(CudaExperts, ComeBeforeTheyAreReadAndStayUntilThen) {
  CudaModel all("tiny_v4");
  ModelOptions options = LeastMemory(*all);
  options.fetch_experts = true;
  CudaModel few("tiny_v4", options, WatchedEntry);
  OrderCheck& check = TheOrderCheck();
  const int placed = check.placed;
  Timeline timeline((*few).model(), BALEEN_MODE_FAST);
  timeline.Append(Tokens(20));
  timeline.Append(Tokens(2));
  EXPECT_GT(check.placed, placed + 20);
  EXPECT_GT(check.read, 40);
  EXPECT_EQ(check.mistakes, 0);
  check.ignores_joins = true;
  timeline.Append(Tokens(1));
  EXPECT_GT(check.mistakes, 0);
}

TEST(CudaExperts, GiveTheirMemoryBack) {
  const uint64_t before = emulator::TheControl().allocated;
  {
    CudaModel all("tiny_v4");
    CudaModel few("tiny_v4", LittleMemory(*all));
    Timeline((*few).model(), BALEEN_MODE_FAST).Append(Tokens(2));
  }
  EXPECT_EQ(emulator::TheControl().allocated, before);
}

// The published model, of shapes alone, on a device of so many bytes.
class Sized {
 public:
  Sized(const std::string& config, uint64_t bytes)
      : cpu_(baleen_cpu_backend_entry, &memory_, 1),
        device_(baleen_cuda_emulated_entry, &memory_, 1) {
    const std::string text = ReadFile("configs/" + config);
    Result<JsonDocument> document =
        JsonDocument::Parse(text, "config.json", memory_.memory());
    Expect(document.status());
    ModelRequest request;
    request.config = document->root();
    request.config_name = "config.json";
    request.device = &device_.device();
    request.cpu = &cpu_.device();
    request.memory = memory_.memory();
    request.device_memory = bytes;
    Result<Ref<Model>> model = CreateModel(std::move(request));
    status_ = model.status();
    if (status_.ok()) model_ = *std::move(model);
  }
  const Status& status() const { return status_; }
  deepseek_v4::V4Model& model() {
    return static_cast<deepseek_v4::V4Model&>(*model_);
  }
  bool Has(baleen_op op) { return model().assignment().side(op) == kDevice; }
  uint64_t NeedOf(int64_t capacity) {
    const Result<MemoryNeed> need =
        model().Need(BALEEN_MODE_FAST, capacity, 256);
    Expect(need.status());
    return DeviceBytesOf(*need);
  }

 private:
  CountedMemory memory_;
  TestDevice cpu_;
  TestDevice device_;
  Status status_;
  Ref<Model> model_;
};

TEST(CudaExperts, HavePlacesIn141And24And8Gigabytes) {
  constexpr uint64_t kGiga = 1000000000;
  struct Case {
    uint64_t gigabytes;
    int32_t least;  // Of 11264 experts, those of the drafter too.
    int32_t most;
    bool embeds;
  };
  for (const Case& one : {Case{141, 9000, 11000, true},
                          Case{24, 900, 1200, true}, Case{8, 0, 200, false}}) {
    const uint64_t budget = one.gigabytes * kGiga;
    Sized flash("DeepSeek-V4-Flash.config.json", budget);
    ASSERT_TRUE(flash.status().ok()) << flash.status().message();
    ASSERT_NE(flash.model().experts(), nullptr);
    const ExpertRules& rules = flash.model().experts()->rules();
    EXPECT_GE(rules.places, one.least) << one.gigabytes;
    EXPECT_LE(rules.places, one.most) << one.gigabytes;
    EXPECT_EQ(flash.Has(BALEEN_OP_EMBED), one.embeds) << one.gigabytes;
    // All that it then takes is within the budget, and all of that used.
    EXPECT_LE(flash.NeedOf(32768), budget);
    EXPECT_GT(flash.NeedOf(32768) + 3 * rules.expert_bytes, budget);
  }
  Sized all("DeepSeek-V4-Flash.config.json", 200 * kGiga);
  ASSERT_TRUE(all.status().ok());
  EXPECT_EQ(all.model().experts(), nullptr);
  Sized none("DeepSeek-V4-Flash.config.json", 4 * kGiga);
  EXPECT_EQ(none.status().code(), BALEEN_OUT_OF_MEMORY);
}

}  // namespace
}  // namespace baleen::test
