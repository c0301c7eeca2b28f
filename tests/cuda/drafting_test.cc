// Sessions that guess ahead with a model that does not fit on its device: what
// the drafter guesses, and which experts happen to have places, leave no trace.
#include <cmath>
#include <string_view>

#include "model/pocket.h"

namespace baleen_test {
namespace {

// With the emulated device beside the CPU.
baleen_context* SharedContext() {
  static const Context context = [] {
    Context made = MakeContext();
    EXPECT_OK(baleen_context_load_backend(made.get(), BALEEN_CUDA_EMULATED,
                                          &last_error));
    return made;
  }();
  return context.get();
}

uint32_t EmulatedDevice() {
  const uint32_t count = baleen_context_device_count(SharedContext());
  for (uint32_t i = 0; i < count; ++i) {
    baleen_device_info info = {};
    info.struct_size = sizeof info;
    EXPECT_OK(
        baleen_context_device_info(SharedContext(), i, &info, &last_error));
    if (std::string_view(info.backend) == "cuda") return i;
  }
  ADD_FAILURE() << "there is no emulated device";
  return 0;
}

Model Load(const std::string& name, uint64_t limit, uint32_t flags) {
  const uint32_t device = EmulatedDevice();
  baleen_model_options options = {};
  options.struct_size = sizeof options;
  options.flags = flags;
  options.devices = &device;
  options.device_count = 1;
  options.device_memory_limit = limit;
  baleen_model* model = nullptr;
  EXPECT_OK(baleen_model_load(SharedContext(),
                              (BALEEN_TEST_DATA "/" + name).c_str(), &options,
                              &model, &last_error));
  return Model(model);
}

baleen_memory_plan PlanOf(const Model& model) {
  baleen_session_options options = SessionOptions(BALEEN_MODE_FAST);
  options.capacity = 32768;  // As placement leaves room for.
  options.draft = BALEEN_DRAFT_MODEL;
  baleen_memory_plan plan = {};
  plan.struct_size = sizeof plan;
  EXPECT_OK(baleen_model_plan(model.get(), &options, &plan, &last_error));
  return plan;
}

uint64_t DeviceBytes(const baleen_memory_plan& plan) {
  return plan.weights_device + plan.scratch_device + plan.session_device;
}

class CudaDrafting : public testing::TestWithParam<const char*> {
 protected:
  CudaDrafting() : whole(Load(GetParam(), 0, 0)) {}

  // With room for all but a quarter of the experts.
  Model LoadInLess(uint32_t flags) const {
    const baleen_memory_plan all = PlanOf(whole);
    const uint64_t limit =
        DeviceBytes(all) - all.weights_by_part[BALEEN_PART_EXPERTS] / 4;
    Model model = Load(GetParam(), limit, flags);
    const baleen_memory_plan less = PlanOf(model);
    EXPECT_LE(DeviceBytes(less), limit);
    EXPECT_LT(less.weights_device, all.weights_device);
    return model;
  }

  Model whole;
};

INSTANTIATE_TEST_SUITE_P(MtpAndDspark, CudaDrafting,
                         testing::Values("tiny_v4", "tiny_v4_dspark"),
                         [](const auto& model) { return model.param; });

Tokens Prompt() {
  Tokens tokens;
  for (int i = 0; i < 20; ++i) tokens.push_back(i * 37 % 500);
  return tokens;
}

Session SessionOf(const Model& model, baleen_draft draft) {
  baleen_session_options options = SessionOptions(BALEEN_MODE_FAST, 5);
  options.draft = draft;
  Session session = MakeSession(model.get(), options);
  Append(session, Prompt());
  return session;
}

baleen_session_stats Stats(const Session& session) {
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  EXPECT_OK(baleen_session_get_stats(session.get(), &stats, &last_error));
  return stats;
}

baleen_sampling Warm() {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = 0.8f;
  return sampling;
}

constexpr size_t kWritten = 6;

// Where missing experts are fetched, residency changes no bit.
TEST_P(CudaDrafting, SameTokensWithFetchedExperts) {
  const Model few = LoadInLess(BALEEN_MODEL_FETCH_EXPERTS);
  for (const baleen_sampling& sampling : {Greedy(), Warm()}) {
    const Session plain = SessionOf(whole, BALEEN_DRAFT_OFF);
    const Session guessing = SessionOf(few, BALEEN_DRAFT_MODEL);
    EXPECT_EQ(GenerateAhead(guessing, kWritten, sampling),
              Generate(plain, kWritten, sampling));
    EXPECT_EQ(Logits(guessing), Logits(plain));
    EXPECT_GT(Stats(guessing).drafted_tokens, 0u);
    EXPECT_EQ(Stats(plain).drafted_tokens, 0u);
  }
}

// Where the CPU computes them, as far as devices may be apart: rows that verify
// guesses are few, so that it does.
TEST_P(CudaDrafting, NearLogitsWithExpertsOnTheCpu) {
  const Model few = LoadInLess(0);
  const Session guessing = SessionOf(few, BALEEN_DRAFT_MODEL);
  const Tokens written = GenerateAhead(guessing, kWritten);
  EXPECT_EQ(written.size(), kWritten);
  EXPECT_GT(Stats(guessing).drafted_tokens, 0u);
  const Session plain = SessionOf(whole, BALEEN_DRAFT_OFF);
  Append(plain, written);
  const std::vector<float> got = Logits(guessing);
  const std::vector<float> wanted = Logits(plain);
  ASSERT_EQ(got.size(), wanted.size());
  double squares = 0;
  double difference = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d =
        static_cast<double>(got[i]) - static_cast<double>(wanted[i]);
    difference += d * d;
    squares += static_cast<double>(wanted[i]) * static_cast<double>(wanted[i]);
  }
  // As in experts_test.cc.
  EXPECT_LT(std::sqrt(difference / squares), 0.02);
}

}  // namespace
}  // namespace baleen_test
