#include "benchmarks/load/make_sparse_checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

struct Tensor {
  std::string name;
  const char* type;
  uint64_t type_size;
  std::string shape;  // "[1,2]"
  uint64_t byte_count;
};

struct Type {
  const char* name;
  uint64_t size;
};
constexpr Type kTypes[] = {{"I64", 8}, {"F32", 4},     {"BF16", 2},
                           {"I8", 1},  {"F8_E4M3", 1}, {"F8_E8M0", 1}};

const Type& FindType(const std::string& name) {
  for (const Type& type : kTypes) {
    if (name == type.name) return type;
  }
  throw std::runtime_error("no type " + name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in) throw std::runtime_error("cannot read " + path);
  return text;
}

void WriteFile(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

void Replace(std::string* text, const std::string& from, int64_t to) {
  const size_t at = text->find(from);
  if (at != std::string::npos) {
    text->replace(at, from.size(), std::to_string(to));
  }
}

// The tensors of each shard: the embedding, each layer, what follows the
// layers, the drafter (model.md §2.1).
std::vector<std::vector<Tensor>> ListShards(const json& patterns,
                                            const json& config) {
  const auto layers = config.at("num_hidden_layers").get<size_t>();
  const auto experts = config.at("n_routed_experts").get<int64_t>();
  std::vector<std::vector<Tensor>> shards(layers + 3);
  for (const json& pattern : patterns) {
    const auto name = pattern.at("name").get<std::string>();
    const Type& type = FindType(pattern.at("dtype").get<std::string>());
    uint64_t bytes = type.size;
    for (const json& size : pattern.at("shape")) bytes *= size.get<uint64_t>();
    const Tensor tensor = {name, type.name, type.size,
                           pattern.at("shape").dump(), bytes};
    for (const json& value : pattern.at("layers")) {
      const auto layer = value.get<int64_t>();
      const size_t shard = layer >= 0                 ? size_t(layer) + 1
                           : name == "embed.weight"   ? 0
                           : name.starts_with("mtp.") ? layers + 2
                                                      : layers + 1;
      const bool each = name.find("{E}") != std::string::npos;
      for (int64_t expert = 0; expert < (each ? experts : 1); ++expert) {
        Tensor& added = shards[shard].emplace_back(tensor);
        Replace(&added.name, "{L}", layer);
        Replace(&added.name, "{E}", expert);
      }
    }
  }
  return shards;
}

// Widest types first, as the format's own writer orders them, so that all lie
// aligned.
void WriteShard(std::vector<Tensor> tensors, const fs::path& path,
                SparseCheckpoint* totals) {
  std::sort(tensors.begin(), tensors.end(),
            [](const Tensor& a, const Tensor& b) {
              if (a.type_size != b.type_size) return a.type_size > b.type_size;
              return a.name < b.name;
            });
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}";
  uint64_t at = 0;
  for (const Tensor& tensor : tensors) {
    header += ",\"" + tensor.name + "\":{\"dtype\":\"" + tensor.type +
              "\",\"shape\":" + tensor.shape + ",\"data_offsets\":[" +
              std::to_string(at) + "," +
              std::to_string(at + tensor.byte_count) + "]}";
    at += tensor.byte_count;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string file;
  for (int i = 0; i < 8; ++i) {
    file += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  }
  file += header;
  WriteFile(path, file);
  fs::resize_file(path, file.size() + at);
  totals->file_count += 1;
  totals->tensor_count += tensors.size();
  totals->byte_count += at;
}

}  // namespace

SparseCheckpoint MakeSparseCheckpoint(const std::string& patterns,
                                      const std::string& config,
                                      const std::string& folder) {
  const std::string config_text = ReadFile(config);
  const auto shards =
      ListShards(json::parse(ReadFile(patterns)), json::parse(config_text));
  SparseCheckpoint totals;
  std::vector<std::pair<std::string, std::string>> map;
  for (size_t i = 0; i < shards.size(); ++i) {
    char name[64];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1,
                  shards.size());
    WriteShard(shards[i], fs::path(folder) / name, &totals);
    for (const Tensor& tensor : shards[i]) map.emplace_back(tensor.name, name);
  }
  std::sort(map.begin(), map.end());
  std::string index = "{\n  \"metadata\": {\n    \"total_size\": " +
                      std::to_string(totals.byte_count) +
                      "\n  },\n  \"weight_map\": {";
  for (const auto& [tensor, file] : map) {
    index += (index.back() == '{' ? "\n    \"" : ",\n    \"") + tensor +
             "\": \"" + file + "\"";
  }
  index += "\n  }\n}\n";
  WriteFile(fs::path(folder) / "model.safetensors.index.json", index);
  WriteFile(fs::path(folder) / "config.json", config_text);
  return totals;
}

TemporaryFolder::TemporaryFolder() {
  path_ = (fs::temp_directory_path() / "baleen-XXXXXX").string();
  if (mkdtemp(path_.data()) == nullptr) {
    throw std::runtime_error("cannot make " + path_);
  }
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}
