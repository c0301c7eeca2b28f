// make_slice KIND [FOLDER]: writes a slice (slice.h) where benchmarks look for
// it, or to a folder, and says where.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "benchmarks/slice/slice.h"

namespace {

int Usage() {
  std::fprintf(stderr, "usage: make_slice KIND [FOLDER]\nkinds:");
  for (const std::string& kind : baleen::slice::SliceKinds()) {
    std::fprintf(stderr, " %s", kind.c_str());
  }
  std::fprintf(stderr, "\n");
  return EXIT_FAILURE;
}

double Gigabytes(const std::string& folder) {
  uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    bytes += file.file_size();
  }
  return static_cast<double>(bytes) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return Usage();
  using Clock = std::chrono::steady_clock;
  baleen::slice::SliceOptions options;
  options.kind = argv[1];
  try {
    options.folder =
        argc == 3 ? argv[2] : baleen::slice::DefaultSliceFolder(options.kind);
    const auto begin = Clock::now();
    const bool made = baleen::slice::MakeSlice(options);
    const double seconds =
        std::chrono::duration<double>(Clock::now() - begin).count();
    std::printf("%s: %.2f GB, ", options.folder.c_str(),
                Gigabytes(options.folder));
    made ? std::printf("made in %.1f s\n", seconds)
         : std::printf("there already\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_slice: %s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
