// The k-th allocation fails, for every k: each call says so, leaks nothing, and
// works when called again; what it then computes has the same bits.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "robustness/allocator.h"
#include "robustness/pocket.h"

namespace baleen_test {
namespace {

// Past this many every 37th only, so that the test takes a minute and not an
// hour; the early ones are those of loading, where each is a different place.
constexpr int64_t kEach = 2000;
constexpr int64_t kStride = 37;

// A program from beginning to end, call by call.
class Program {
 public:
  explicit Program(TestAllocator* allocator) {
    options_ = ContextOptions();
    options_.allocator = allocator->hooks();
    // Threads would only wait for each other; they have a test of their own.
    options_.thread_count = 1;
  }
  ~Program() {
    baleen_session_release(fork_);
    baleen_session_release(session_);
    baleen_reply_release(reply_);
    baleen_model_release(model_);
    baleen_context_release(context_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  using Call = std::function<baleen_status(baleen_error*)>;
  std::vector<std::pair<const char*, Call>> Calls();

  const std::vector<float>& logits() const { return logits_; }
  const std::vector<baleen_token>& tokens() const { return tokens_; }
  const std::string& piece() const { return piece_; }

 private:
  baleen_status Encode(baleen_error* error);
  baleen_status Step(baleen_error* error);
  baleen_status Save(baleen_error* error);
  baleen_status CopyLogits(baleen_error* error);
  baleen_status Generate(baleen_error* error);

  baleen_context_options options_;
  baleen_context* context_ = nullptr;
  baleen_model* model_ = nullptr;
  baleen_session* session_ = nullptr;
  baleen_session* fork_ = nullptr;
  baleen_reply* reply_ = nullptr;
  std::vector<baleen_token> prompt_;
  std::vector<baleen_token> tokens_;
  std::vector<char> saved_;
  std::vector<float> logits_;
  std::string piece_;
};

baleen_status Program::Encode(baleen_error* error) {
  baleen_message message = {};
  message.role = "user";
  message.content = "Call me Ishmael.";
  message.content_size = 16;
  prompt_.resize(64);
  size_t count = 0;
  const baleen_status status =
      baleen_model_encode_chat(model_, &message, 1, nullptr, prompt_.data(),
                               prompt_.size(), &count, error);
  if (status == BALEEN_OK) prompt_.resize(count);
  return status;
}

baleen_status Program::Step(baleen_error* error) {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = 0.7f;
  sampling.top_p = 0.9f;
  baleen_token token = -1;
  size_t count = 0;
  const baleen_status status =
      baleen_session_step(session_, &sampling, &token, 1, &count, error);
  if (status == BALEEN_OK) tokens_.push_back(token);
  return status;
}

baleen_status Program::Save(baleen_error* error) {
  size_t size = 0;
  baleen_status status =
      baleen_session_save(session_, nullptr, nullptr, 0, &size, error);
  if (status != BALEEN_BUFFER_TOO_SMALL) return status;
  saved_.resize(size);
  return baleen_session_save(session_, nullptr, saved_.data(), saved_.size(),
                             &size, error);
}

baleen_status Program::CopyLogits(baleen_error* error) {
  const float* logits = nullptr;
  size_t count = 0;
  const baleen_status status =
      baleen_session_logits(session_, &logits, &count, error);
  if (status == BALEEN_OK) logits_.assign(logits, logits + count);
  return status;
}

baleen_status Program::Generate(baleen_error* error) {
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.max_tokens = 3;
  const char* stops[] = {"never to be seen"};
  generation.stops = stops;
  generation.stop_count = 1;
  return baleen_session_generate(fork_, &generation, nullptr, error);
}

std::vector<std::pair<const char*, Program::Call>> Program::Calls() {
  return {
      {"create context",
       [this](baleen_error* error) {
         return baleen_context_create(&options_, &context_, error);
       }},
      {"load",
       [this](baleen_error* error) {
         return baleen_model_load(context_, PocketPath().c_str(), nullptr,
                                  &model_, error);
       }},
      {"create session",
       [this](baleen_error* error) {
         baleen_session_options options = SessionOptions();
         options.seed = 7;
         return baleen_session_create(model_, &options, &session_, error);
       }},
      {"encode", [this](baleen_error* error) { return Encode(error); }},
      {"append",
       [this](baleen_error* error) {
         return baleen_session_append(session_, prompt_.data(), prompt_.size(),
                                      error);
       }},
      {"step", [this](baleen_error* error) { return Step(error); }},
      {"step again", [this](baleen_error* error) { return Step(error); }},
      {"fork",
       [this](baleen_error* error) {
         return baleen_session_fork(session_, &fork_, error);
       }},
      {"generate", [this](baleen_error* error) { return Generate(error); }},
      {"save", [this](baleen_error* error) { return Save(error); }},
      {"truncate",
       [this](baleen_error* error) {
         return baleen_session_truncate(session_, 3, error);
       }},
      {"load state",
       [this](baleen_error* error) {
         return baleen_session_load(session_, saved_.data(), saved_.size(),
                                    error);
       }},
      {"logits", [this](baleen_error* error) { return CopyLogits(error); }},
      {"create reply",
       [this](baleen_error* error) {
         return baleen_reply_create(model_, nullptr, &reply_, error);
       }},
      {"read text",
       [this](baleen_error* error) {
         constexpr char kText[] = "Loomings</think>Some years ago";
         return baleen_reply_add_text(reply_, kText, sizeof kText - 1, error);
       }},
      {"finish reply",
       [this](baleen_error* error) {
         return baleen_reply_finish(reply_, error);
       }},
      {"message",
       [this](baleen_error* error) {
         baleen_message message = {};
         const baleen_status status =
             baleen_reply_message(reply_, &message, error);
         if (status == BALEEN_OK) {
           piece_.assign(message.content, message.content_size);
         }
         return status;
       }},
  };
}

struct Outcome {
  std::vector<float> logits;
  std::vector<baleen_token> tokens;
  std::string piece;
};

// Runs the program with the k-th allocation failing and the call repeated that
// it failed.
Outcome RunProgram(TestAllocator* allocator, int64_t k) {
  allocator->FailAt(k);
  Program program(allocator);
  for (const auto& [name, call] : program.Calls()) {
    baleen_error error = {};
    const bool had_failed = allocator->failed();
    baleen_status status = call(&error);
    if (status != BALEEN_OK) {
      EXPECT_FALSE(had_failed) << name << ", k " << k << ": " << error.message;
      EXPECT_TRUE(allocator->failed()) << name << ": " << error.message;
      EXPECT_EQ(status, BALEEN_OUT_OF_MEMORY)
          << name << ", k " << k << ": " << error.message;
      EXPECT_EQ(error.status, status);
      EXPECT_NE(error.message[0], '\0') << name;
      status = call(&error);
    }
    EXPECT_EQ(status, BALEEN_OK)
        << name << " again, k " << k << ": " << error.message;
    if (status != BALEEN_OK) break;
  }
  return {program.logits(), program.tokens(), program.piece()};
}

TEST(OutOfMemoryTest, EveryAllocationMayFail) {
  TestAllocator allocator;
  const Outcome whole = RunProgram(&allocator, 0);
  const int64_t all = allocator.calls();
  ASSERT_EQ(allocator.bytes(), 0) << "a leak without any failure";
  ASSERT_EQ(allocator.mistakes(), 0) << allocator.last_mistake();
  ASSERT_FALSE(whole.logits.empty());
  EXPECT_EQ(whole.piece, "Some years ago");
  int64_t tried = 0;
  for (int64_t k = 1; k <= all; k += k < kEach ? 1 : kStride) {
    const Outcome outcome = RunProgram(&allocator, k);
    ++tried;
    ASSERT_EQ(outcome.logits, whole.logits) << "k " << k;
    ASSERT_EQ(outcome.tokens, whole.tokens) << "k " << k;
    ASSERT_EQ(outcome.piece, whole.piece) << "k " << k;
    ASSERT_EQ(allocator.bytes(), 0) << "a leak, k " << k;
    ASSERT_EQ(allocator.mistakes(), 0)
        << allocator.last_mistake() << ", k " << k;
    if (HasFailure()) break;
  }
  RecordProperty("allocations", static_cast<int>(all));
  RecordProperty("tried", static_cast<int>(tried));
}

TEST(OutOfMemoryTest, EveryAllocationOfAContextMayFail) {
  TestAllocator allocator;
  baleen_context_options options = ContextOptions();
  options.allocator = allocator.hooks();
  options.thread_count = 3;
  for (int64_t k = 1;; ++k) {
    allocator.FailAt(k);
    baleen_context* context = nullptr;
    baleen_error error = {};
    const baleen_status status =
        baleen_context_create(&options, &context, &error);
    if (!allocator.failed()) {
      EXPECT_EQ(status, BALEEN_OK) << error.message;
      EXPECT_GT(k, 3);
      baleen_context_release(context);
      break;
    }
    EXPECT_EQ(status, BALEEN_OUT_OF_MEMORY) << k;
    EXPECT_EQ(context, nullptr);
    ASSERT_EQ(allocator.bytes(), 0) << "a leak, k " << k;
  }
  EXPECT_EQ(allocator.bytes(), 0);
  EXPECT_EQ(allocator.mistakes(), 0) << allocator.last_mistake();
}

// A step takes no memory: a host that counts on its frame time can too.
TEST(OutOfMemoryTest, DecodingAllocatesNothingOnceWarm) {
  TestAllocator allocator;
  baleen_context_options options = ContextOptions();
  options.allocator = allocator.hooks();
  const ContextPointer context = MakeContext(&options);
  const ModelPointer model = LoadPocket(context.get());
  const SessionPointer session = MakeSession(model.get());
  ASSERT_TRUE(session != nullptr);
  baleen_error error = {};
  const std::vector<baleen_token> prompt = Prompt(model.get(), 20);
  ASSERT_EQ(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                                  &error),
            BALEEN_OK)
      << error.message;
  int64_t most = 0;
  int quiet = 0;
  for (int i = 0; i < 100; ++i) {
    const int64_t before = allocator.calls();
    baleen_token token = -1;
    size_t count = 0;
    ASSERT_EQ(
        baleen_session_step(session.get(), nullptr, &token, 1, &count, &error),
        BALEEN_OK)
        << error.message;
    most = std::max(most, allocator.calls() - before);
    quiet += allocator.calls() == before ? 1 : 0;
  }
  // Vectors of tokens grow and pages are taken now and then.
  EXPECT_GE(quiet, 90) << "at most " << most << " allocations in a step";
}

}  // namespace
}  // namespace baleen_test
