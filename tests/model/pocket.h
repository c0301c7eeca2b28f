// Handles of the public API for tests: owned, checked, made of the pocket model.
#pragma once

#include <baleen/baleen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baleen_test {

struct Releaser {
  void operator()(baleen_context* context) const {
    baleen_context_release(context);
  }
  void operator()(baleen_model* model) const { baleen_model_release(model); }
  void operator()(baleen_session* session) const {
    baleen_session_release(session);
  }
  void operator()(baleen_reply* reply) const { baleen_reply_release(reply); }
};
template <typename T>
using Handle = std::unique_ptr<T, Releaser>;
using Context = Handle<baleen_context>;
using Model = Handle<baleen_model>;
using Session = Handle<baleen_session>;
using Reply = Handle<baleen_reply>;
using Tokens = std::vector<baleen_token>;

// EXPECTs that a call succeeded, and shows its message if not.
#define EXPECT_OK(call)                                              \
  do {                                                               \
    baleen_error* const error = &::baleen_test::last_error;          \
    EXPECT_EQ(call, BALEEN_OK) << ::baleen_test::last_error.message; \
    (void)error;                                                     \
  } while (false)

inline baleen_error last_error = {};

inline std::string PocketPath() { return BALEEN_TEST_DATA "/pocket"; }

inline Context MakeContext(uint32_t threads = 2) {
  baleen_context_options options = {};
  options.struct_size = sizeof options;
  options.thread_count = threads;
  baleen_context* context = nullptr;
  EXPECT_OK(baleen_context_create(&options, &context, &last_error));
  return Context(context);
}

inline Model LoadPocket(baleen_context* context) {
  baleen_model* model = nullptr;
  EXPECT_OK(baleen_model_load(context, PocketPath().c_str(), nullptr, &model,
                              &last_error));
  return Model(model);
}

// One model for all tests of a process: it is immutable.
inline baleen_model* SharedPocket() {
  static const Context context = MakeContext();
  static const Model model = LoadPocket(context.get());
  return model.get();
}

inline baleen_session_options SessionOptions(baleen_mode mode,
                                             uint64_t seed = 1) {
  baleen_session_options options = {};
  options.struct_size = sizeof options;
  options.mode = mode;
  options.seed = seed;
  options.capacity = 4096;
  return options;
}

inline Session MakeSession(baleen_model* model,
                           const baleen_session_options& options) {
  baleen_session* session = nullptr;
  EXPECT_OK(baleen_session_create(model, &options, &session, &last_error));
  return Session(session);
}

inline Session MakeSession(baleen_mode mode = BALEEN_MODE_FAST,
                           uint64_t seed = 1) {
  return MakeSession(SharedPocket(), SessionOptions(mode, seed));
}

inline Tokens Tokenize(baleen_model* model, std::string_view text,
                       uint32_t flags = 0) {
  size_t count = 0;
  baleen_model_tokenize(model, text.data(), text.size(), flags, nullptr, 0,
                        &count, nullptr);
  Tokens tokens(count);
  EXPECT_OK(baleen_model_tokenize(model, text.data(), text.size(), flags,
                                  tokens.data(), tokens.size(), &count,
                                  &last_error));
  return tokens;
}

inline void Append(const Session& session, const Tokens& tokens) {
  EXPECT_OK(baleen_session_append(session.get(), tokens.data(), tokens.size(),
                                  &last_error));
}

inline std::vector<float> Logits(const Session& session) {
  const float* logits = nullptr;
  size_t count = 0;
  EXPECT_OK(baleen_session_logits(session.get(), &logits, &count, &last_error));
  return {logits, logits + count};
}

inline Tokens TokensOf(const Session& session) {
  size_t count = 0;
  const baleen_token* tokens = baleen_session_tokens(session.get(), &count);
  return {tokens, tokens + count};
}

inline baleen_sampling Greedy() {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.flags = BALEEN_SAMPLING_GREEDY;
  return sampling;
}

inline Tokens Generate(const Session& session, size_t count,
                       const baleen_sampling& sampling = Greedy()) {
  Tokens tokens;
  while (tokens.size() < count) {
    baleen_token token = -1;
    size_t got = 0;
    EXPECT_OK(baleen_session_step(session.get(), &sampling, &token, 1, &got,
                                  &last_error));
    if (got != 1) break;
    tokens.push_back(token);
  }
  return tokens;
}

// The same with room for guesses that come true.
inline Tokens GenerateAhead(const Session& session, size_t count,
                            const baleen_sampling& sampling = Greedy()) {
  constexpr size_t kRoom = 9;
  Tokens tokens;
  while (tokens.size() < count) {
    baleen_token some[kRoom] = {};
    size_t got = 0;
    EXPECT_OK(baleen_session_step(session.get(), &sampling, some,
                                  std::min(kRoom, count - tokens.size()), &got,
                                  &last_error));
    if (got == 0) break;
    tokens.insert(tokens.end(), some, some + got);
  }
  return tokens;
}

inline Tokens Part(const Tokens& tokens, size_t first, size_t count) {
  const auto begin = tokens.begin() + static_cast<ptrdiff_t>(first);
  return {begin, begin + static_cast<ptrdiff_t>(count)};
}

// Beginning-of-sequence and `count` tokens of held-out text, for a prompt of
// any length.
inline Tokens LongPrompt(size_t count) {
  FILE* file = std::fopen(BALEEN_TEST_DATA "/pocket/heldout.txt", "rb");
  EXPECT_NE(file, nullptr);
  std::string text(count * 6 + 64, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  Tokens tokens = {0};
  const Tokens rest = Tokenize(SharedPocket(), text);
  EXPECT_GE(rest.size() + 1, count);
  tokens.insert(tokens.end(), rest.begin(),
                rest.begin() + static_cast<ptrdiff_t>(count - 1));
  return tokens;
}

}  // namespace baleen_test
