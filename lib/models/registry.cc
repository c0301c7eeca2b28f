#include "models/registry.h"

#include "models/deepseek_v4/model.h"

namespace baleen {
namespace {

struct Architecture {
  std::string_view model_type;
  Result<Ref<Model>> (*create)(ModelRequest request);
};

constexpr Architecture kArchitectures[] = {
    {"deepseek_v4", deepseek_v4::V4Model::Create},
};

}  // namespace

Result<Ref<Model>> CreateModel(ModelRequest request) {
  const Json type = request.config.Find("model_type");
  // inference/config.json has none; its reader knows it by its other keys.
  if (!type) return kArchitectures[0].create(std::move(request));
  if (!type.IsString()) {
    return Corrupt("%s: model_type is not a string", request.config_name);
  }
  for (const Architecture& one : kArchitectures) {
    if (one.model_type == type.text()) return one.create(std::move(request));
  }
  const std::string_view name = type.text().substr(0, 64);
  return Unsupported("%s: the architecture %.*s is not supported",
                     request.config_name, static_cast<int>(name.size()),
                     name.data());
}

}  // namespace baleen
