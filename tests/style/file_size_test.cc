// No file grows beyond what one can read at a sitting.
//
// The public headers are the manual and are exempt, and so are tables that a
// script wrote.
#include <string>

#include "gtest/gtest.h"
#include "source_tree.h"

namespace baleen::style {
namespace {

constexpr size_t kMaxLines = 600;
constexpr size_t kMaxKernelLines = 800;

bool IsKernel(const std::string& path) {
  return path.starts_with("backends/") &&
         (path.find("/x86/") != std::string::npos ||
          path.find("/arm/") != std::string::npos ||
          path.find("/kernels/") != std::string::npos);
}

TEST(FileSizeTest, SourcesAreShort) {
  const auto sources =
      ReadSources({".c", ".cc", ".h", ".hpp", ".cu", ".cuh", ".rs", ".go",
                   ".py", ".lua", ".cmake", ".sh"});
  ASSERT_GT(sources.size(), 50u) << "the sources were not found";
  for (const SourceFile& source : sources) {
    if (IsPublicHeader(source.path) || IsGenerated(source.path)) continue;
    const size_t limit = IsKernel(source.path) ? kMaxKernelLines : kMaxLines;
    EXPECT_LE(source.lines.size(), limit) << source.path;
  }
}

}  // namespace
}  // namespace baleen::style
