// Writing a model to one file in the fast layout of its device.
#include <utility>

#include "models/registry.h"
#include "session/model_bundle.h"
#include "session/unread_files.h"

namespace baleen {
namespace {

// The small files that a packed model carries, as they are.
class Texts {
 public:
  explicit Texts(Memory* memory) : names_(memory), bytes_(memory) {}

  Status Read(const ModelFolder& folder) {
    names_.push_back(folder.config_file());
    bytes_.push_back(folder.config_text());
    for (const std::string_view name : ModelFolder::kOptionalFiles) {
      if (!folder.Has(name)) continue;
      BALEEN_ASSIGN_OR_RETURN(String text, folder.ReadText(name));
      names_.push_back(name);
      bytes_.push_back(std::move(text));
    }
    return Status();
  }

  Vector<PackText> List(Memory* memory) const {
    Vector<PackText> list(memory);
    for (size_t i = 0; i < names_.size(); ++i) {
      list.push_back({names_[i], bytes_[i]});
    }
    return list;
  }

 private:
  Vector<std::string_view> names_;
  Vector<String> bytes_;
};

}  // namespace

Status ModelBundle::Pack(Ref<Context> context, const char* path,
                         const char* packed_path,
                         const baleen_model_options& options) {
  const uint32_t refused = BALEEN_MODEL_TOKENIZER_ONLY |
                           BALEEN_MODEL_SHAPES_ONLY | BALEEN_MODEL_LOCK_MEMORY;
  if ((options.flags & refused) != 0) {
    return InvalidArgument(
        "options.flags asks to pack a model without its weights, or to lock "
        "them in memory");
  }
  Memory* memory = context->memory();
  // Weights are read in pieces, not mapped, whether the host can map or not.
  const FileSystem& files = context->files();
  const FileSystem unread = UnreadFiles(files);
  ModelFolder folder(files.can_map() ? &files : &unread, path);
  BALEEN_RETURN_IF_ERROR(folder.Open());
  if (folder.packed() != nullptr) {
    return InvalidArgument("%s is packed already; name the checkpoint's folder",
                           path);
  }
  BALEEN_RETURN_IF_ERROR(folder.ReadConfig());
  Texts texts(memory);
  BALEEN_RETURN_IF_ERROR(texts.Read(folder));
  const Vector<PackText> list = texts.List(memory);
  PackRequest pack;
  pack.files = &files;
  pack.path = packed_path;
  pack.texts = list;
  pack.workers = context->workers();
  pack.progress = options.progress;
  pack.progress_user_data = options.progress_user_data;

  void* place = memory->allocate(sizeof(ModelBundle), alignof(ModelBundle));
  const auto bundle =
      Ref<ModelBundle>::Adopt(new (place) ModelBundle(std::move(context)));
  ModelRequest request;
  request.config = folder.config();
  request.config_name = folder.config_name();
  request.name = folder.name();
  request.memory = memory;
  BALEEN_RETURN_IF_ERROR(bundle->OpenDevices(options, &request.device));
  request.cpu = bundle->cpu_;
  baleen_model_options reading = options;
  reading.progress = nullptr;
  LoadProgress progress(nullptr, nullptr);
  BALEEN_RETURN_IF_ERROR(
      bundle->LoadWeights(&folder, reading, &progress, &request.checkpoint));
  return PackModel(std::move(request), pack);
}

}  // namespace baleen
