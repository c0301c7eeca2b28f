// The project's own text files, as the style tests see them.
#pragma once

#include <string>
#include <vector>

namespace baleen::style {

struct SourceFile {
  std::string path;  // From the project's root, such as "lib/base/json.cc".
  std::vector<std::string> lines;
};

// All sources in the language of `extensions`, such as ".cc", sorted by path.
// Build folders and test data are left out.
std::vector<SourceFile> ReadSources(const std::vector<std::string>& extensions);

// C, C++ and CUDA.
std::vector<SourceFile> ReadCode();

bool IsPublicHeader(const std::string& path);

// Tables that a script wrote.
bool IsGenerated(const std::string& path);

}  // namespace baleen::style
