// Weights copied to the processor's fast layout: the same bits, and a plan that
// counts them before anything is loaded.
#include "pocket.h"

namespace baleen_test {
namespace {

baleen_model_options Repacked() {
  baleen_model_options options = {};
  options.struct_size = sizeof options;
  options.flags = BALEEN_MODEL_REPACK;
  return options;
}

TEST(Repack, ChangesNoBit) {
  const Context context = MakeContext();
  const baleen_model_options options = Repacked();
  baleen_model* made = nullptr;
  EXPECT_OK(baleen_model_load(context.get(), PocketPath().c_str(), &options,
                              &made, &last_error));
  const Model model(made);
  const Tokens prompt = LongPrompt(200);
  for (const baleen_mode mode : {BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE}) {
    const Session packed = MakeSession(model.get(), SessionOptions(mode));
    const Session raw = MakeSession(mode);
    Append(packed, prompt);
    Append(raw, prompt);
    EXPECT_EQ(Logits(packed), Logits(raw)) << "mode " << mode;
    EXPECT_EQ(Generate(packed, 20), Generate(raw, 20)) << "mode " << mode;
    EXPECT_EQ(Logits(packed), Logits(raw)) << "mode " << mode;
  }
}

TEST(Repack, IsPartOfThePlan) {
  const Context context = MakeContext();
  const baleen_model_options options = Repacked();
  baleen_memory_plan before = {};
  before.struct_size = sizeof before;
  EXPECT_OK(baleen_context_plan(context.get(), PocketPath().c_str(), &options,
                                nullptr, &before, &last_error));
  baleen_model* made = nullptr;
  EXPECT_OK(baleen_model_load(context.get(), PocketPath().c_str(), &options,
                              &made, &last_error));
  const Model model(made);
  baleen_memory_plan after = {};
  after.struct_size = sizeof after;
  EXPECT_OK(baleen_model_plan(model.get(), nullptr, &after, &last_error));
  EXPECT_EQ(before.weights_host, after.weights_host);
  // Nearly all of the pocket model's 12 MB are packed; embeddings stay.
  EXPECT_GT(after.weights_host, uint64_t{6} << 20);
}

}  // namespace
}  // namespace baleen_test
