// A packed model is the model that it was made of: the same bits, the same
// text, and a file that says when it was changed.
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "model/pocket.h"

namespace baleen_test {
namespace {

namespace fs = std::filesystem;

// What a load or a packing is asked for.
struct Options {
  baleen_model_options raw = {};
  baleen_setting isa = {"cpu.isa", ""};

  explicit Options(const char* name = "", uint32_t flags = 0) {
    raw.struct_size = sizeof raw;
    raw.flags = flags;
    isa.value = name;
    raw.settings = &isa;
    raw.setting_count = *name == '\0' ? 0 : 1;
  }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
};

class PackedTest : public testing::Test {
 protected:
  PackedTest() : context_(MakeContext()) {
    std::string name = (fs::temp_directory_path() / "baleen-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~PackedTest() override { fs::remove_all(folder_); }

  std::string Packed() const { return (folder_ / "model.baleen").string(); }
  size_t FileCount() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_),
                                             fs::directory_iterator()));
  }

  // The test data's model `name`, packed.
  std::string Pack(const std::string& name) {
    EXPECT_OK(baleen_model_pack(context_.get(), Source(name).c_str(),
                                Packed().c_str(), nullptr, &last_error));
    return Packed();
  }
  static std::string Source(const std::string& name) {
    return std::string(BALEEN_TEST_DATA "/") + name;
  }
  baleen_status TryLoad(const std::string& path, Model* model,
                        const Options& options = Options()) {
    baleen_model* made = nullptr;
    const baleen_status status = baleen_model_load(
        context_.get(), path.c_str(), &options.raw, &made, &last_error);
    model->reset(made);
    return status;
  }
  Model Load(const std::string& path, const Options& options = Options()) {
    Model model;
    EXPECT_OK(TryLoad(path, &model, options));
    return model;
  }

  Context context_;
  fs::path folder_;
};

// Prompt and decoding of a model, logits and all.
std::vector<float> Logits(const Model& model, baleen_mode mode,
                          uint32_t prompt_size) {
  baleen_session_options options = SessionOptions(mode);
  options.capacity = 512;
  const Session session = MakeSession(model.get(), options);
  baleen_model_info info = {};
  info.struct_size = sizeof info;
  EXPECT_OK(baleen_model_get_info(model.get(), &info, &last_error));
  Tokens prompt;
  for (uint32_t i = 0; i < prompt_size; ++i) {
    prompt.push_back(
        static_cast<baleen_token>(i * 7919 % info.vocabulary_size));
  }
  Append(session, prompt);
  std::vector<float> logits = Logits(session);
  for (int i = 0; i < 2; ++i) {
    Generate(session, 2);
    const std::vector<float> more = Logits(session);
    logits.insert(logits.end(), more.begin(), more.end());
  }
  return logits;
}

class PackedModelTest : public PackedTest,
                        public testing::WithParamInterface<const char*> {};

TEST_P(PackedModelTest, HasTheSameBitsWithEveryInstructionSet) {
  const std::string packed_path = Pack(GetParam());
  for (const char* isa :
       {"reference", "portable", "avx2", "avx512_core", "avx512", "amx", ""}) {
    const Options options(isa);
    Model raw;
    const baleen_status status = TryLoad(Source(GetParam()), &raw, options);
    if (status != BALEEN_OK) {  // Not on this processor.
      EXPECT_NE(std::string(isa), "");
      continue;
    }
    const Model packed = Load(packed_path, options);
    // The references are slow; the others read many rows at once as well.
    const uint32_t size = std::string(isa) == "reference" ? 5 : 40;
    for (const baleen_mode mode : {BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE}) {
      EXPECT_EQ(Logits(packed, mode, size), Logits(raw, mode, size))
          << "isa " << isa << ", mode " << mode;
    }
  }
}

TEST_P(PackedModelTest, IsTheSameHoweverManyThreadsPack) {
  const std::string first = Pack(GetParam());
  std::ifstream file(first, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const Context one = MakeContext(1);
  EXPECT_OK(baleen_model_pack(one.get(), Source(GetParam()).c_str(),
                              Packed().c_str(), nullptr, &last_error));
  std::ifstream again(first, std::ios::binary);
  EXPECT_TRUE(bytes ==
              std::string((std::istreambuf_iterator<char>(again)), {}));
}

INSTANTIATE_TEST_SUITE_P(Models, PackedModelTest,
                         testing::Values("pocket", "tiny_v4",
                                         "tiny_v4_dspark"));

TEST_F(PackedTest, CarriesTextDefaultsAndTheEncoder) {
  const Model raw = Load(Source("pocket"));
  const Model packed = Load(Pack("pocket"));
  EXPECT_EQ(FileCount(), 1u);
  baleen_model_info infos[2] = {};
  int i = 0;
  for (const Model* model : {&raw, &packed}) {
    infos[i].struct_size = sizeof infos[i];
    EXPECT_OK(baleen_model_get_info(model->get(), &infos[i], &last_error));
    ++i;
  }
  EXPECT_EQ(std::memcmp(&infos[0], &infos[1], sizeof infos[0]), 0);
  EXPECT_STREQ(baleen_model_metadata(packed.get(), "rope_theta"),
               baleen_model_metadata(raw.get(), "rope_theta"));
  const std::string text = "Call me Ishmael. \u4f60\u597d";
  EXPECT_EQ(Tokenize(packed.get(), text), Tokenize(raw.get(), text));
  const Model words = Load(Packed(), Options("", BALEEN_MODEL_TOKENIZER_ONLY));
  EXPECT_EQ(Tokenize(words.get(), text), Tokenize(raw.get(), text));
  // Samples by the defaults of generation_config.json.
  std::vector<Tokens> written;
  for (const Model* model : {&raw, &packed}) {
    const Session session =
        MakeSession(model->get(), SessionOptions(BALEEN_MODE_FAST, 7));
    Append(session, Tokenize(model->get(), text));
    written.push_back(
        Generate(session, 20,
                 baleen_sampling{sizeof(baleen_sampling), 0, 0, 0, 0, 0, 0, 0,
                                 0, 0, nullptr, nullptr, nullptr}));
  }
  EXPECT_EQ(written[0], written[1]);
}

TEST_F(PackedTest, LoadsStatesThatTheRawModelSaved) {
  const Model raw = Load(Source("pocket"));
  const Model packed = Load(Pack("pocket"));
  const Session from = MakeSession(raw.get(), SessionOptions(BALEEN_MODE_FAST));
  Append(from, LongPrompt(40));
  size_t size = 0;
  baleen_session_save(from.get(), nullptr, nullptr, 0, &size, nullptr);
  std::vector<char> state(size);
  EXPECT_OK(baleen_session_save(from.get(), nullptr, state.data(), size, &size,
                                &last_error));
  const Session to =
      MakeSession(packed.get(), SessionOptions(BALEEN_MODE_FAST));
  EXPECT_OK(
      baleen_session_load(to.get(), state.data(), state.size(), &last_error));
  EXPECT_EQ(Generate(to, 10), Generate(from, 10));
}

TEST_F(PackedTest, IsMappedAndPlannedToTheByte) {
  const std::string path = Pack("pocket");
  const uint64_t size = fs::file_size(path);
  for (const uint32_t flags : {uint32_t{0}, uint32_t{BALEEN_MODEL_SHAPES_ONLY},
                               uint32_t{BALEEN_MODEL_REPACK}}) {
    const Options options("", flags);
    baleen_memory_plan plan = {};
    plan.struct_size = sizeof plan;
    EXPECT_OK(baleen_context_plan(context_.get(), path.c_str(), &options.raw,
                                  nullptr, &plan, &last_error));
    EXPECT_EQ(plan.weights_mapped, size) << flags;
    EXPECT_EQ(plan.weights_host, 0u) << flags;
  }
}

TEST_F(PackedTest, WhatWasChangedIsFoundWhenAsked) {
  const std::string path = Pack("pocket");
  Model model;
  EXPECT_OK(TryLoad(path, &model, Options("", BALEEN_MODEL_VERIFY)));
  model.reset();
  // The last byte is one of the head's, in the last part.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-1, std::ios::end);
  const char last = static_cast<char>(file.get());
  file.seekp(-1, std::ios::end);
  file.put(static_cast<char>(last ^ 1));
  file.close();
  EXPECT_OK(TryLoad(path, &model));
  EXPECT_EQ(TryLoad(path, &model, Options("", BALEEN_MODEL_VERIFY)),
            BALEEN_CORRUPT);
  EXPECT_NE(std::string(last_error.message).find("was changed"),
            std::string::npos)
      << last_error.message;
}

TEST_F(PackedTest, SaysWhatIsNoPackedModel) {
  const std::string other = (folder_ / "other").string();
  std::ofstream(other) << "{}";
  Model model;
  EXPECT_EQ(TryLoad(other, &model), BALEEN_CORRUPT);
  EXPECT_NE(std::string(last_error.message).find("neither a folder"),
            std::string::npos)
      << last_error.message;
  const std::string path = Pack("tiny_v4");
  EXPECT_EQ(baleen_model_pack(context_.get(), path.c_str(), other.c_str(),
                              nullptr, &last_error),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(last_error.message).find("packed already"),
            std::string::npos)
      << last_error.message;
}

int32_t CancelLate(void* calls, uint64_t done, uint64_t total) {
  EXPECT_LE(done, total);
  return --*static_cast<int*>(calls) == 0 ? 1 : 0;
}

TEST_F(PackedTest, ACancelLeavesNothing) {
  for (int calls = 1; calls <= 2; ++calls) {
    int left = calls;
    Options options;
    options.raw.progress = CancelLate;
    options.raw.progress_user_data = &left;
    EXPECT_EQ(baleen_model_pack(context_.get(), Source("pocket").c_str(),
                                Packed().c_str(), &options.raw, &last_error),
              BALEEN_CANCELLED);
    EXPECT_EQ(FileCount(), 0u);
  }
}

TEST_F(PackedTest, TwoWritersOfOnePathDoNotMeet) {
  const auto pack = [this] {
    const Context own = MakeContext(1);
    baleen_error error;
    EXPECT_EQ(baleen_model_pack(own.get(), Source("pocket").c_str(),
                                Packed().c_str(), nullptr, &error),
              BALEEN_OK);
  };
  std::thread other(pack);
  pack();
  other.join();
  EXPECT_EQ(FileCount(), 1u);
  Load(Packed(), Options("", BALEEN_MODEL_VERIFY));
}

TEST_F(PackedTest, AFolderThatIsNotThereIsNamed) {
  EXPECT_EQ(baleen_model_pack(context_.get(), "/no/such/model",
                              Packed().c_str(), nullptr, &last_error),
            BALEEN_NOT_FOUND);
  EXPECT_NE(std::string(last_error.message).find("/no/such/model"),
            std::string::npos);
  EXPECT_EQ(baleen_model_pack(context_.get(), Source("pocket").c_str(),
                              "/no/such/folder/model", nullptr, &last_error),
            BALEEN_IO);
  EXPECT_NE(std::string(last_error.message).find("/no/such/folder/model"),
            std::string::npos);
}

}  // namespace
}  // namespace baleen_test
