// baleen info: what a checkpoint is, and what it takes to run it.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "engine.h"
#include "format.h"

namespace tool {
namespace {

// Enough to judge a machine by; the limit of V4 is a million.
constexpr uint64_t kDefaultContext = 8192;

constexpr const char* kPartNames[BALEEN_PART_COUNT] = {
    "embedding",      "hyper-connections",
    "projections",    "compressors",
    "indexers",       "attention",
    "routers",        "experts",
    "shared experts", "head",
    "drafter"};

struct InfoOptions {
  ModelOptions model;
  uint64_t context = kDefaultContext;
  bool shapes_only = false;
  bool json = false;
};

const char* EncoderName(baleen_encoder encoder) {
  switch (encoder) {
    case BALEEN_ENCODER_PREVIEW:
      return "preview";
    case BALEEN_ENCODER_GA:
      return "GA";
    default:
      return "none";
  }
}

std::string Row(const std::string& name, const std::string& value) {
  constexpr size_t kNameWidth = 26;
  std::string row = "  " + name;
  row.resize(std::max(row.size() + 1, kNameWidth), ' ');
  return row + value + "\n";
}

bool IsFolder(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

std::string DescribeModel(const std::string& path,
                          const baleen_model_info& info) {
  std::string text = info.name[0] != '\0' ? info.name : "(no name)";
  text += "\n" + Row(IsFolder(path) ? "folder" : "packed file", path) +
          Row("architecture", info.architecture);
  text += Row("parameters", FormatCount(info.parameter_count));
  text +=
      Row("layers", std::to_string(info.layer_count) + ": " +
                        std::to_string(info.window_layer_count) + " window, " +
                        std::to_string(info.csa_layer_count) + " CSA, " +
                        std::to_string(info.hca_layer_count) + " HCA");
  text += Row("hidden size", FormatCount(info.hidden_size));
  text +=
      Row("experts", std::to_string(info.expert_count) + " a layer, " +
                         std::to_string(info.experts_per_token) + " a token");
  const std::string drafter = info.drafter;
  text += Row("drafter",
              drafter.empty()
                  ? "none"
                  : drafter + ", " + std::to_string(info.draft_layer_count) +
                        (info.draft_layer_count == 1 ? " layer" : " layers"));
  text += Row("chat encoder", EncoderName(info.encoder));
  text += Row("vocabulary", FormatCount(info.vocabulary_size));
  text += Row("longest sequence", FormatCount(info.position_limit) + " tokens");
  return text;
}

std::string DescribePlan(const InfoOptions& options,
                         const baleen_model_info& info,
                         const baleen_memory_plan& plan) {
  std::string text =
      "weights (" + FormatBytes(info.weight_bytes) + " in the checkpoint)\n";
  for (size_t part = 0; part < BALEEN_PART_COUNT; ++part) {
    const uint64_t bytes = plan.weights_by_part[part];
    if (bytes != 0) text += Row(kPartNames[part], FormatBytes(bytes));
  }
  text += "memory for " + FormatCount(options.context) + " tokens\n";
  const std::pair<const char*, uint64_t> rows[] = {
      {"weights, mapped files", plan.weights_mapped},
      {"weights, allocated", plan.weights_host},
      {"weights, on devices", plan.weights_device},
      {"a session", plan.session_host},
      {"a session, on devices", plan.session_device},
      {"scratch", plan.scratch_host},
      {"scratch, on devices", plan.scratch_device}};
  for (const auto& [name, bytes] : rows) {
    if (bytes != 0) text += Row(name, FormatBytes(bytes));
  }
  return text;
}

std::string ToJson(const InfoOptions& options, const std::string& path,
                   const baleen_model_info& info,
                   const baleen_memory_plan& plan) {
  nlohmann::ordered_json parts;
  for (size_t part = 0; part < BALEEN_PART_COUNT; ++part) {
    parts[kPartNames[part]] = plan.weights_by_part[part];
  }
  const nlohmann::ordered_json json = {
      {"name", info.name},
      {"path", path},
      {"packed", !IsFolder(path)},
      {"architecture", info.architecture},
      {"parameters", info.parameter_count},
      {"layers",
       {{"all", info.layer_count},
        {"window", info.window_layer_count},
        {"csa", info.csa_layer_count},
        {"hca", info.hca_layer_count}}},
      {"hidden_size", info.hidden_size},
      {"experts", info.expert_count},
      {"experts_per_token", info.experts_per_token},
      {"drafter", info.drafter},
      {"draft_layers", info.draft_layer_count},
      {"encoder", EncoderName(info.encoder)},
      {"vocabulary", info.vocabulary_size},
      {"position_limit", info.position_limit},
      {"weight_bytes", info.weight_bytes},
      {"weight_bytes_by_part", parts},
      {"memory",
       {{"context", options.context},
        {"weights_mapped", plan.weights_mapped},
        {"weights_host", plan.weights_host},
        {"weights_device", plan.weights_device},
        {"session_host", plan.session_host},
        {"session_device", plan.session_device},
        {"scratch_host", plan.scratch_host},
        {"scratch_device", plan.scratch_device}}}};
  return json.dump(2) + "\n";
}

int Info(const InfoOptions& options) {
  const Engine engine(options.model,
                      options.shapes_only ? BALEEN_MODEL_SHAPES_ONLY : 0);
  baleen_error error;
  baleen_model_info info = {};
  info.struct_size = sizeof info;
  Check(baleen_model_get_info(engine.model(), &info, &error), error);
  baleen_session_options session = {};
  session.struct_size = sizeof session;
  session.capacity = options.context;
  baleen_memory_plan plan = {};
  plan.struct_size = sizeof plan;
  Check(baleen_model_plan(engine.model(), &session, &plan, &error), error);
  Print(options.json ? ToJson(options, engine.path(), info, plan)
                     : DescribeModel(engine.path(), info) +
                           DescribePlan(options, info, plan));
  return kExitOk;
}

}  // namespace

void AddInfo(CLI::App* app, Action* action) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* command =
      app->add_subcommand("info", "What a model is and what it takes");
  command
      ->add_option("--context", options->context,
                   "Plan memory for a session of this many tokens")
      ->check(CLI::PositiveNumber);
  command->add_flag("--shapes-only", options->shapes_only,
                    "Do with config.json alone, without weights");
  command->add_flag("--json", options->json, "Write JSON");
  AddModelOptions(command, &options->model);
  command->callback(
      [options, action] { *action = [options] { return Info(*options); }; });
}

}  // namespace tool
