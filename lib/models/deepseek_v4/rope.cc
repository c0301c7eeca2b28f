#include "models/deepseek_v4/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>

namespace baleen::deepseek_v4 {
namespace {

// The frequencies of all published models.  They are powers in float32, which
// differ by a unit in the last place from one library to the next (here 2 and 6
// of 32 from the nearest number); these are those of the reference's own table.
constexpr int32_t kPublishedRopeSize = 64;
constexpr float kWindowFrequencies[] = {
    0x1p0f,          0x1.7ff222p-1f,  0x1.1feb34p-1f,  0x1.afd136p-2f,
    0x1.43d136p-2f,  0x1.e5a84ap-3f,  0x1.6c310ep-3f,  0x1.111aeep-3f,
    0x1.99999ap-4f,  0x1.33281ap-4f,  0x1.ccab84p-5f,  0x1.59742ap-5f,
    0x1.030dc6p-5f,  0x1.84869ep-6f,  0x1.235a72p-6f,  0x1.b4f7e4p-7f,
    0x1.47ae14p-7f,  0x1.eb736p-8f,   0x1.708938p-8f,  0x1.145ceep-8f,
    0x1.9e7c7p-9f,   0x1.36d21ap-9f,  0x1.d22a5p-10f,  0x1.5d931cp-10f,
    0x1.0624dep-10f, 0x1.892918p-11f, 0x1.26d42cp-11f, 0x1.ba2e4ep-12f,
    0x1.4b96cp-12f,  0x1.f1502ap-13f, 0x1.74eea6p-13f, 0x1.17a8e4p-13f};
constexpr float kCompressedFrequencies[] = {
    0x1p0f,          0x1.601474p-1f,  0x1.e4383ep-2f,  0x1.4cfap-2f,
    0x1.c9f25cp-3f,  0x1.3ae8eap-3f,  0x1.b1196cp-4f,  0x1.29d2c6p-4f,
    0x1.99999ap-5f,  0x1.19a9f6p-5f,  0x1.83603p-6f,   0x1.0a619cp-6f,
    0x1.6e5b7ep-7f,  0x1.f7db1p-8f,   0x1.5a7abap-8f,  0x1.dc846ep-9f,
    0x1.28f5c2p-9f,  0x1.6e29cp-10f,  0x1.bd7b6cp-11f, 0x1.0a619cp-11f,
    0x1.37675ep-12f, 0x1.60b2fp-13f,  0x1.7d209ap-14f, 0x1.7d36bcp-15f,
    0x1.47ae18p-16f, 0x1.6887ap-18f,  0x1.efd74cp-19f, 0x1.54f7dp-19f,
    0x1.d4effap-20f, 0x1.4277b8p-20f, 0x1.bb7e6p-21f,  0x1.30f89ap-21f};

// The dimension at which a frequency turns `rotations` times within the
// positions that were trained before YaRN.
double CorrectionDimension(const Config& config, double rotations) {
  return config.rope_size *
         std::log(static_cast<double>(config.rope_original_positions) /
                  (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(config.compress_rope_base));
}

void ApplyYarn(const Config& config, std::span<float> frequencies) {
  const double low = std::max(
      std::floor(CorrectionDimension(config, config.rope_beta_fast)), 0.0);
  const double high =
      std::min(std::ceil(CorrectionDimension(config, config.rope_beta_slow)),
               config.rope_size - 1.0);
  // As the reference: an empty ramp would divide by zero.
  const double width = low == high ? 0.001 : high - low;
  const auto factor = static_cast<float>(config.rope_factor);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float ramp =
        std::clamp((static_cast<float>(i) - static_cast<float>(low)) /
                       static_cast<float>(width),
                   0.0f, 1.0f);
    const float smooth = 1 - ramp;
    const float f = frequencies[i];
    frequencies[i] = f / factor * (1 - smooth) + f * smooth;
  }
}

bool HasPublishedRope(const Config& config, RopeKind kind) {
  if (config.rope_size != kPublishedRopeSize) return false;
  if (kind == RopeKind::kWindow) return config.rope_base == 10000;
  return config.compress_rope_base == 160000 && config.rope_factor == 16 &&
         config.rope_original_positions == 65536 &&
         config.rope_beta_fast == 32 && config.rope_beta_slow == 1;
}

}  // namespace

void RopeFrequencies(const Config& config, RopeKind kind,
                     std::span<float> frequencies) {
  const bool compressed = kind == RopeKind::kCompressed;
  if (HasPublishedRope(config, kind)) {
    const float* from =
        compressed ? kCompressedFrequencies : kWindowFrequencies;
    std::copy(from, from + frequencies.size(), frequencies.begin());
    return;
  }
  const double base = compressed ? config.compress_rope_base : config.rope_base;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent =
        static_cast<float>(2 * i) / static_cast<float>(config.rope_size);
    const auto power =
        static_cast<float>(std::pow(base, static_cast<double>(exponent)));
    frequencies[i] = 1.0f / power;
  }
  if (compressed && config.rope_factor != 1 &&
      config.rope_original_positions > 0) {
    ApplyYarn(config, frequencies);
  }
}

void RopeRow(int64_t position, std::span<const float> frequencies, float* row) {
  const size_t half = frequencies.size();
  for (size_t i = 0; i < half; ++i) {
    const float angle = static_cast<float>(position) * frequencies[i];
    row[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
    row[half + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
  }
}

RopeTables::RopeTables(const Config& config, const Machine* machine)
    : config_(&config), machine_(machine) {
  for (const int32_t ratio : config.ratios) {
    wanted_[ratio == 0 ? 0 : 1] = true;
  }
  SetShape(0);
}

void RopeTables::SetShape(int64_t positions) {
  for (int kind = 0; kind < kRopeKinds; ++kind) {
    for (Tensor& home : homes_[kind].on) {
      void* const data = home.data;
      home =
          MakeTensor(BALEEN_TYPE_F32, {positions, 2, config_->rope_size / 2});
      home.data = data;
    }
  }
}

uint64_t RopeTables::Bytes(Side side, int64_t positions) const {
  const auto one = static_cast<uint64_t>(positions) *
                   static_cast<uint64_t>(config_->rope_size) * sizeof(float);
  const bool taken = side == machine_->cpu_side() || machine_->split();
  uint64_t bytes = 0;
  for (const bool wanted : wanted_) bytes += taken && wanted ? one : 0;
  return bytes;
}

Status RopeTables::Reserve(int64_t positions) {
  if (positions <= positions_) return Status();
  const auto half = static_cast<size_t>(config_->rope_size / 2);
  const Side cpu = machine_->cpu_side();
  DeviceBlock blocks[kRopeKinds][kSideCount];
  for (int kind = 0; kind < kRopeKinds; ++kind) {
    if (!wanted_[kind]) continue;
    const uint64_t bytes =
        static_cast<uint64_t>(positions) * 2 * half * sizeof(float);
    BALEEN_ASSIGN_OR_RETURN(blocks[kind][cpu],
                            DeviceBlock::Allocate(*machine_, cpu, bytes));
    std::array<float, kLargestHalf> all;
    const std::span<float> frequencies(all.data(), half);
    RopeFrequencies(*config_, static_cast<RopeKind>(kind), frequencies);
    float* rows = static_cast<float*>(blocks[kind][cpu].data());
    const size_t old_bytes = static_cast<size_t>(blocks_[kind][cpu].size());
    if (old_bytes != 0) std::memcpy(rows, blocks_[kind][cpu].data(), old_bytes);
    for (int64_t position = positions_; position < positions; ++position) {
      RopeRow(position, frequencies, rows + position * config_->rope_size);
    }
    if (!machine_->split()) continue;
    BALEEN_ASSIGN_OR_RETURN(blocks[kind][kDevice],
                            DeviceBlock::Allocate(*machine_, kDevice, bytes));
    BALEEN_RETURN_IF_ERROR(machine_->Copy(kDevice, blocks[kind][kDevice].data(),
                                          kCpu, rows, bytes));
    BALEEN_RETURN_IF_ERROR(machine_->Wait(kDevice));
  }
  for (int kind = 0; kind < kRopeKinds; ++kind) {
    for (int side = 0; side < kSideCount; ++side) {
      blocks_[kind][side] = std::move(blocks[kind][side]);
      homes_[kind].on[side].data = blocks_[kind][side].data();
    }
  }
  positions_ = positions;
  SetShape(positions);
  return Status();
}

}  // namespace baleen::deepseek_v4
