// See model_bundle.h.
#include "session/model_bundle.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "models/registry.h"
#include "session/weight_check.h"

namespace baleen {
namespace {

template <size_t N>
void CopyName(std::string_view name, char (&out)[N]) {
  const size_t size = std::min(name.size(), N - 1);
  std::memcpy(out, name.data(), size);
  out[size] = '\0';
}

// The settings for a backend: those whose names begin with its own and a dot.
bool IsFor(const baleen_setting& setting, std::string_view backend) {
  const std::string_view name = setting.name;
  return name.size() > backend.size() && name.starts_with(backend) &&
         name[backend.size()] == '.';
}

Result<const Device*> OpenWithSettings(
    Context* context, uint32_t index,
    std::span<const baleen_setting> settings) {
  baleen_device_info info = {};
  BALEEN_RETURN_IF_ERROR(context->device_info(index, &info));
  Vector<baleen_setting> own(context->memory());
  for (const baleen_setting& setting : settings) {
    if (IsFor(setting, info.backend)) own.push_back(setting);
  }
  return context->OpenDevice(index, own);
}

}  // namespace

ModelBundle::ModelBundle(Ref<Context> context)
    : context_(std::move(context)),
      lock_(memory()),
      defaults_(memory()),
      metadata_(memory()) {}

void ModelBundle::Destroy() const {
  auto* self = const_cast<ModelBundle*>(this);
  const Ref<Context> context = context_;  // Outlives what we give back to it.
  self->~ModelBundle();
  context->memory()->deallocate(self, sizeof(ModelBundle),
                                alignof(ModelBundle));
}

Result<Ref<ModelBundle>> ModelBundle::Load(
    Ref<Context> context, const char* path,
    const baleen_model_options& options) {
  const FileSystem& files = context->files();
  return LoadFrom(files, std::move(context), path, options);
}

Result<Ref<ModelBundle>> ModelBundle::LoadFrom(
    const FileSystem& files, Ref<Context> context, const char* path,
    const baleen_model_options& options) {
  Memory* memory = context->memory();
  void* place = memory->allocate(sizeof(ModelBundle), alignof(ModelBundle));
  const auto bundle =
      Ref<ModelBundle>::Adopt(new (place) ModelBundle(std::move(context)));
  ModelFolder folder(&files, path);
  BALEEN_RETURN_IF_ERROR(folder.Open());
  const bool tokenizer_only =
      (options.flags & BALEEN_MODEL_TOKENIZER_ONLY) != 0;
  const Status config_status = folder.ReadConfig();
  if (!config_status.ok() &&
      (!tokenizer_only || config_status.code() != BALEEN_NOT_FOUND)) {
    return config_status;
  }
  BALEEN_RETURN_IF_ERROR(bundle->LoadMetadata(folder));
  BALEEN_RETURN_IF_ERROR(bundle->LoadText(folder));
  if (tokenizer_only) {
    if (bundle->tokenizer() == nullptr) {
      return NotFound("%s has no tokenizer.json", path);
    }
  } else {
    BALEEN_RETURN_IF_ERROR(bundle->LoadModel(&folder, options));
  }
  bundle->FillInfo(folder);
  const Tokenizer* tokenizer = bundle->tokenizer();
  if (tokenizer != nullptr && static_cast<uint32_t>(tokenizer->size()) >
                                  bundle->info_.vocabulary_size) {
    return Corrupt("%s/tokenizer.json has %d tokens, more than the model's %u",
                   path, tokenizer->size(), bundle->info_.vocabulary_size);
  }
  return bundle;
}

Status ModelBundle::LoadText(const ModelFolder& folder) {
  BALEEN_ASSIGN_OR_RETURN(tokenizer_, folder.ReadTokenizer());
  if (tokenizer_ == nullptr) {
    context_->log().Write(BALEEN_LOG_WARNING,
                          "the model has no tokenizer.json, so it reads and "
                          "writes no text");
  }
  BALEEN_ASSIGN_OR_RETURN(defaults_, folder.ReadDefaults(tokenizer_.get()));
  BALEEN_ASSIGN_OR_RETURN(info_.encoder, folder.FindEncoder());
  return Status();
}

Status ModelBundle::LoadMetadata(const ModelFolder& folder) {
  const Json config = folder.config();
  if (!config) return Status();
  metadata_.reserve(config.size());
  // Keys and values alternate.
  bool is_key = true;
  for (const Json node : config) {
    if (is_key) {
      metadata_.emplace_back(String(node.text(), memory()), String(memory()));
    } else {
      metadata_.back().second = node.source();
    }
    is_key = !is_key;
  }
  return Status();
}

Status ModelBundle::OpenDevices(const baleen_model_options& options,
                                const Device** device) {
  const std::span<const baleen_setting> settings(options.settings,
                                                 options.setting_count);
  const uint32_t index = options.devices == nullptr ? 0 : options.devices[0];
  BALEEN_ASSIGN_OR_RETURN(cpu_, OpenWithSettings(context_.get(), 0, settings));
  BALEEN_ASSIGN_OR_RETURN(*device,
                          OpenWithSettings(context_.get(), index, settings));
  for (const baleen_setting& setting : settings) {
    if (!IsFor(setting, cpu_->backend) && !IsFor(setting, (*device)->backend)) {
      return NotFound("there is no setting %s on the model's devices",
                      setting.name);
    }
  }
  return Status();
}

Status ModelBundle::LoadModel(ModelFolder* folder,
                              const baleen_model_options& options) {
  shapes_only_ = (options.flags & BALEEN_MODEL_SHAPES_ONLY) != 0;
  ModelRequest request;
  request.config = folder->config();
  request.config_name = folder->config_name();
  request.name = folder->name();
  request.memory = memory();
  request.log = &context_->log();
  request.state_meter = context_->state_budget().meter();
  request.repack = (options.flags & BALEEN_MODEL_REPACK) != 0;
  if (folder->packed() != nullptr) {
    packed_bytes_ = folder->packed()->size();
    request.repack = false;  // It is.
  }
  BALEEN_RETURN_IF_ERROR(OpenDevices(options, &request.device));
  request.cpu = cpu_;
  LoadProgress progress(options.progress, options.progress_user_data);
  if (!shapes_only_) {
    BALEEN_RETURN_IF_ERROR(
        LoadWeights(folder, options, &progress, &request.checkpoint));
  }
  BALEEN_ASSIGN_OR_RETURN(model_, CreateModel(std::move(request)));
  return progress.Finish();
}

Status ModelBundle::LoadWeights(ModelFolder* folder,
                                const baleen_model_options& options,
                                LoadProgress* progress,
                                std::optional<Checkpoint>* checkpoint) {
  const bool verify = (options.flags & BALEEN_MODEL_VERIFY) != 0;
  const bool lock = (options.flags & BALEEN_MODEL_LOCK_MEMORY) != 0;
  BALEEN_ASSIGN_OR_RETURN(Checkpoint opened, folder->OpenCheckpoint());
  mapped_bytes_ = opened.mapped_bytes();
  copied_bytes_ = opened.copied_bytes();
  progress->set_total(opened.byte_count() *
                      (1 + uint64_t{verify} + uint64_t{lock}));
  BALEEN_RETURN_IF_ERROR(progress->Add(0));
  if (verify) {
    BALEEN_RETURN_IF_ERROR(CheckWeights(opened, memory(), progress));
  }
  if (lock) BALEEN_RETURN_IF_ERROR(lock_.Lock(opened, progress));
  *checkpoint = std::move(opened);
  return Status();
}

void ModelBundle::FillInfo(const ModelFolder& folder) {
  const baleen_encoder encoder = info_.encoder;
  if (model_) {
    info_ = model_->info();
  } else {
    info_.vocabulary_size = static_cast<uint32_t>(tokenizer_->size());
  }
  info_.struct_size = sizeof info_;
  info_.encoder = encoder;
  CopyName(folder.name(), info_.name);
}

bool ModelBundle::IsEnd(baleen_token token) const {
  return std::find(defaults_.end_tokens.begin(), defaults_.end_tokens.end(),
                   token) != defaults_.end_tokens.end();
}

const char* ModelBundle::Metadata(std::string_view key) const {
  for (const auto& [name, value] : metadata_) {
    if (name == key) return value.c_str();
  }
  return nullptr;
}

}  // namespace baleen
