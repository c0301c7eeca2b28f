// Models through the public header: what they tell, what their folders must
// have, text, and memory plans.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "robustness/allocator.h"
#include "robustness/files.h"
#include "robustness/pocket.h"

namespace baleen_test {
namespace {

namespace fs = std::filesystem;

// A copy of the pocket model's folder that a test may damage.
class PocketCopy {
 public:
  PocketCopy() {
    std::string name = (fs::temp_directory_path() / "baleen-XXXXXX").string();
    path_ = mkdtemp(name.data());
    for (const char* file : {"config.json", "generation_config.json",
                             "tokenizer.json", "model.safetensors"}) {
      fs::copy_file(fs::path(PocketPath()) / file, path_ / file);
    }
  }
  ~PocketCopy() { fs::remove_all(path_); }
  PocketCopy(const PocketCopy&) = delete;
  PocketCopy& operator=(const PocketCopy&) = delete;

  std::string path() const { return path_.string(); }
  void Remove(const char* file) { fs::remove(path_ / file); }
  void Write(const char* file, const std::string& text) {
    fs::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file, std::ios::binary) << text;
  }
  void Take(const std::string& from, const char* file) {
    fs::copy_file(from, path_ / file, fs::copy_options::overwrite_existing);
  }
  // Overwrites the last bytes of a file.
  void WriteAtEnd(const char* file, const std::string& bytes) {
    std::fstream stream(path_ / file,
                        std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(-static_cast<std::streamoff>(bytes.size()), std::ios::end);
    stream << bytes;
  }

 private:
  fs::path path_;
};

class ModelTest : public testing::Test {
 protected:
  void SetUp() override { context_ = MakeContext(); }

  ModelPointer Load(const std::string& path, uint32_t flags = 0) {
    baleen_model_options options = {};
    options.struct_size = sizeof options;
    options.flags = flags;
    baleen_model* model = nullptr;
    status_ = baleen_model_load(context_.get(), path.c_str(), &options, &model,
                                &error_);
    return ModelPointer(model);
  }
  baleen_model_info Info(const ModelPointer& model) {
    baleen_model_info info = {};
    info.struct_size = sizeof info;
    EXPECT_EQ(baleen_model_get_info(model.get(), &info, &error_), BALEEN_OK);
    return info;
  }
  bool Said(const char* words) const {
    return std::string(error_.message).find(words) != std::string::npos;
  }

  ContextPointer context_;
  baleen_error error_ = {};
  baleen_status status_ = BALEEN_OK;
};

TEST_F(ModelTest, TellsWhatItIs) {
  const ModelPointer model = Load(PocketPath());
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  const baleen_model_info info = Info(model);
  EXPECT_EQ(info.vocabulary_size, 2048u);
  EXPECT_EQ(info.hidden_size, 256u);
  EXPECT_EQ(info.layer_count, 4u);
  EXPECT_EQ(info.window_layer_count, 1u);
  EXPECT_EQ(info.csa_layer_count, 2u);
  EXPECT_EQ(info.hca_layer_count, 1u);
  EXPECT_EQ(info.draft_layer_count, 1u);
  EXPECT_EQ(info.expert_count, 8u);
  EXPECT_EQ(info.experts_per_token, 2u);
  EXPECT_EQ(info.encoder, BALEEN_ENCODER_PREVIEW);
  EXPECT_EQ(info.position_limit, 1048576u);
  EXPECT_EQ(info.parameter_count, 10115778u);  // As its model card says.
  EXPECT_STREQ(info.architecture, "deepseek_v4");
  EXPECT_STREQ(info.drafter, "mtp");
  EXPECT_STREQ(info.name, "pocket");
}

TEST_F(ModelTest, LendsItsConfiguration) {
  const ModelPointer model = Load(PocketPath());
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  EXPECT_STREQ(baleen_model_metadata(model.get(), "hidden_size"), "256");
  EXPECT_STREQ(baleen_model_metadata(model.get(), "model_type"),
               "\"deepseek_v4\"");
  EXPECT_STREQ(baleen_model_metadata(model.get(), "rms_norm_eps"), "1e-06");
  EXPECT_EQ(baleen_model_metadata(model.get(), "no_such_key"), nullptr);
  const std::string scaling =
      baleen_model_metadata(model.get(), "rope_scaling");
  EXPECT_EQ(scaling.front(), '{');
  EXPECT_EQ(scaling.back(), '}');
}

TEST_F(ModelTest, TextGoesThereAndBackThroughBuffersOfAnySize) {
  const ModelPointer model = Load(PocketPath());
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  const std::string text = "Call me Ishmael. Voilà \xF0\x9F\x90\x8B\n\n  end";
  size_t count = 0;
  EXPECT_EQ(baleen_model_tokenize(model.get(), text.data(), text.size(), 0,
                                  nullptr, 0, &count, &error_),
            BALEEN_BUFFER_TOO_SMALL);
  ASSERT_GT(count, 0u);
  std::vector<baleen_token> tokens(count, -7);
  size_t again = 0;
  EXPECT_EQ(baleen_model_tokenize(model.get(), text.data(), text.size(), 0,
                                  tokens.data(), count - 1, &again, &error_),
            BALEEN_BUFFER_TOO_SMALL);
  EXPECT_EQ(again, count);
  EXPECT_EQ(tokens[0], -7) << "written by a call that failed";
  ASSERT_EQ(baleen_model_tokenize(model.get(), text.data(), text.size(), 0,
                                  tokens.data(), count, &again, &error_),
            BALEEN_OK);
  size_t size = 0;
  EXPECT_EQ(baleen_model_detokenize(model.get(), tokens.data(), count, 0,
                                    nullptr, 0, &size, &error_),
            BALEEN_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, text.size());
  std::string back(size, '\0');
  ASSERT_EQ(baleen_model_detokenize(model.get(), tokens.data(), count, 0,
                                    back.data(), back.size(), &size, &error_),
            BALEEN_OK);
  EXPECT_EQ(back, text);
  // Nothing needs no buffer.
  EXPECT_EQ(baleen_model_tokenize(model.get(), nullptr, 0, 0, nullptr, 0,
                                  &count, &error_),
            BALEEN_OK);
  EXPECT_EQ(count, 0u);
}

TEST_F(ModelTest, SpecialTokensAreReadOnlyWhereAskedFor) {
  const ModelPointer model = Load(PocketPath());
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  const baleen_token end = baleen_model_find_token(model.get(), "</think>");
  ASSERT_GE(end, 0);
  EXPECT_EQ(baleen_model_find_token(model.get(), "</thinker>"), -1);
  EXPECT_EQ(baleen_model_is_end(model.get(), end), 0);
  EXPECT_EQ(baleen_model_is_end(model.get(), 1), 1);
  EXPECT_EQ(baleen_model_is_end(model.get(), -1), 0);
  std::vector<baleen_token> tokens(16);
  size_t count = 0;
  ASSERT_EQ(
      baleen_model_tokenize(model.get(), "</think>", 8, BALEEN_TEXT_SPECIAL,
                            tokens.data(), 16, &count, &error_),
      BALEEN_OK);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(tokens[0], end);
  ASSERT_EQ(baleen_model_tokenize(model.get(), "</think>", 8, 0, tokens.data(),
                                  16, &count, &error_),
            BALEEN_OK);
  EXPECT_GT(count, 1u);
}

TEST_F(ModelTest, ATokenizerAloneSplitsTextAndHasNoSessions) {
  const ModelPointer model = Load(PocketPath(), BALEEN_MODEL_TOKENIZER_ONLY);
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  const ModelPointer whole = Load(PocketPath());
  EXPECT_EQ(Tokenize(model.get(), "Loomings."),
            Tokenize(whole.get(), "Loomings."));
  EXPECT_EQ(Info(model).vocabulary_size, 2048u);
  baleen_session* session = nullptr;
  EXPECT_EQ(baleen_session_create(model.get(), nullptr, &session, &error_),
            BALEEN_UNSUPPORTED);
  EXPECT_EQ(session, nullptr);
  baleen_memory_plan plan = {};
  plan.struct_size = sizeof plan;
  EXPECT_EQ(baleen_model_plan(model.get(), nullptr, &plan, &error_),
            BALEEN_UNSUPPORTED);

  PocketCopy copy;
  for (const char* file :
       {"config.json", "generation_config.json", "model.safetensors"}) {
    copy.Remove(file);
  }
  const ModelPointer bare = Load(copy.path(), BALEEN_MODEL_TOKENIZER_ONLY);
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  EXPECT_EQ(baleen_model_is_end(bare.get(), 1), 1) << "by its name";
}

TEST_F(ModelTest, MissingFilesAreNamed) {
  EXPECT_EQ(Load("/no/such/folder"), nullptr);
  EXPECT_EQ(status_, BALEEN_NOT_FOUND);
  EXPECT_TRUE(Said("/no/such/folder")) << error_.message;
  Load(PocketPath() + "/model.safetensors");
  EXPECT_EQ(status_, BALEEN_CORRUPT);
  EXPECT_TRUE(Said("model.safetensors is neither a folder nor"))
      << error_.message;
  PocketCopy copy;
  copy.Remove("model.safetensors");
  Load(copy.path());
  EXPECT_EQ(status_, BALEEN_NOT_FOUND);
  EXPECT_TRUE(Said("model.safetensors")) << error_.message;
  copy.Remove("tokenizer.json");
  Load(copy.path(), BALEEN_MODEL_TOKENIZER_ONLY);
  EXPECT_EQ(status_, BALEEN_NOT_FOUND);
  EXPECT_TRUE(Said("tokenizer.json")) << error_.message;
}

TEST_F(ModelTest, WithoutATokenizerItComputesButReadsNoText) {
  PocketCopy copy;
  copy.Remove("tokenizer.json");
  const ModelPointer model = Load(copy.path());
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  size_t count = 0;
  EXPECT_EQ(baleen_model_tokenize(model.get(), "x", 1, 0, nullptr, 0, &count,
                                  &error_),
            BALEEN_UNSUPPORTED);
  baleen_reply* reply = nullptr;
  EXPECT_EQ(baleen_reply_create(model.get(), nullptr, &reply, &error_),
            BALEEN_UNSUPPORTED);
  EXPECT_EQ(baleen_model_find_token(model.get(), "x"), -1);
  EXPECT_EQ(baleen_model_is_end(model.get(), 1), 1) << "by generation_config";
  const SessionPointer session = MakeSession(model.get());
  const baleen_token tokens[] = {0, 70, 71};
  EXPECT_EQ(baleen_session_append(session.get(), tokens, 3, &error_), BALEEN_OK)
      << error_.message;
  EXPECT_EQ(baleen_session_generate(session.get(), nullptr, nullptr, &error_),
            BALEEN_UNSUPPORTED);
}

TEST_F(ModelTest, TheEncoderIsThatOfTheFolder) {
  PocketCopy copy;
  copy.Write("encoding/encoding_dsv4.py",
             "MAX = 'Reasoning Effort: Beyond maximum'\n");
  ModelPointer model = Load(copy.path());
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  EXPECT_EQ(Info(model).encoder, BALEEN_ENCODER_GA);
  copy.Write("encoding/encoding_dsv4.py", "MAX = 'Absolute maximum'\n");
  model = Load(copy.path());
  EXPECT_EQ(Info(model).encoder, BALEEN_ENCODER_PREVIEW);
}

TEST_F(ModelTest, BadSmallFilesAreNamed) {
  const std::pair<const char*, const char*> files[] = {
      {"config.json", "[]"},
      {"config.json", "{"},
      {"config.json", ""},
      {"generation_config.json", "{\"temperature\": -1}"},
      {"generation_config.json", "{\"top_p\": 2}"},
      {"generation_config.json", "{\"eos_token_id\": \"x\"}"},
      {"generation_config.json", "{\"eos_token_id\": [1, 1e30]}"},
      {"tokenizer.json", "{}"},
  };
  for (const auto& [file, text] : files) {
    PocketCopy copy;
    copy.Write(file, text);
    EXPECT_EQ(Load(copy.path()), nullptr);
    EXPECT_EQ(status_, BALEEN_CORRUPT) << file << text << error_.message;
    EXPECT_TRUE(Said(file)) << error_.message;
  }
  PocketCopy copy;
  copy.Write("generation_config.json", "{\"eos_token_id\": [5, 6]}");
  const ModelPointer model = Load(copy.path());
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  EXPECT_EQ(baleen_model_is_end(model.get(), 5), 1);
  EXPECT_EQ(baleen_model_is_end(model.get(), 6), 1);
  EXPECT_EQ(baleen_model_is_end(model.get(), 1), 0);
}

TEST_F(ModelTest, VerifyFindsAWeightThatIsNoNumber) {
  PocketCopy copy;
  Load(copy.path(), BALEEN_MODEL_VERIFY);
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  copy.WriteAtEnd("model.safetensors", std::string(64, '\xFF'));
  Load(copy.path());
  EXPECT_EQ(status_, BALEEN_OK) << "it is not looked at without the flag";
  Load(copy.path(), BALEEN_MODEL_VERIFY);
  EXPECT_EQ(status_, BALEEN_CORRUPT);
  EXPECT_TRUE(Said("tensor ")) << error_.message;
  EXPECT_TRUE(Said("model.safetensors")) << error_.message;
}

// AddressSanitizer and ThreadSanitizer turn mlock into a call that does nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryCanBeLocked = false;
#elif defined(__has_feature)
constexpr bool kMemoryCanBeLocked =
    !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
constexpr bool kMemoryCanBeLocked = true;
#endif

// Kilobytes of this process that are locked in memory.
int64_t LockedKilobytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("VmLck:", 0) == 0) return std::stoll(line.substr(6));
  }
  return -1;
}

TEST_F(ModelTest, WeightsAreLockedAsLongAsTheModelLives) {
  if (!kMemoryCanBeLocked) GTEST_SKIP() << "the sanitizer locks no memory";
  const int64_t before = LockedKilobytes();
  ModelPointer model = Load(PocketPath(), BALEEN_MODEL_LOCK_MEMORY);
  if (status_ == BALEEN_OUT_OF_MEMORY) {
    GTEST_SKIP() << "this process may not lock memory: " << error_.message;
  }
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  EXPECT_GT(LockedKilobytes(), before + 11000) << "12 MB of weights";
  model.reset();
  EXPECT_EQ(LockedKilobytes(), before);
}

TEST_F(ModelTest, LockingMoreThanTheSystemAllowsFailsWithTheReason) {
  if (!kMemoryCanBeLocked) GTEST_SKIP() << "the sanitizer locks no memory";
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit = {65536, 65536};
    setrlimit(RLIMIT_MEMLOCK, &limit);
    // Who may do anything may lock anything.
    if (geteuid() == 0 && seteuid(65534) != 0) _exit(77);
    Load(PocketPath(), BALEEN_MODEL_LOCK_MEMORY);
    _exit(status_ == BALEEN_OUT_OF_MEMORY && Said("RLIMIT_MEMLOCK") ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    GTEST_SKIP() << "cannot give up the right to lock memory";
  }
  EXPECT_EQ(status, 0);
}

baleen_memory_plan EmptyPlan() {
  baleen_memory_plan plan = {};
  plan.struct_size = sizeof plan;
  return plan;
}

bool SamePlan(const baleen_memory_plan& a, const baleen_memory_plan& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

TEST_F(ModelTest, APlanIsTheSameBeforeAndAfterLoading) {
  baleen_session_options options = SessionOptions();
  options.capacity = 10000;
  baleen_memory_plan before = EmptyPlan();
  ASSERT_EQ(baleen_context_plan(context_.get(), PocketPath().c_str(), nullptr,
                                &options, &before, &error_),
            BALEEN_OK)
      << error_.message;
  const ModelPointer model = Load(PocketPath());
  baleen_memory_plan after = EmptyPlan();
  ASSERT_EQ(baleen_model_plan(model.get(), &options, &after, &error_),
            BALEEN_OK)
      << error_.message;
  EXPECT_TRUE(SamePlan(before, after));
  EXPECT_GT(before.weights_mapped, 11000000u);
  EXPECT_GT(before.session_host, 0u);
  uint64_t parts = 0;
  for (const uint64_t bytes : before.weights_by_part) parts += bytes;
  EXPECT_EQ(parts, Info(model).weight_bytes);
}

TEST_F(ModelTest, AHostThatCannotMapIsNotMadeToReadForAPlan) {
  TestFiles files(TestFiles::kNoMap);
  baleen_context_options context_options = ContextOptions();
  context_options.files = files.hooks();
  TestAllocator allocator;
  context_options.allocator = allocator.hooks();
  const ContextPointer context = MakeContext(&context_options);
  baleen_memory_plan plan = EmptyPlan();
  ASSERT_EQ(baleen_context_plan(context.get(), PocketPath().c_str(), nullptr,
                                nullptr, &plan, &error_),
            BALEEN_OK)
      << error_.message;
  EXPECT_LT(allocator.peak_bytes(), 10000000) << "less than the weights";
  EXPECT_EQ(plan.weights_mapped, 0u);
  EXPECT_GT(plan.weights_host, 11000000u);
  const ModelPointer model = LoadPocket(context.get());
  baleen_memory_plan loaded = EmptyPlan();
  ASSERT_EQ(baleen_model_plan(model.get(), nullptr, &loaded, &error_),
            BALEEN_OK);
  EXPECT_TRUE(SamePlan(plan, loaded))
      << plan.weights_host << " " << loaded.weights_host;
}

TEST_F(ModelTest, AConfigurationAloneIsEnoughForAPlan) {
  PocketCopy copy;
  for (const char* file :
       {"generation_config.json", "model.safetensors", "tokenizer.json"}) {
    copy.Remove(file);
  }
  baleen_model_options options = {};
  options.struct_size = sizeof options;
  options.flags = BALEEN_MODEL_SHAPES_ONLY;
  baleen_memory_plan imagined = EmptyPlan();
  ASSERT_EQ(baleen_context_plan(context_.get(), copy.path().c_str(), &options,
                                nullptr, &imagined, &error_),
            BALEEN_OK)
      << error_.message;
  baleen_memory_plan real = EmptyPlan();
  ASSERT_EQ(baleen_context_plan(context_.get(), PocketPath().c_str(), nullptr,
                                nullptr, &real, &error_),
            BALEEN_OK)
      << error_.message;
  // What only the files can tell is the length of their headers.
  EXPECT_LT(imagined.weights_mapped, real.weights_mapped);
  EXPECT_GT(imagined.weights_mapped + 100000, real.weights_mapped);
  imagined.weights_mapped = real.weights_mapped;
  EXPECT_TRUE(SamePlan(imagined, real));
}

// What each token of V4-Flash takes, by its layers (model.md §15): 21 CSA layers
// keep an entry and a key for 4 tokens, 20 HCA layers an entry for 128.
constexpr double kFlashBytesPerToken = 21 * (584 + 68) / 4.0 + 20 * 584 / 128.0;

TEST_F(ModelTest, AMillionTokensOfAPublishedModelArePlanned) {
  const std::string folder = BALEEN_TEST_DATA "/configs/";
  PocketCopy copy;
  for (const char* file :
       {"generation_config.json", "model.safetensors", "tokenizer.json"}) {
    copy.Remove(file);
  }
  copy.Take(folder + "DeepSeek-V4-Flash.config.json", "config.json");
  const ModelPointer model = Load(copy.path(), BALEEN_MODEL_SHAPES_ONLY);
  ASSERT_EQ(status_, BALEEN_OK) << error_.message;
  EXPECT_EQ(Info(model).layer_count, 43u);
  uint64_t bytes[2] = {};
  const uint64_t capacities[2] = {1 << 16, 1 << 20};
  for (int i = 0; i < 2; ++i) {
    baleen_session_options options = SessionOptions();
    options.capacity = capacities[i];
    baleen_memory_plan plan = EmptyPlan();
    ASSERT_EQ(baleen_model_plan(model.get(), &options, &plan, &error_),
              BALEEN_OK)
        << error_.message;
    bytes[i] = plan.session_host;
  }
  EXPECT_NEAR(static_cast<double>(bytes[1] - bytes[0]) /
                  static_cast<double>(capacities[1] - capacities[0]),
              kFlashBytesPerToken, 1)
      << "tables of pages add less than a byte";

  // Sessions of it take tokens, and compute nothing.
  baleen_session_options options = SessionOptions();
  options.capacity = 1000;
  const SessionPointer session = MakeSession(model.get(), &options);
  ASSERT_TRUE(session != nullptr);
  const std::vector<baleen_token> tokens(700, 5);
  EXPECT_EQ(baleen_session_append(session.get(), tokens.data(), tokens.size(),
                                  &error_),
            BALEEN_OK)
      << error_.message;
  size_t count = 0;
  baleen_session_tokens(session.get(), &count);
  EXPECT_EQ(count, 700u);
  const float* logits = nullptr;
  EXPECT_EQ(baleen_session_logits(session.get(), &logits, &count, &error_),
            BALEEN_UNSUPPORTED);
  EXPECT_TRUE(Said("shapes only")) << error_.message;
}

TEST_F(ModelTest, PlansOfImpossibleSessionsFail) {
  baleen_session_options options = SessionOptions();
  options.capacity = uint64_t{1} << 40;
  baleen_memory_plan plan = EmptyPlan();
  EXPECT_EQ(baleen_context_plan(context_.get(), PocketPath().c_str(), nullptr,
                                &options, &plan, &error_),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_TRUE(Said("options.capacity")) << error_.message;
}

}  // namespace
}  // namespace baleen_test
