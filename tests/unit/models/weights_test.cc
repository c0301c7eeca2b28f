// The walk over a model's tensors: exact totals of the published checkpoints, and
// a message that names whatever tensor is missing or of another type or shape.
#include "models/deepseek_v4/weights.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/load/make_sparse_checkpoint.h"
#include "unit/failing_memory.h"
#include "unit/format/safetensors_text.h"
#include "unit/memory_files.h"

namespace baleen::deepseek_v4 {
namespace {

using nlohmann::json;

constexpr char kSingle[] = "m/model.safetensors";

std::string ReadTestFile(const std::string& name) {
  std::ifstream in(BALEEN_TEST_DATA "/" + name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Config MustParse(const std::string& text, Memory* memory) {
  const Result<JsonDocument> document =
      JsonDocument::Parse(text, "config.json", memory);
  EXPECT_TRUE(document.ok());
  Result<Config> config = ParseConfig(document->root(), "config.json", memory);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return *std::move(config);
}

// Every tensor of the weights, in a fixed order.
std::vector<const Tensor*> List(const Weights& weights) {
  std::vector<const Tensor*> all;
  const auto add = [&](std::initializer_list<const Tensor*> tensors) {
    all.insert(all.end(), tensors);
  };
  const auto hyper = [&](const HyperWeights& h) {
    add({&h.fn, &h.base, &h.scale});
  };
  const auto compressor = [&](const CompressorWeights& c) {
    add({&c.ape, &c.wkv, &c.wgate, &c.norm});
  };
  const auto expert = [&](const ExpertWeights& e) {
    add({&e.w1, &e.w3, &e.w2});
  };
  const auto layer = [&](const LayerWeights& l) {
    const AttentionWeights& a = l.attention;
    hyper(l.attention_hyper);
    add({&a.norm, &a.sink, &a.wq_a, &a.q_norm, &a.wq_b, &a.wkv, &a.kv_norm,
         &a.wo_a, &a.wo_b, &a.indexer.wq_b, &a.indexer.weights_proj});
    compressor(a.compressor);
    compressor(a.indexer.compressor);
    hyper(l.moe_hyper);
    add({&l.moe.norm, &l.moe.gate, &l.moe.bias, &l.moe.table});
    for (const ExpertWeights& e : l.moe.experts) expert(e);
    expert(l.moe.shared);
  };
  add({&weights.embed, &weights.norm, &weights.head});
  hyper(weights.head_hyper);
  for (const LayerWeights& l : weights.layers) layer(l);
  for (const MtpWeights& m : weights.mtp) {
    add({&m.enorm, &m.hnorm, &m.e_proj, &m.h_proj, &m.norm});
    layer(m.layer);
    hyper(m.head_hyper);
  }
  for (const DsparkWeights& d : weights.dspark) {
    add({&d.main_proj, &d.main_norm, &d.norm, &d.markov_w1, &d.markov_w2,
         &d.confidence});
    for (const LayerWeights& l : d.stages) layer(l);
    hyper(d.head_hyper);
  }
  return all;
}

// Everything but the data.
void ExpectSameShapes(const Weights& a, const Weights& b) {
  EXPECT_EQ(a.tensor_count, b.tensor_count);
  EXPECT_EQ(a.byte_count, b.byte_count);
  EXPECT_EQ(a.parameter_count, b.parameter_count);
  EXPECT_EQ(a.drafter, b.drafter);
  uint64_t sum = 0;
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(a.bytes_by_part[i], b.bytes_by_part[i]) << i;
    sum += a.bytes_by_part[i];
  }
  EXPECT_EQ(sum, a.byte_count);
  const auto first = List(a);
  const auto second = List(b);
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    Tensor x = *first[i];
    Tensor y = *second[i];
    x.data = y.data = x.scales = y.scales = nullptr;
    EXPECT_EQ(std::memcmp(&x, &y, sizeof x), 0) << i;
  }
}

// A checkpoint whose header is edited before it is opened.
class WeightsTest : public ::testing::Test {
 protected:
  void Load(const std::string& name) {
    const std::string file = ReadTestFile(name + "/model.safetensors");
    uint64_t size = 0;
    std::memcpy(&size, file.data(), sizeof size);
    header_ = json::parse(file.substr(8, size));
    data_ = file.substr(8 + size);
    config_text_ = ReadTestFile(name + "/config.json");
  }

  Result<Weights> Find() {
    std::string header = header_.dump();
    header.resize((header.size() + 7) / 8 * 8, ' ');
    checkpoint_.reset();
    hooks_[kSingle] = Safetensors(header, data_);
    files_.emplace(hooks_.hooks(), &memory_);
    Result<Checkpoint> opened = Checkpoint::Open(*files_, "m");
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    checkpoint_.emplace(*std::move(opened));
    config_.emplace(MustParse(config_text_, &memory_));
    return FindWeights(*checkpoint_, &*config_, &memory_);
  }

  // With all of these in the message.
  void ExpectRefused(const std::vector<std::string>& parts) {
    const Status status = Find().status();
    EXPECT_EQ(status.code(), BALEEN_CORRUPT);
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(status.message()).find(part), std::string::npos)
          << "no \"" << part << "\" in: " << status.message();
    }
  }

  void Rename(const std::string& from, const std::string& to) {
    header_[to] = header_.at(from);
    header_.erase(from);
  }

  // Replaces a tensor's bytes, by some of another size at the end; what was
  // there stays, under a name that nobody asks for.
  void Replace(const std::string& name, const char* type, const json& shape,
               size_t bytes) {
    Rename(name, "unused." + name);
    header_[name] = {{"dtype", type},
                     {"shape", shape},
                     {"data_offsets", {data_.size(), data_.size() + bytes}}};
    data_.append(bytes, '\1');
  }

  HostMemory memory_{nullptr};
  json header_;
  std::string data_;
  std::string config_text_;
  MemoryFiles hooks_;
  std::optional<FileSystem> files_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<Config> config_;
};

TEST_F(WeightsTest, FindsTheBundledCheckpoints) {
  const struct {
    const char* name;
    Drafter drafter;
    uint64_t tensors;
    uint64_t bytes;
  } kCheckpoints[] = {{"pocket", Drafter::kMtp, 427, 11937996},
                      {"tiny_v4", Drafter::kMtp, 427, 11667748},
                      {"tiny_v4_dspark", Drafter::kDspark, 493, 7684699}};
  for (const auto& expected : kCheckpoints) {
    SCOPED_TRACE(expected.name);
    Load(expected.name);
    const Result<Weights> weights = Find();
    ASSERT_TRUE(weights.ok()) << weights.status().message();
    EXPECT_EQ(weights->drafter, expected.drafter);
    EXPECT_EQ(weights->tensor_count, expected.tensors);
    EXPECT_EQ(weights->byte_count, expected.bytes);
    EXPECT_EQ(weights->unused_count, 0u);
    EXPECT_EQ(config_->expert_type, ExpertType::kFp4);
    const Result<Weights> imagined =
        ImagineWeights(*config_, expected.drafter, &memory_);
    ASSERT_TRUE(imagined.ok()) << imagined.status().message();
    ExpectSameShapes(*weights, *imagined);
    for (const Tensor* tensor : List(*weights)) {
      EXPECT_EQ(tensor->data != nullptr, tensor->rank > 0);
      EXPECT_EQ(tensor->scales != nullptr, tensor->block_columns > 0);
    }
    for (const Tensor* tensor : List(*imagined)) {
      EXPECT_EQ(tensor->data, nullptr);
      EXPECT_EQ(tensor->scales, nullptr);
    }
  }
}

TEST_F(WeightsTest, TensorsSayHowTheyAreStored) {
  Load("tiny_v4");
  const Result<Weights> weights = Find();
  ASSERT_TRUE(weights.ok());
  ASSERT_EQ(weights->layers.size(), 4u);

  const Tensor& wq_b = weights->layers[1].attention.wq_b;
  EXPECT_EQ(wq_b.type, BALEEN_TYPE_F8_E4M3);
  EXPECT_EQ(wq_b.rank, 2u);
  EXPECT_EQ(wq_b.size[0], 2048);
  EXPECT_EQ(wq_b.size[1], 128);
  EXPECT_EQ(wq_b.stride[0], 128);
  EXPECT_EQ(wq_b.stride[1], 1);
  EXPECT_EQ(wq_b.scale_type, BALEEN_TYPE_E8M0);
  EXPECT_EQ(wq_b.block_rows, 128u);
  EXPECT_EQ(wq_b.block_columns, 128u);
  EXPECT_EQ(wq_b.data, checkpoint_->Find("layers.1.attn.wq_b.weight")->data);
  EXPECT_EQ(wq_b.scales, checkpoint_->Find("layers.1.attn.wq_b.scale")->data);

  // Packed: elements, not bytes.
  const Tensor& w2 = weights->layers[3].moe.experts[5].w2;
  EXPECT_EQ(w2.type, BALEEN_TYPE_F4_E2M1);
  EXPECT_EQ(w2.size[0], 256);
  EXPECT_EQ(w2.size[1], 128);
  EXPECT_EQ(w2.stride[0], 128);
  EXPECT_EQ(w2.scale_type, BALEEN_TYPE_E8M0);
  EXPECT_EQ(w2.block_rows, 1u);
  EXPECT_EQ(w2.block_columns, 32u);
  EXPECT_EQ(w2.data,
            checkpoint_->Find("layers.3.ffn.experts.5.w2.weight")->data);

  const Tensor& table = weights->layers[0].moe.table;
  EXPECT_EQ(table.type, BALEEN_TYPE_I64);
  EXPECT_EQ(table.size[0], 512);
  EXPECT_EQ(table.size[1], 3);
  EXPECT_EQ(table.scales, nullptr);
  EXPECT_EQ(weights->layers[0].moe.bias.data, nullptr);
  EXPECT_EQ(weights->layers[2].moe.table.data, nullptr);
  EXPECT_EQ(weights->layers[2].moe.bias.type, BALEEN_TYPE_F32);
  EXPECT_EQ(weights->layers[2].moe.bias.rank, 1u);
  EXPECT_EQ(weights->layers[2].moe.bias.stride[0], 1);

  // Ratios 0, 4, 128, 4.
  EXPECT_EQ(weights->layers[0].attention.compressor.wkv.data, nullptr);
  EXPECT_EQ(weights->layers[1].attention.compressor.wkv.size[0], 1024);
  EXPECT_EQ(weights->layers[2].attention.compressor.wkv.size[0], 512);
  EXPECT_NE(weights->layers[1].attention.indexer.wq_b.data, nullptr);
  EXPECT_EQ(weights->layers[2].attention.indexer.wq_b.data, nullptr);
  EXPECT_TRUE(weights->layers[1].hash_routed);
  EXPECT_FALSE(weights->layers[2].hash_routed);
  EXPECT_EQ(weights->mtp[0].layer.ratio, 0);
}

// Names of tensors that stand for all: every kind, experts once.
std::vector<std::string> Kinds(const json& header) {
  std::vector<std::string> names;
  for (const auto& [name, value] : header.items()) {
    const size_t expert = name.find(".experts.");
    if (expert == std::string::npos || name[expert + 9] == '0') {
      names.push_back(name);
    }
  }
  return names;
}

TEST_F(WeightsTest, NamesEveryTensorThatIsMissing) {
  for (const char* checkpoint : {"tiny_v4", "tiny_v4_dspark"}) {
    Load(checkpoint);
    const json good = header_;
    for (const std::string& name : Kinds(good)) {
      header_ = good;
      Rename(name, "unused");
      // Without these there is no drafter, and a block more or less is one of
      // another size.
      if (name == "mtp.0.e_proj.weight" || name == "mtp.0.main_proj.weight") {
        const Result<Weights> weights = Find();
        ASSERT_TRUE(weights.ok()) << weights.status().message();
        EXPECT_EQ(weights->drafter, Drafter::kNone);
        EXPECT_EQ(config_->ratios.size(), static_cast<size_t>(config_->layers));
        EXPECT_GT(weights->unused_count, 50u);
      } else if (name == "mtp.1.attn_norm.weight") {
        ExpectRefused({"no tensor mtp.0.markov_head.markov_w1.weight"});
      } else if (name == "mtp.2.attn_norm.weight") {
        ExpectRefused({"no tensor mtp.1.markov_head.markov_w1.weight"});
      } else {
        ExpectRefused({"no tensor " + name + ", which should be " +
                       good[name]["dtype"].get<std::string>() + " ["});
      }
    }
  }
}

TEST_F(WeightsTest, NamesEveryTensorOfAnotherType) {
  // Types of the same size.
  const std::map<std::string, std::string> kOther = {
      {"BF16", "F16"}, {"F32", "U32"},         {"I64", "U64"},
      {"I8", "U8"},    {"F8_E4M3", "F8_E5M2"}, {"F8_E8M0", "U8"}};
  for (const char* checkpoint : {"tiny_v4", "tiny_v4_dspark"}) {
    Load(checkpoint);
    const json good = header_;
    for (const std::string& name : Kinds(good)) {
      header_ = good;
      const std::string type = good[name]["dtype"].get<std::string>();
      header_[name]["dtype"] = kOther.at(type);
      ExpectRefused({"tensor " + name + " is " + kOther.at(type) + " [",
                     ", but should be " + type});
    }
  }
}

TEST_F(WeightsTest, NamesEveryTensorOfAnotherShape) {
  for (const char* checkpoint : {"tiny_v4", "tiny_v4_dspark"}) {
    Load(checkpoint);
    const json good = header_;
    for (const std::string& name : Kinds(good)) {
      header_ = good;
      json& shape = header_[name]["shape"];
      if (shape.size() == 2 && shape[0] != shape[1]) {
        std::swap(shape[0], shape[1]);
      } else {
        shape.push_back(1);
      }
      ExpectRefused({"tensor " + name + " is ", ", but should be "});
    }
  }
}

TEST_F(WeightsTest, ExpertTypeComesFromTheTensorsIfTheConfigIsSilent) {
  Load("tiny_v4");
  json config = json::parse(config_text_);
  config.erase("expert_dtype");
  config_text_ = config.dump();
  ASSERT_TRUE(Find().ok());
  EXPECT_EQ(config_->expert_type, ExpertType::kFp4);
  // If it speaks, it must be right.
  config["expert_dtype"] = "fp8";
  config_text_ = config.dump();
  ExpectRefused(
      {"tensor layers.0.ffn.experts.0.w1.weight is I8 [128, 128], but should "
       "be F8_E4M3 [128, 256] (in m/model.safetensors)"});
}

TEST_F(WeightsTest, TakesWhatConvertersWrite) {
  Load("tiny_v4");
  // A prefix of all names.
  const json good = header_;
  header_ = json::object();
  for (const auto& [name, value] : good.items()) {
    header_["model." + name] = value;
  }
  Result<Weights> weights = Find();
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  EXPECT_EQ(weights->tensor_count, 427u);
  EXPECT_EQ(weights->unused_count, 0u);

  // wo_a in BF16 without scales; the hash table in I32.
  header_ = good;
  Replace("layers.1.attn.wo_a.weight", "BF16", {256, 1024}, 256 * 1024 * 2);
  Rename("layers.1.attn.wo_a.scale", "unused.scale");
  Replace("layers.0.ffn.gate.tid2eid", "I32", {512, 3}, 512 * 3 * 4);
  weights = Find();
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  const Tensor& wo_a = weights->layers[1].attention.wo_a;
  EXPECT_EQ(wo_a.type, BALEEN_TYPE_BF16);
  EXPECT_EQ(wo_a.scales, nullptr);
  EXPECT_EQ(wo_a.block_columns, 0u);
  EXPECT_EQ(weights->layers[0].moe.table.type, BALEEN_TYPE_I32);
  EXPECT_EQ(weights->unused_count, 3u);
}

TEST_F(WeightsTest, ScalesMayBeF32) {
  Load("tiny_v4");
  Replace("layers.0.attn.wq_b.scale", "F32", {16, 1}, 16 * 4);
  const Result<Weights> weights = Find();
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  const Tensor& wq_b = weights->layers[0].attention.wq_b;
  EXPECT_EQ(wq_b.scale_type, BALEEN_TYPE_F32);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(wq_b.scales) % sizeof(float), 0u);
}

TEST_F(WeightsTest, CountsDrafterBlocksInTheCheckpoint) {
  Load("tiny_v4_dspark");
  json config = json::parse(config_text_);
  config["compress_ratios"] = {0, 4, 128};
  config["num_nextn_predict_layers"] = 1;
  config_text_ = config.dump();
  const Result<Weights> weights = Find();
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  EXPECT_EQ(weights->dspark[0].stages.size(), 3u);
  ASSERT_EQ(config_->ratios.size(), 6u);
  EXPECT_EQ(config_->ratios[5], 0);
  config.erase("dspark_markov_rank");
  config_text_ = config.dump();
  ExpectRefused({"lacks dspark_block_size, dspark_markov_rank"});
}

TEST_F(WeightsTest, EveryFailingAllocationLeavesNothing) {
  Load("tiny_v4_dspark");
  ASSERT_TRUE(Find().ok());
  bool failed = true;
  int64_t k = 1;
  for (; failed; ++k) {
    Config config = MustParse(config_text_, &memory_);
    FailingMemory memory(k);
    failed = false;
    try {
      EXPECT_TRUE(FindWeights(*checkpoint_, &config, &memory).ok());
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    EXPECT_EQ(memory.outstanding(), 0);
  }
  EXPECT_GT(k, 6);
}

// Totals of model.md §2.1, those of the Base checkpoints counted from their
// tensor patterns.
TEST_F(WeightsTest, ImaginesTheReleasesToTheByte) {
  const struct {
    const char* config;
    const char* changes;
    Drafter drafter;
    uint64_t tensors;
    uint64_t bytes;
  } kReleases[] = {
      {"Flash", "{}", Drafter::kMtp, 69187, 159609485896},
      {"Pro", "{}", Drafter::kMtp, 145116, 864704792696},
      {"Flash", R"({"expert_dtype":"fp8"})", Drafter::kMtp, 69187,
       292555345480},
      {"Pro", R"({"expert_dtype":"fp8"})", Drafter::kMtp, 145116,
       1602325824632},
      {"Flash-0731-REAP160", R"({"n_routed_experts":256})", Drafter::kDspark,
       72317, 166878536440},
      {"Pro",
       R"({"dspark_block_size":5,"dspark_noise_token_id":128799,)"
       R"("dspark_target_layer_ids":[58,59,60],"dspark_markov_rank":512})",
       Drafter::kDspark, 149782, 892727580904}};
  for (const auto& release : kReleases) {
    json config = json::parse(ReadTestFile(std::string("configs/DeepSeek-V4-") +
                                           release.config + ".config.json"));
    config.update(json::parse(release.changes));
    const Result<Weights> weights = ImagineWeights(
        MustParse(config.dump(), &memory_), release.drafter, &memory_);
    ASSERT_TRUE(weights.ok()) << weights.status().message();
    EXPECT_EQ(weights->tensor_count, release.tensors);
    EXPECT_EQ(weights->byte_count, release.bytes);
  }
}

// The published files' names, types, shapes and shards, with holes for data.
TEST(PublishedCheckpointTest, FindsEveryTensor) {
  const struct {
    const char* patterns;
    const char* config;
    uint64_t files;
    uint64_t tensors;
    uint64_t bytes;
    uint64_t parameters;
    ExpertType expert_type;
  } kReleases[] = {
      {"Flash", "Flash", 46, 69187, 159609485896, 290942289362,
       ExpertType::kFp4},
      {"Flash-Base", "Flash", 46, 69187, 292555345480, 290942289362,
       ExpertType::kFp8},
      {"Pro", "Pro", 64, 145116, 864704792696, 1598837347742, ExpertType::kFp4},
      {"Pro-Base", "Pro", 64, 145116, 1602325824632, 1598837347742,
       ExpertType::kFp8}};
  HostMemory memory(nullptr);
  const FileSystem files(nullptr, &memory);
  const std::string data = BALEEN_TEST_DATA "/configs/DeepSeek-V4-";
  for (const auto& release : kReleases) {
    SCOPED_TRACE(release.patterns);
    const TemporaryFolder folder;
    MakeSparseCheckpoint(data + release.patterns + ".tensor_patterns.json",
                         data + release.config + ".config.json", folder.path());
    // Neither Base checkpoint's own config.json is at hand.
    json config_json = json::parse(ReadTestFile(
        std::string("configs/DeepSeek-V4-") + release.config + ".config.json"));
    config_json.erase("expert_dtype");
    Config config = MustParse(config_json.dump(), &memory);
    const Result<Checkpoint> opened = Checkpoint::Open(files, folder.path());
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    EXPECT_EQ(opened->file_count(), release.files);
    EXPECT_EQ(opened->copied_bytes(), 0u);
    const Result<Weights> weights = FindWeights(*opened, &config, &memory);
    ASSERT_TRUE(weights.ok()) << weights.status().message();
    EXPECT_EQ(weights->tensor_count, release.tensors);
    EXPECT_EQ(weights->byte_count, release.bytes);
    EXPECT_EQ(weights->parameter_count, release.parameters);
    EXPECT_EQ(weights->unused_count, 0u);
    EXPECT_EQ(config.expert_type, release.expert_type);
    const Result<Weights> imagined =
        ImagineWeights(config, Drafter::kMtp, &memory);
    ASSERT_TRUE(imagined.ok());
    ExpectSameShapes(*weights, *imagined);
  }
}

}  // namespace
}  // namespace baleen::deepseek_v4
