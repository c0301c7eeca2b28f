#include "benchmarks/slice/shards.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "base/json.h"
#include "format/safetensors.h"
#include "models/deepseek_v4/weights.h"

namespace baleen::slice {
namespace {

constexpr uint64_t kShardBytes = uint64_t{4} << 30;

deepseek_v4::Config Parse(const std::string& text, Memory* memory) {
  const auto document = JsonDocument::Parse(text, "config.json", memory);
  if (!document.ok()) throw std::runtime_error(document.status().message());
  auto config =
      deepseek_v4::ParseConfig(document->root(), "config.json", memory);
  if (!config.ok()) throw std::runtime_error(config.status().message());
  return *std::move(config);
}

// Distributes tensors over shards as they are shown.
class Collector final : public deepseek_v4::TensorVisitor {
 public:
  void Visit(const StoredTensor& tensor) override {
    if (shards_.empty() ||
        shards_.back().size + tensor.byte_count > kShardBytes) {
      shards_.emplace_back();
    }
    Shard& shard = shards_.back();
    Place place = {std::string(tensor.name), tensor, before_, 0};
    place.tensor.name = {};  // Lent for this call.
    shard.size += tensor.byte_count;
    before_ = place.tensor;
    shard.places.push_back(std::move(place));
  }
  std::vector<Shard>& shards() { return shards_; }

 private:
  StoredTensor before_;
  std::vector<Shard> shards_;
};

// Widest types first, as the format's own writer orders them, so that all lie
// aligned.
void Arrange(std::vector<Place>* places) {
  std::sort(places->begin(), places->end(), [](const Place& a, const Place& b) {
    const uint32_t a_bits = StoredTypeBits(a.tensor.type);
    const uint32_t b_bits = StoredTypeBits(b.tensor.type);
    return a_bits != b_bits ? a_bits > b_bits : a.name < b.name;
  });
}

std::string ShapeText(const StoredTensor& tensor) {
  std::string text = "[";
  for (int32_t i = 0; i < tensor.rank; ++i) {
    text += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
  }
  return text + "]";
}

void WriteHeader(Shard* shard) {
  std::string json = "{\"__metadata__\":{\"format\":\"pt\"}";
  uint64_t at = 0;
  for (Place& place : shard->places) {
    const uint64_t end = at + place.tensor.byte_count;
    json += ",\"" + place.name + "\":{\"dtype\":\"" +
            StoredTypeName(place.tensor.type) +
            "\",\"shape\":" + ShapeText(place.tensor) + ",\"data_offsets\":[" +
            std::to_string(at) + "," + std::to_string(end) + "]}";
    place.offset = at;
    at = end;
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  for (int i = 0; i < 8; ++i) {
    shard->header += static_cast<char>(json.size() >> (8 * i) & 0xFF);
  }
  shard->header += json;
  for (Place& place : shard->places) place.offset += shard->header.size();
  shard->size = shard->header.size() + at;
}

}  // namespace

std::vector<Shard> PlanShards(const std::string& config) {
  HostMemory memory(nullptr);
  Collector collector;
  const auto weights = deepseek_v4::ImagineWeights(
      Parse(config, &memory), deepseek_v4::Drafter::kNone, &memory, &collector);
  if (!weights.ok()) throw std::runtime_error(weights.status().message());
  std::vector<Shard> shards = std::move(collector.shards());
  for (size_t i = 0; i < shards.size(); ++i) {
    char name[64];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1,
                  shards.size());
    shards[i].file = name;
    Arrange(&shards[i].places);
    WriteHeader(&shards[i]);
  }
  return shards;
}

std::string IndexOf(const std::vector<Shard>& shards) {
  uint64_t bytes = 0;
  std::string map;
  for (const Shard& shard : shards) {
    bytes += shard.size - shard.header.size();
    for (const Place& place : shard.places) {
      map += (map.empty() ? "\n    \"" : ",\n    \"") + place.name + "\": \"" +
             shard.file + "\"";
    }
  }
  return "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(bytes) +
         "\n  },\n  \"weight_map\": {" + map + "\n  }\n}\n";
}

int64_t ExpertCount(const std::string& config) {
  HostMemory memory(nullptr);
  return Parse(config, &memory).experts;
}

}  // namespace baleen::slice
