// A hostile config.json.  Whatever is accepted must be safe to plan with: the
// totals of its weights add up.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"
#include "models/deepseek_v4/weights.h"

namespace {

using baleen::deepseek_v4::Drafter;

// The limits allow 2^20 experts, which would take a second and 300 MB.
constexpr int64_t kMostExperts = 4096;

void Check(bool holds) {
  if (!holds) std::abort();
}

void CheckWeights(const baleen::deepseek_v4::Config& config, Drafter drafter,
                  baleen::Memory* memory) {
  const auto weights =
      baleen::deepseek_v4::ImagineWeights(config, drafter, memory);
  if (!weights.ok()) return;
  uint64_t sum = 0;
  for (const uint64_t bytes : weights->bytes_by_part) sum += bytes;
  Check(sum == weights->byte_count);
  Check(weights->parameter_count > 0);
  Check(weights->layers.size() == static_cast<size_t>(config.layers));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  baleen::HostMemory memory(nullptr);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document =
      baleen::JsonDocument::Parse(text, "config.json", &memory);
  if (!document.ok()) return 0;
  const auto config = baleen::deepseek_v4::ParseConfig(document->root(),
                                                       "config.json", &memory);
  if (!config.ok()) {
    Check(config.status().message()[0] != '\0');
    return 0;
  }
  Check(config->ratios.size() >= static_cast<size_t>(config->layers));
  if (int64_t{config->layers} * config->experts > kMostExperts) return 0;
  for (Drafter drafter : {Drafter::kNone, Drafter::kMtp, Drafter::kDspark}) {
    CheckWeights(*config, drafter, &memory);
  }
  return 0;
}
