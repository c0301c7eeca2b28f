// What each entry says of arguments that are bugs of the calling program, and
// that it says it before it does anything.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "robustness/pocket.h"

namespace baleen_test {
namespace {

// The status and message of the last call.
class ArgumentsTest : public testing::Test {
 protected:
  void SetUp() override {
    context_ = MakeContext();
    model_ = LoadPocket(context_.get());
    session_ = MakeSession(model_.get());
    ASSERT_TRUE(session_ != nullptr);
  }

  // Expects that the call failed with this status, and that its message has
  // `words`.
  void Expect(baleen_status got, baleen_status wanted, const char* words) {
    EXPECT_EQ(got, wanted) << error_.message;
    EXPECT_EQ(error_.status, wanted);
    EXPECT_NE(std::string(error_.message).find(words), std::string::npos)
        << error_.message;
    error_ = {};
  }

  baleen_status Create(const baleen_context_options& options) {
    baleen_context* context = nullptr;
    const baleen_status status =
        baleen_context_create(&options, &context, &error_);
    EXPECT_EQ(context == nullptr, status != BALEEN_OK);
    baleen_context_release(context);
    return status;
  }
  baleen_status Load(const baleen_model_options& options) {
    baleen_model* model = nullptr;
    const baleen_status status = baleen_model_load(
        context_.get(), PocketPath().c_str(), &options, &model, &error_);
    EXPECT_EQ(model == nullptr, status != BALEEN_OK);
    baleen_model_release(model);
    return status;
  }
  baleen_status Session(const baleen_session_options& options) {
    baleen_session* session = nullptr;
    const baleen_status status =
        baleen_session_create(model_.get(), &options, &session, &error_);
    EXPECT_EQ(session == nullptr, status != BALEEN_OK);
    baleen_session_release(session);
    return status;
  }

  ContextPointer context_;
  ModelPointer model_;
  SessionPointer session_;
  baleen_error error_ = {};
};

TEST_F(ArgumentsTest, ANullHandleIsNamed) {
  baleen_session* session = nullptr;
  baleen_model* model = nullptr;
  baleen_reply* reply = nullptr;
  size_t count = 0;
  baleen_token token = 0;
  Expect(baleen_context_create(nullptr, nullptr, &error_),
         BALEEN_INVALID_ARGUMENT, "out is NULL");
  Expect(baleen_context_load_backend(nullptr, "/x", &error_),
         BALEEN_INVALID_ARGUMENT, "context is NULL");
  Expect(baleen_context_load_backend(context_.get(), nullptr, &error_),
         BALEEN_INVALID_ARGUMENT, "path is NULL");
  Expect(baleen_model_load(nullptr, "x", nullptr, &model, &error_),
         BALEEN_INVALID_ARGUMENT, "context is NULL");
  Expect(baleen_model_load(context_.get(), nullptr, nullptr, &model, &error_),
         BALEEN_INVALID_ARGUMENT, "path is NULL");
  Expect(baleen_model_get_info(nullptr, nullptr, &error_),
         BALEEN_INVALID_ARGUMENT, "model is NULL");
  Expect(baleen_model_tokenize(model_.get(), nullptr, 3, 0, &token, 1, &count,
                               &error_),
         BALEEN_INVALID_ARGUMENT, "text is NULL");
  Expect(baleen_model_tokenize(model_.get(), "abc", 3, 0, nullptr, 1, &count,
                               &error_),
         BALEEN_INVALID_ARGUMENT, "tokens is NULL");
  Expect(baleen_model_tokenize(model_.get(), "abc", 3, 0, &token, 1, nullptr,
                               &error_),
         BALEEN_INVALID_ARGUMENT, "count is NULL");
  Expect(baleen_session_create(nullptr, nullptr, &session, &error_),
         BALEEN_INVALID_ARGUMENT, "model is NULL");
  Expect(baleen_session_append(nullptr, &token, 1, &error_),
         BALEEN_INVALID_ARGUMENT, "session is NULL");
  Expect(baleen_session_append(session_.get(), nullptr, 1, &error_),
         BALEEN_INVALID_ARGUMENT, "tokens is NULL");
  Expect(
      baleen_session_step(session_.get(), nullptr, nullptr, 1, &count, &error_),
      BALEEN_INVALID_ARGUMENT, "tokens is NULL");
  Expect(
      baleen_session_step(session_.get(), nullptr, &token, 0, &count, &error_),
      BALEEN_INVALID_ARGUMENT, "capacity is 0");
  Expect(baleen_reply_create(nullptr, nullptr, &reply, &error_),
         BALEEN_INVALID_ARGUMENT, "model is NULL");
  Expect(baleen_reply_add(nullptr, &token, 1, &error_), BALEEN_INVALID_ARGUMENT,
         "reply is NULL");
}

TEST_F(ArgumentsTest, FunctionsWithoutAStatusBearNull) {
  EXPECT_EQ(baleen_context_device_count(nullptr), 0u);
  EXPECT_EQ(baleen_model_metadata(nullptr, "x"), nullptr);
  EXPECT_EQ(baleen_model_metadata(model_.get(), nullptr), nullptr);
  EXPECT_EQ(baleen_model_find_token(nullptr, "x"), -1);
  EXPECT_EQ(baleen_model_find_token(model_.get(), nullptr), -1);
  EXPECT_EQ(baleen_model_is_end(nullptr, 1), 0);
  size_t count = 7;
  EXPECT_EQ(baleen_session_tokens(nullptr, &count), nullptr);
  EXPECT_EQ(count, 0u);
  baleen_piece piece = {};
  EXPECT_EQ(baleen_reply_next(nullptr, &piece), 0);
  baleen_session_cancel(nullptr);
}

TEST_F(ArgumentsTest, HooksOfTheContextAreChecked) {
  baleen_context_options options = ContextOptions();
  baleen_allocator allocator = {};
  allocator.struct_size = sizeof allocator;
  options.allocator = &allocator;
  Expect(Create(options), BALEEN_INVALID_ARGUMENT, "allocator.allocate");
  allocator.struct_size = 0;
  Expect(Create(options), BALEEN_INVALID_ARGUMENT,
         "baleen_allocator.struct_size is 0");
  options = ContextOptions();
  baleen_workers workers = {};
  workers.struct_size = sizeof workers;
  options.workers = &workers;
  Expect(Create(options), BALEEN_INVALID_ARGUMENT, "workers.run is NULL");
  workers.run = [](void*, uint32_t, baleen_task_fn, void*) {};
  Expect(Create(options), BALEEN_INVALID_ARGUMENT, "workers.width is 0");
  options = ContextOptions();
  baleen_files files = {};
  files.struct_size = sizeof files;
  options.files = &files;
  Expect(Create(options), BALEEN_INVALID_ARGUMENT, "files.open");
  files.open = [](void*, const char*, void**, uint64_t*) { return 1; };
  files.read = [](void*, void*, uint64_t, void*, size_t) { return 1; };
  files.close = [](void*, void*) {};
  EXPECT_EQ(Create(options), BALEEN_OK) << error_.message;
  files.sync = [](void*, void*) { return 1; };
  Expect(Create(options), BALEEN_INVALID_ARGUMENT, "not 1 of them");
}

TEST_F(ArgumentsTest, OptionsOfTheContextAreChecked) {
  baleen_context_options options = ContextOptions();
  options.struct_size += 8;
  struct {
    baleen_context_options options;
    uint64_t later;
  } longer = {options, 1};
  Expect(Create(longer.options), BALEEN_UNSUPPORTED,
         "baleen_context_options has a member set");
  longer.later = 0;
  EXPECT_EQ(Create(longer.options), BALEEN_OK);
  options = ContextOptions();
  options.log_level = BALEEN_LOG_DEBUG + 1;
  Expect(Create(options), BALEEN_INVALID_ARGUMENT, "options.log_level is 5");
  options = ContextOptions();
  options.thread_count = 5000;
  Expect(Create(options), BALEEN_INVALID_ARGUMENT, "options.thread_count");
  options = ContextOptions();
  options.state_path = "";
  Expect(Create(options), BALEEN_INVALID_ARGUMENT, "state_path");
  options = ContextOptions();
  options.backend_path = "/no/such/folder";
  Expect(Create(options), BALEEN_NOT_FOUND, "/no/such/folder");
}

TEST_F(ArgumentsTest, OptionsOfAModelAreChecked) {
  baleen_model_options options = {};
  Expect(Load(options), BALEEN_INVALID_ARGUMENT,
         "baleen_model_options.struct_size is 0");
  options.struct_size = sizeof options;
  options.flags = 1u << 20;
  Expect(Load(options), BALEEN_UNSUPPORTED, "0x100000");
  options.flags = BALEEN_MODEL_TOKENIZER_ONLY | BALEEN_MODEL_SHAPES_ONLY;
  Expect(Load(options), BALEEN_INVALID_ARGUMENT, "exclude each other");
  options.flags = 0;
  const uint32_t devices[] = {0, 0};
  options.device_count = 1;
  Expect(Load(options), BALEEN_INVALID_ARGUMENT, "options.devices is NULL");
  options.devices = devices;
  options.device_count = 2;
  Expect(Load(options), BALEEN_UNSUPPORTED, "one device");
  options.device_count = 1;
  EXPECT_EQ(Load(options), BALEEN_OK) << error_.message;
  const uint32_t absent = 3;
  options.devices = &absent;
  Expect(Load(options), BALEEN_NOT_FOUND, "there is no device 3");
}

TEST_F(ArgumentsTest, SettingsThatNobodyKnowsFail) {
  baleen_setting setting = {"cpu.isa", "reference"};
  baleen_model_options options = {};
  options.struct_size = sizeof options;
  options.settings = &setting;
  options.setting_count = 1;
  EXPECT_EQ(Load(options), BALEEN_OK) << error_.message;
  setting.value = "abacus";
  EXPECT_LT(Load(options), 0);
  EXPECT_NE(std::string(error_.message).find("abacus"), std::string::npos)
      << error_.message;
  setting = {"cpu.whale", "on"};
  Expect(Load(options), BALEEN_NOT_FOUND, "cpu.whale");
  setting = {"cuda.graph", "off"};
  Expect(Load(options), BALEEN_NOT_FOUND, "cuda.graph");
  setting = {"whale", "on"};
  Expect(Load(options), BALEEN_NOT_FOUND, "whale");
  setting = {nullptr, "on"};
  Expect(Load(options), BALEEN_INVALID_ARGUMENT, "settings[0]");
}

TEST_F(ArgumentsTest, OptionsOfASessionAreChecked) {
  baleen_session_options options = SessionOptions();
  options.mode = 2;
  Expect(Session(options), BALEEN_INVALID_ARGUMENT, "options.mode is 2");
  options = SessionOptions();
  options.draft = -1;
  Expect(Session(options), BALEEN_INVALID_ARGUMENT, "options.draft is -1");
  options = SessionOptions();
  options.capacity = uint64_t{1} << 40;
  Expect(Session(options), BALEEN_INVALID_ARGUMENT, "options.capacity");
  options = SessionOptions();
  options.flags = 8;
  Expect(Session(options), BALEEN_UNSUPPORTED, "0x8");
  options = SessionOptions();
  options.window = BALEEN_WINDOW_FULL + 1;
  Expect(Session(options), BALEEN_INVALID_ARGUMENT, "options.window is 4");
  options.window = BALEEN_WINDOW_PERIODIC;
  options.window_period = 100;
  Expect(Session(options), BALEEN_INVALID_ARGUMENT, "no multiple of 256");
  options.window = BALEEN_WINDOW_FULL;
  options.window_period = 512;
  Expect(Session(options), BALEEN_INVALID_ARGUMENT, "window_period is set");
  options = SessionOptions();
  options.flags = BALEEN_SESSION_RESUME;
  Expect(Session(options), BALEEN_INVALID_ARGUMENT, "BALEEN_SESSION_RESUME");
  options.log_path = "/no/such/folder/log";
  Expect(Session(options), BALEEN_IO, "/no/such/folder/log");
  Expect(baleen_session_evict(session_.get(), &error_), BALEEN_NOT_FOUND,
         "state_path");
}

TEST_F(ArgumentsTest, WhatLaterVersionsFillIsRefusedWithASentence) {
  baleen_session_options options = SessionOptions();
  options.draft = BALEEN_DRAFT_LOOKUP;
  Expect(Session(options), BALEEN_UNSUPPORTED, "options.draft");
  baleen_step step = {};
  step.session = session_.get();
  Expect(baleen_session_step_many(&step, 1, &error_), BALEEN_UNSUPPORTED,
         "one session at a time");
}

TEST_F(ArgumentsTest, PackingNeedsWeights) {
  for (const uint32_t flag :
       {BALEEN_MODEL_TOKENIZER_ONLY, BALEEN_MODEL_SHAPES_ONLY,
        BALEEN_MODEL_LOCK_MEMORY}) {
    baleen_model_options options = {};
    options.struct_size = sizeof options;
    options.flags = flag;
    Expect(baleen_model_pack(context_.get(), PocketPath().c_str(), "x",
                             &options, &error_),
           BALEEN_INVALID_ARGUMENT, "flags");
  }
  Expect(baleen_model_pack(context_.get(), nullptr, "x", nullptr, &error_),
         BALEEN_INVALID_ARGUMENT, "path");
  Expect(baleen_model_pack(context_.get(), PocketPath().c_str(), nullptr,
                           nullptr, &error_),
         BALEEN_INVALID_ARGUMENT, "packed_path");
}

TEST_F(ArgumentsTest, GenerationsAreChecked) {
  const auto generate = [this](const baleen_generation& generation) {
    baleen_finish finish = 77;
    const baleen_status status =
        baleen_session_generate(session_.get(), &generation, &finish, &error_);
    EXPECT_EQ(finish, 77) << "written by a call that failed";
    return status;
  };
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.stop_count = 1;
  Expect(generate(generation), BALEEN_INVALID_ARGUMENT, "stops is NULL");
  const char* stops[] = {""};
  generation.stops = stops;
  Expect(generate(generation), BALEEN_INVALID_ARGUMENT, "stops[0]");
  generation.stop_count = 0;
  baleen_sampling sampling = {};
  generation.sampling = &sampling;
  Expect(generate(generation), BALEEN_INVALID_ARGUMENT,
         "baleen_sampling.struct_size is 0");
  sampling.struct_size = sizeof sampling;
  sampling.temperature = -1;
  EXPECT_EQ(generate(generation), BALEEN_INVALID_ARGUMENT);
  generation.sampling = nullptr;
  const ModelPointer other = LoadPocket(context_.get());
  baleen_reply* reply = nullptr;
  ASSERT_EQ(baleen_reply_create(other.get(), nullptr, &reply, &error_),
            BALEEN_OK);
  const ReplyPointer owner(reply);
  generation.reply = reply;
  Expect(generate(generation), BALEEN_INVALID_ARGUMENT, "another model");
}

TEST_F(ArgumentsTest, ATokenOutsideTheVocabularyIsNamed) {
  for (const baleen_token bad : {-1, 2048, INT32_MAX, INT32_MIN}) {
    const baleen_token tokens[] = {5, bad};
    Expect(baleen_session_append(session_.get(), tokens, 2, &error_),
           BALEEN_INVALID_ARGUMENT, "tokens[1]");
    Expect(
        baleen_session_set_tokens(session_.get(), tokens, 2, nullptr, &error_),
        BALEEN_INVALID_ARGUMENT, "tokens[1]");
    size_t size = 99;
    Expect(baleen_model_detokenize(model_.get(), tokens, 2, 0, nullptr, 0,
                                   &size, &error_),
           BALEEN_INVALID_ARGUMENT, "tokens[1]");
    EXPECT_EQ(size, 99u) << "written by a call that failed";
    baleen_message message = {};
    message.role = "assistant";
    message.content = "x";
    message.content_size = 1;
    message.tokens = tokens;
    message.token_count = 2;
    EXPECT_EQ(baleen_model_encode_chat(model_.get(), &message, 1, nullptr,
                                       nullptr, 0, &size, &error_),
              BALEEN_INVALID_ARGUMENT);
  }
  size_t count = 0;
  baleen_session_tokens(session_.get(), &count);
  EXPECT_EQ(count, 0u);
}

TEST_F(ArgumentsTest, MessagesAreChecked) {
  size_t count = 0;
  baleen_message message = {};
  const auto encode = [&](size_t messages, const baleen_chat_options* options) {
    return baleen_model_encode_chat(model_.get(), &message, messages, options,
                                    nullptr, 0, &count, &error_);
  };
  Expect(encode(1, nullptr), BALEEN_INVALID_ARGUMENT, "messages[0].role");
  message.role = "user";
  message.content_size = 5;
  Expect(encode(1, nullptr), BALEEN_INVALID_ARGUMENT, "messages[0]");
  message.content_size = 0;
  baleen_chat_options options = {};
  options.struct_size = sizeof options;
  options.thinking = 9;
  Expect(encode(1, &options), BALEEN_INVALID_ARGUMENT, "options.thinking");
  options.thinking = BALEEN_THINKING_DEFAULT;
  options.context_count = 2;
  Expect(encode(1, &options), BALEEN_INVALID_ARGUMENT,
         "options.context_count is 2");
}

}  // namespace
}  // namespace baleen_test
