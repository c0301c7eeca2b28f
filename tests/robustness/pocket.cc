// See pocket.h.
#include "robustness/pocket.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace baleen_test {
namespace {

template <typename Pointer, typename Handle>
Pointer Expect(baleen_status status, Handle* handle,
               const baleen_error& error) {
  EXPECT_EQ(status, BALEEN_OK) << error.message;
  return Pointer(status == BALEEN_OK ? handle : nullptr);
}

}  // namespace

std::string PocketPath() { return BALEEN_TEST_DATA "/pocket"; }

baleen_context_options ContextOptions() {
  baleen_context_options options = {};
  options.struct_size = sizeof options;
  return options;
}

baleen_session_options SessionOptions() {
  baleen_session_options options = {};
  options.struct_size = sizeof options;
  return options;
}

ContextPointer MakeContext(const baleen_context_options* options) {
  baleen_context* context = nullptr;
  baleen_error error = {};
  const baleen_status status = baleen_context_create(options, &context, &error);
  return Expect<ContextPointer>(status, context, error);
}

ModelPointer LoadPocket(baleen_context* context,
                        const baleen_model_options* options) {
  baleen_model* model = nullptr;
  baleen_error error = {};
  const baleen_status status =
      baleen_model_load(context, PocketPath().c_str(), options, &model, &error);
  return Expect<ModelPointer>(status, model, error);
}

SessionPointer MakeSession(baleen_model* model,
                           const baleen_session_options* options) {
  baleen_session* session = nullptr;
  baleen_error error = {};
  const baleen_status status =
      baleen_session_create(model, options, &session, &error);
  return Expect<SessionPointer>(status, session, error);
}

std::vector<baleen_token> Tokenize(baleen_model* model,
                                   const std::string& text) {
  baleen_error error = {};
  size_t count = 0;
  std::vector<baleen_token> tokens(text.size() + 1);
  EXPECT_EQ(baleen_model_tokenize(model, text.data(), text.size(), 0,
                                  tokens.data(), tokens.size(), &count, &error),
            BALEEN_OK)
      << error.message;
  tokens.resize(count);
  return tokens;
}

std::vector<baleen_token> Prompt(baleen_model* model, size_t count) {
  std::ifstream file(PocketPath() + "/heldout.txt", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)),
                         std::istreambuf_iterator<char>());
  // A token is at most a few characters; 8 for each are enough.
  std::vector<baleen_token> tokens = Tokenize(model, text.substr(0, count * 8));
  EXPECT_GE(tokens.size(), count);
  tokens.resize(count);
  tokens[0] = 0;  // Begin of the sequence.
  return tokens;
}

std::vector<float> Logits(baleen_session* session) {
  const float* logits = nullptr;
  size_t count = 0;
  baleen_error error = {};
  EXPECT_EQ(baleen_session_logits(session, &logits, &count, &error), BALEEN_OK)
      << error.message;
  return std::vector<float>(logits, logits + count);
}

}  // namespace baleen_test
