// Who may know whom: checks each #include against the table of docs/design.md.
//
// CMake's targets let a folder see all of lib/, so this is what keeps the
// folders apart.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "source_tree.h"

namespace baleen::style {
namespace {

using Names = std::set<std::string>;

// For each folder of lib/, the others it may include from.
const std::map<std::string, Names>& LibraryRules() {
  static const std::map<std::string, Names> kRules = {
      {"numeric", {}},
      {"base", {"numeric"}},
      {"tensor", {"numeric", "base"}},
      {"ops", {"numeric", "base", "tensor"}},
      {"format", {"numeric", "base"}},
      {"text", {"numeric", "base"}},
      {"models", {"numeric", "base", "tensor", "ops", "format"}},
      {"context", {"numeric", "base", "tensor", "ops", "format"}},
      {"session",
       {"numeric", "base", "tensor", "ops", "format", "text", "models",
        "context"}},
      {"api",
       {"numeric", "base", "tensor", "ops", "format", "text", "models",
        "context", "session"}},
  };
  return kRules;
}

// The part of `path` before its `index`-th slash, counted from one folder on:
// Part("lib/base/json.cc", 1) is "base".
std::string Part(const std::string& path, int index) {
  size_t begin = 0;
  for (; index > 0; --index) {
    const size_t slash = path.find('/', begin);
    if (slash == std::string::npos) return {};
    begin = slash + 1;
  }
  const size_t end = path.find('/', begin);
  return end == std::string::npos ? std::string()
                                  : path.substr(begin, end - begin);
}

struct Include {
  std::string name;
  bool quoted;
};

// The file a line includes; its name is empty if it includes none.
Include ReadInclude(const std::string& line) {
  const size_t hash = line.find_first_not_of(" \t");
  if (hash == std::string::npos || line[hash] != '#') return {};
  const size_t word = line.find_first_not_of(" \t", hash + 1);
  if (word == std::string::npos || line.compare(word, 7, "include") != 0) {
    return {};
  }
  const size_t open = line.find_first_of("\"<", word);
  if (open == std::string::npos) return {};
  const bool quoted = line[open] == '"';
  const size_t close = line.find(quoted ? '"' : '>', open + 1);
  if (close == std::string::npos) return {};
  return {line.substr(open + 1, close - open - 1), quoted};
}

bool IsOurs(const Include& include) {
  return include.name.starts_with("baleen/");
}

bool IsLibraryFolder(const std::string& name) {
  return LibraryRules().count(name) != 0;
}

// Why a file of lib/FOLDER may not include this; empty if it may.
std::string CheckLibrary(const std::string& folder, const Include& include) {
  const auto rule = LibraryRules().find(folder);
  if (rule == LibraryRules().end()) return "lib/" + folder + " has no rule";
  if (IsOurs(include)) return {};
  if (!include.quoted) {
    const bool cuda = include.name.starts_with("cuda");
    return cuda ? "lib knows no CUDA header" : std::string();
  }
  const std::string other = Part(include.name, 0);
  if (other.empty()) return "includes are written from lib/ on";
  if (other == folder || rule->second.count(other) != 0) return {};
  return "lib/" + folder + " must not know " + other;
}

std::string CheckBackend(const std::string& folder, const Include& include) {
  if (!include.quoted || IsOurs(include)) return {};
  const std::string other = Part(include.name, 0);
  if (other == folder || other == "numeric") return {};
  return "backends know include/, lib/numeric and their own folder";
}

// Programs that use the library as anybody would.
std::string CheckOutsider(const Include& include) {
  if (IsLibraryFolder(Part(include.name, 0))) {
    return "only include/ may be used here";
  }
  return {};
}

std::string CheckPublicHeader(const Include& include) {
  const bool allowed = include.name == "stddef.h" ||
                       include.name == "stdint.h" || IsOurs(include);
  return allowed ? std::string()
                 : "a public header is C and needs no more "
                   "than stddef.h and stdint.h";
}

std::string Check(const std::string& path, const Include& include) {
  if (IsPublicHeader(path)) return CheckPublicHeader(include);
  if (path.starts_with("lib/")) return CheckLibrary(Part(path, 1), include);
  if (path.starts_with("backends/")) {
    return CheckBackend(Part(path, 1), include);
  }
  const bool outsider =
      path.starts_with("examples/") || path.starts_with("bindings/") ||
      path.starts_with("tests/abi/") || path.starts_with("tests/model/") ||
      path.starts_with("tests/cli/") || path.starts_with("tests/desktop/") ||
      path.starts_with("tests/game/");
  return outsider ? CheckOutsider(include) : std::string();
}

TEST(IncludesTest, FollowTheTable) {
  const std::vector<SourceFile> sources = ReadCode();
  ASSERT_GT(sources.size(), 50u) << "the sources were not found";
  for (const SourceFile& source : sources) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const Include include = ReadInclude(source.lines[i]);
      if (include.name.empty()) continue;
      EXPECT_EQ(Check(source.path, include), "")
          << source.path << ":" << i + 1 << ": " << source.lines[i];
    }
  }
}

// The test must be able to fail: each never-arrow once.
TEST(IncludesTest, TheTableForbidsWhatItShould) {
  const auto refused = [](const std::string& path, const std::string& line) {
    const Include include = ReadInclude(line);
    return !include.name.empty() && !Check(path, include).empty();
  };
  EXPECT_TRUE(refused("lib/base/json.cc", "#include \"tensor/shape.h\""));
  EXPECT_TRUE(refused("lib/ops/table.h", "#  include \"models/model.h\""));
  EXPECT_TRUE(refused("lib/models/model.cc", "#include \"context/context.h\""));
  EXPECT_TRUE(refused("lib/models/model.cc", "#include \"session/session.h\""));
  EXPECT_TRUE(refused("lib/session/session.cc", "#include \"api/handles.h\""));
  EXPECT_TRUE(refused("lib/ops/table.cc", "#include \"cpu/queue.h\""));
  EXPECT_TRUE(refused("lib/ops/table.cc", "#include <cuda_runtime.h>"));
  EXPECT_TRUE(refused("lib/ops/table.cc", "#include \"table.h\""));
  EXPECT_TRUE(refused("backends/cpu/ops.cc", "#include \"base/status.h\""));
  EXPECT_TRUE(refused("examples/cli/main.cc", "#include \"base/json.h\""));
  EXPECT_TRUE(refused("tests/game/game_test.cc", "#include \"base/json.h\""));
  EXPECT_TRUE(refused("include/baleen/baleen.h", "#include <string>"));
  EXPECT_FALSE(refused("lib/base/json.cc", "#include \"base/status.h\""));
  EXPECT_FALSE(refused("lib/api/model_api.cc", "#include <baleen/baleen.h>"));
  EXPECT_FALSE(refused("backends/cpu/ops.cc", "#include \"numeric/fp8.h\""));
}

}  // namespace
}  // namespace baleen::style
