// Reads the project's sources; see source_tree.h.
#include "source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace baleen::style {
namespace {

namespace fs = std::filesystem;

// The folders of the fixed top level; a build folder is none of them.
constexpr const char* kTopFolders[] = {"include",    "lib",   "backends",
                                       "examples",   "tests", "bindings",
                                       "benchmarks", "cmake", "docs"};

bool IsData(const std::string& path) {
  return path.starts_with("tests/data/") ||
         path.starts_with("tests/fuzz/corpus/");
}

// What tools put below bindings/ and examples/.
bool IsOutput(const fs::path& folder) {
  const std::string name = folder.filename().string();
  return name == "build" || name == "target" || name == "node_modules" ||
         (name.size() > 1 && name.front() == '.');
}

std::vector<std::string> ReadLines(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace

std::vector<SourceFile> ReadSources(
    const std::vector<std::string>& extensions) {
  const fs::path root = BALEEN_SOURCE_DIR;
  std::vector<SourceFile> sources;
  for (const char* top : kTopFolders) {
    if (!fs::exists(root / top)) continue;
    fs::recursive_directory_iterator entries(root / top);
    for (auto it = begin(entries); it != end(entries); ++it) {
      if (it->is_directory() && IsOutput(it->path())) {
        it.disable_recursion_pending();
        continue;
      }
      const std::string extension = it->path().extension().string();
      const std::string path = fs::relative(it->path(), root).string();
      const bool wanted = std::find(extensions.begin(), extensions.end(),
                                    extension) != extensions.end();
      if (!wanted || !it->is_regular_file() || IsData(path)) continue;
      sources.push_back({path, ReadLines(it->path())});
    }
  }
  std::sort(
      sources.begin(), sources.end(),
      [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return sources;
}

std::vector<SourceFile> ReadCode() {
  return ReadSources({".c", ".cc", ".h", ".hpp", ".cu", ".cuh"});
}

bool IsPublicHeader(const std::string& path) {
  return path.starts_with("include/baleen/");
}

bool IsGenerated(const std::string& path) {
  return path.ends_with(".inc") || path.ends_with("/cdef.lua") ||
         path.ends_with("/bindings.rs") || path.ends_with("/_declarations.py");
}

}  // namespace baleen::style
