// See read_options.h.
#include "api/read_options.h"

namespace baleen {
namespace {

// Flags of this version.
constexpr uint32_t kModelFlags =
    BALEEN_MODEL_TOKENIZER_ONLY | BALEEN_MODEL_SHAPES_ONLY |
    BALEEN_MODEL_VERIFY | BALEEN_MODEL_LOCK_MEMORY | BALEEN_MODEL_REPACK |
    BALEEN_MODEL_FETCH_EXPERTS;
constexpr uint32_t kSessionFlags =
    BALEEN_SESSION_PRIVATE | BALEEN_SESSION_RESUME;

Status CheckDevices(const baleen_model_options& options) {
  BALEEN_REQUIRE_ARRAY(options.devices, options.device_count);
  if (options.devices != nullptr && options.device_count == 0) {
    return InvalidArgument("options.devices is set, but device_count is 0");
  }
  if (options.device_count > 1) {
    return Unsupported(
        "this version of the library puts a model on one device, not on %u",
        options.device_count);
  }
  return Status();
}

Status CheckSettings(const baleen_model_options& options) {
  BALEEN_REQUIRE_ARRAY(options.settings, options.setting_count);
  for (uint32_t i = 0; i < options.setting_count; ++i) {
    if (options.settings[i].name == nullptr ||
        options.settings[i].value == nullptr) {
      return InvalidArgument("options.settings[%u] lacks its name or value", i);
    }
  }
  return Status();
}

}  // namespace

Status ReadModelOptions(const baleen_model_options* given,
                        baleen_model_options* options) {
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_model_options", options));
  const uint32_t flags = options->flags;
  BALEEN_RETURN_IF_ERROR(
      CheckFlags(flags, kModelFlags, "baleen_model_options.flags"));
  if ((flags & BALEEN_MODEL_TOKENIZER_ONLY) != 0 &&
      (flags & BALEEN_MODEL_SHAPES_ONLY) != 0) {
    return InvalidArgument(
        "BALEEN_MODEL_TOKENIZER_ONLY and BALEEN_MODEL_SHAPES_ONLY exclude each "
        "other");
  }
  BALEEN_RETURN_IF_ERROR(CheckDevices(*options));
  return CheckSettings(*options);
}

Status ReadSessionOptions(const baleen_session_options* given,
                          baleen_session_options* options) {
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_session_options", options));
  BALEEN_RETURN_IF_ERROR(CheckFlags(options->flags, kSessionFlags,
                                    "baleen_session_options.flags"));
  BALEEN_RETURN_IF_ERROR(
      CheckEnum(options->mode, BALEEN_MODE_REFERENCE, "options.mode"));
  BALEEN_RETURN_IF_ERROR(
      CheckEnum(options->draft, BALEEN_DRAFT_LOOKUP, "options.draft"));
  BALEEN_RETURN_IF_ERROR(
      CheckEnum(options->window, BALEEN_WINDOW_FULL, "options.window"));
  if (options->log_path == nullptr &&
      (options->flags & BALEEN_SESSION_RESUME) != 0) {
    return InvalidArgument(
        "BALEEN_SESSION_RESUME is set, but options.log_path is NULL");
  }
  return Status();
}

Status ReadSampling(const baleen_sampling* given, baleen_sampling* sampling) {
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_sampling", sampling));
  BALEEN_RETURN_IF_ERROR(CheckFlags(sampling->flags, BALEEN_SAMPLING_GREEDY,
                                    "baleen_sampling.flags"));
  BALEEN_RETURN_IF_ERROR(CheckReserved(sampling->reserved, "baleen_sampling"));
  BALEEN_REQUIRE_ARRAY(sampling->biases, sampling->bias_count);
  return Status();
}

Status ReadSaveOptions(const baleen_save_options* given,
                       baleen_save_options* options) {
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_save_options", options));
  BALEEN_RETURN_IF_ERROR(
      CheckFlags(options->flags, 0, "baleen_save_options.flags"));
  BALEEN_RETURN_IF_ERROR(
      CheckReserved(options->reserved, "baleen_save_options"));
  return CheckEnum(options->window, BALEEN_WINDOW_FULL, "options.window");
}

}  // namespace baleen
