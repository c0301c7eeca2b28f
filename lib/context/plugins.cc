// See plugins.h.
#include "context/plugins.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/file.h"

namespace baleen {
namespace {

constexpr std::string_view kPrefix = "libbaleen-";
constexpr std::string_view kSuffix = ".so";

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

struct FreeText {
  void operator()(char* text) const { free(text); }
};

// The folder that this code was loaded from, as an absolute path.
Result<String> OwnFolder(Memory* memory) {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&OwnFolder), &info) == 0 ||
      info.dli_fname == nullptr) {
    return NotFound("the system does not say where this library lies");
  }
  const std::unique_ptr<char, FreeText> path(realpath(info.dli_fname, nullptr));
  if (path == nullptr) {
    return NotFound("there is no file %s, where this library should lie",
                    info.dli_fname);
  }
  const std::string_view name = path.get();
  return String(name.substr(0, name.rfind('/') + 1), memory);
}

}  // namespace

Result<baleen_backend_entry_fn> OpenPlugin(const char* path) {
  if (path[0] != '/') {
    return InvalidArgument("the path of a backend must be absolute, not %s",
                           path);
  }
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    // The loader's text names the file.
    return NotFound("cannot load the backend: %s", dlerror());
  }
  void* symbol = dlsym(library, BALEEN_BACKEND_ENTRY);
  if (symbol == nullptr) {
    return Unsupported("%s has no function %s, so it is no backend", path,
                       BALEEN_BACKEND_ENTRY);
  }
  baleen_backend_entry_fn entry = nullptr;
  static_assert(sizeof entry == sizeof symbol);
  std::memcpy(&entry, &symbol, sizeof entry);
  return entry;
}

Result<Vector<String>> FindPlugins(std::string_view folder, Memory* memory) {
  String path(folder, memory);
  if (folder.empty()) {
    BALEEN_ASSIGN_OR_RETURN(path, OwnFolder(memory));
  }
  const std::unique_ptr<DIR, CloseFolder> list(opendir(path.c_str()));
  if (list == nullptr) {
    return NotFound("cannot read the folder of backends %s", path.c_str());
  }
  Vector<String> plugins(memory);
  while (const dirent* entry = readdir(list.get())) {
    const std::string_view name = entry->d_name;
    if (name.size() > kPrefix.size() + kSuffix.size() &&
        name.starts_with(kPrefix) && name.ends_with(kSuffix)) {
      plugins.push_back(JoinPath(path, name, memory));
    }
  }
  std::sort(plugins.begin(), plugins.end());
  return plugins;
}

}  // namespace baleen
