// Packing in bytes a second; and how long a model takes to open, raw and
// packed, with what that leaves resident.  Of the pocket model, or of the folder
// that BALEEN_BENCHMARK_MODEL names.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <baleen/baleen.h>

namespace {

std::string ModelFolder() {
  const char* folder = std::getenv("BALEEN_BENCHMARK_MODEL");
  return folder != nullptr ? folder : BALEEN_TEST_DATA "/pocket";
}

double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// A context, and the packed model, which is written when it is first wanted.
class Bench {
 public:
  Bench() {
    baleen_context_create(nullptr, &context_, nullptr);
    path_ = (std::filesystem::temp_directory_path() /
             ("baleen-packed-" + std::to_string(getpid())))
                .string();
  }
  ~Bench() {
    baleen_context_release(context_);
    std::error_code error;
    std::filesystem::remove(path_, error);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  baleen_status Pack(baleen_error* error) const {
    return baleen_model_pack(context_, ModelFolder().c_str(), path_.c_str(),
                             nullptr, error);
  }
  const std::string& path() const { return path_; }
  baleen_context* context() const { return context_; }

 private:
  baleen_context* context_ = nullptr;
  std::string path_;
};

void Pack(benchmark::State& state) {
  const Bench bench;
  baleen_error error;
  const double before = ResidentBytes();
  for (auto _ : state) {
    if (bench.Pack(&error) != BALEEN_OK) {
      state.SkipWithError(error.message);
      return;
    }
  }
  const auto size =
      static_cast<double>(std::filesystem::file_size(bench.path()));
  state.counters["megabytes"] = size * 1e-6;
  state.counters["gigabytes_per_second"] = benchmark::Counter(
      size * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["resident_mb_added"] = (ResidentBytes() - before) * 1e-6;
}

void Open(benchmark::State& state, bool packed) {
  const Bench bench;
  baleen_error error;
  if (packed && bench.Pack(&error) != BALEEN_OK) {
    state.SkipWithError(error.message);
    return;
  }
  const std::string path = packed ? bench.path() : ModelFolder();
  const double before = ResidentBytes();
  double resident = 0;
  for (auto _ : state) {
    baleen_model* model = nullptr;
    if (baleen_model_load(bench.context(), path.c_str(), nullptr, &model,
                          &error) != BALEEN_OK) {
      state.SkipWithError(error.message);
      return;
    }
    state.PauseTiming();
    resident = ResidentBytes();
    baleen_model_release(model);
    state.ResumeTiming();
  }
  state.counters["resident_mb_added"] = (resident - before) * 1e-6;
}

BENCHMARK(Pack)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Open, raw, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Open, packed, true)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
