// A model as the public API means it: weights, tokenizer, the encoder of
// conversations, and the defaults that its folder names.
//
// Never changes once loaded, but for the list of its sessions; any thread may
// use it.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include <baleen/baleen.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/ref_count.h"
#include "base/status.h"
#include "context/context.h"
#include "models/model.h"
#include "session/load_progress.h"
#include "session/model_folder.h"
#include "session/prefix_index.h"
#include "session/step_queue.h"
#include "session/weight_lock.h"
#include "text/tokenizer.h"

namespace baleen {

class ModelBundle final : public RefCounted {
 public:
  // Loads the folder or packed file `path`.  `options` has been read and checked
  // by lib/api.
  static Result<Ref<ModelBundle>> Load(Ref<Context> context, const char* path,
                                       const baleen_model_options& options);
  // Writes the folder `path` to the packed file `packed_path`.
  static Status Pack(Ref<Context> context, const char* path,
                     const char* packed_path,
                     const baleen_model_options& options);
  // What loading it and a session would take, without loading weights.
  static Status Plan(Context* context, const char* path,
                     const baleen_model_options& model_options,
                     const baleen_session_options& session_options,
                     baleen_memory_plan* plan);
  Status PlanSession(const baleen_session_options& options,
                     baleen_memory_plan* plan) const;

  Context& context() const { return *context_; }
  Memory* memory() const { return context_->memory(); }
  const baleen_model_info& info() const { return info_; }
  baleen_encoder encoder() const { return info_.encoder; }

  // NULL with BALEEN_MODEL_TOKENIZER_ONLY.
  Model* model() const { return model_.get(); }
  // What the steps of all its sessions go through.
  StepQueue& steps() { return steps_; }
  // NULL if the folder has no tokenizer.json.
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  // The CPU, which samples whatever device computes.
  const Device& cpu() const { return *cpu_; }
  bool shapes_only() const { return shapes_only_; }
  // Its sessions' beginnings.
  PrefixIndex& prefixes() { return prefixes_; }

  // What generation_config.json advises: all that zero means in
  // baleen_sampling.
  float temperature() const { return defaults_.temperature; }
  float top_p() const { return defaults_.top_p; }
  bool IsEnd(baleen_token token) const;

  // The JSON text of a key of config.json; NULL if it has none.  Lent for as
  // long as the bundle lives.
  const char* Metadata(std::string_view key) const;

 private:
  explicit ModelBundle(Ref<Context> context);
  ~ModelBundle() = default;
  void Destroy() const override;

  // With the files of the context, or those that a plan is made with; they must
  // outlive the bundle.
  static Result<Ref<ModelBundle>> LoadFrom(const FileSystem& files,
                                           Ref<Context> context,
                                           const char* path,
                                           const baleen_model_options& options);
  Status LoadText(const ModelFolder& folder);
  Status LoadMetadata(const ModelFolder& folder);
  // Takes the tensors out of the folder.
  Status LoadModel(ModelFolder* folder, const baleen_model_options& options);
  Status LoadWeights(ModelFolder* folder, const baleen_model_options& options,
                     LoadProgress* progress,
                     std::optional<Checkpoint>* checkpoint);
  // Opens the model's device and the CPU, each with the settings that begin
  // with its backend's name.
  Status OpenDevices(const baleen_model_options& options,
                     const Device** device);
  void FillInfo(const ModelFolder& folder);

  // Declared in an order in which destroying from the last to the first is
  // safe.
  Ref<Context> context_;
  baleen_model_info info_ = {};
  const Device* cpu_ = nullptr;
  Ref<Model> model_;
  StepQueue steps_;
  WeightLock lock_;
  Owned<Tokenizer> tokenizer_;
  bool shapes_only_ = false;
  uint64_t mapped_bytes_ = 0;  // Of the weights.
  uint64_t copied_bytes_ = 0;
  uint64_t packed_bytes_ = 0;  // Of the packed file; 0: a folder.
  GenerationDefaults defaults_;
  // Keys and values of config.json, each value's text with a NUL behind.
  Vector<std::pair<String, String>> metadata_;
  PrefixIndex prefixes_;
};

}  // namespace baleen
