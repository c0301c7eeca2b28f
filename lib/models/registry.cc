#include "models/registry.h"

#include "models/deepseek_v4/model.h"
#include "models/deepseek_v4/pack.h"

namespace baleen {
namespace {

struct Architecture {
  std::string_view model_type;
  Result<Ref<Model>> (*create)(ModelRequest request);
  Status (*pack)(ModelRequest request, const PackRequest& pack);
};

constexpr Architecture kArchitectures[] = {
    {"deepseek_v4", deepseek_v4::V4Model::Create, deepseek_v4::PackCheckpoint},
};

Result<const Architecture*> FindArchitecture(const ModelRequest& request) {
  const Json type = request.config.Find("model_type");
  // inference/config.json has none; its reader knows it by its other keys.
  if (!type) return &kArchitectures[0];
  if (!type.IsString()) {
    return Corrupt("%s: model_type is not a string", request.config_name);
  }
  for (const Architecture& one : kArchitectures) {
    if (one.model_type == type.text()) return &one;
  }
  const std::string_view name = type.text().substr(0, 64);
  return Unsupported("%s: the architecture %.*s is not supported",
                     request.config_name, PrintLength(name), name.data());
}

}  // namespace

Result<Ref<Model>> CreateModel(ModelRequest request) {
  BALEEN_ASSIGN_OR_RETURN(const Architecture* const one,
                          FindArchitecture(request));
  return one->create(std::move(request));
}

Status PackModel(ModelRequest request, const PackRequest& pack) {
  BALEEN_ASSIGN_OR_RETURN(const Architecture* const one,
                          FindArchitecture(request));
  return one->pack(std::move(request), pack);
}

}  // namespace baleen
