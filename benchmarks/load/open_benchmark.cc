// How long a published checkpoint takes to open: headers read and checked,
// files mapped, every tensor found and compared with the configuration.  The
// files are sparse (make_sparse_checkpoint.h); that costs opening nothing and
// saves it nothing, since no weight is looked at.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "benchmarks/load/make_sparse_checkpoint.h"
#include "format/checkpoint.h"
#include "format/packed_writer.h"
#include "models/deepseek_v4/weights.h"

namespace {

using baleen::Checkpoint;
using baleen::FileSystem;
using baleen::HostMemory;

double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// The configuration of the folder.
std::optional<baleen::deepseek_v4::Config> ReadConfig(
    const FileSystem& files, const std::string& folder) {
  const auto text = files.ReadText(folder + "/config.json", 1 << 20);
  if (!text.ok()) return std::nullopt;
  const auto document =
      baleen::JsonDocument::Parse(*text, "config.json", files.memory());
  if (!document.ok()) return std::nullopt;
  auto config = baleen::deepseek_v4::ParseConfig(document->root(),
                                                 "config.json", files.memory());
  if (!config.ok()) return std::nullopt;
  return *std::move(config);
}

// A checkpoint with its weights found.
struct Opened {
  Checkpoint checkpoint;
  baleen::deepseek_v4::Weights weights;
};

std::optional<Opened> Open(const FileSystem& files, const std::string& folder,
                           std::string* message) {
  auto config = ReadConfig(files, folder);
  if (!config) return std::nullopt;
  auto checkpoint = Checkpoint::Open(files, folder);
  if (!checkpoint.ok()) {
    *message = checkpoint.status().message();
    return std::nullopt;
  }
  auto weights =
      baleen::deepseek_v4::FindWeights(*checkpoint, &*config, files.memory());
  if (!weights.ok()) {
    *message = weights.status().message();
    return std::nullopt;
  }
  return Opened{*std::move(checkpoint), *std::move(weights)};
}

void OpenCheckpoint(benchmark::State& state, const std::string& name) {
  const std::string configs = BALEEN_TEST_DATA "/configs/";
  const TemporaryFolder folder;
  const SparseCheckpoint made =
      MakeSparseCheckpoint(configs + name + ".tensor_patterns.json",
                           configs + name + ".config.json", folder.path());
  HostMemory memory(nullptr);
  const FileSystem files(nullptr, &memory);
  const double before = ResidentBytes();
  double resident = 0;
  std::string message = "cannot read config.json";
  for (auto _ : state) {
    const auto opened = Open(files, folder.path(), &message);
    if (!opened || opened->weights.tensor_count != made.tensor_count ||
        opened->weights.byte_count != made.byte_count) {
      state.SkipWithError(message.c_str());
      return;
    }
    state.PauseTiming();
    resident = ResidentBytes();
    state.ResumeTiming();
  }
  const auto tensors = static_cast<double>(made.tensor_count);
  state.counters["files"] = static_cast<double>(made.file_count);
  state.counters["tensors"] = tensors;
  state.counters["gigabytes"] = static_cast<double>(made.byte_count) * 1e-9;
  state.counters["tensors_per_second"] = benchmark::Counter(
      tensors, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["resident_mb"] = resident * 1e-6;
  state.counters["resident_mb_added"] = (resident - before) * 1e-6;
}

// A packed file as large as the checkpoint's, with as many tensors, and parts
// of 16 MB.  Its data is a hole.
baleen::Status MakeSparsePacked(const FileSystem& files,
                                const Checkpoint& checkpoint,
                                const std::string& path) {
  constexpr uint64_t kPart = uint64_t{16} << 20;
  baleen::PackedIndex index(files.memory());
  for (const baleen::StoredTensor& tensor : checkpoint.tensors()) {
    index.AddTensor(tensor, false);
  }
  baleen::Vector<uint64_t> parts(checkpoint.byte_count() / kPart, kPart,
                                 files.memory());
  index.AddWeight({}, parts);
  BALEEN_RETURN_IF_ERROR(index.LayOut());
  BALEEN_ASSIGN_OR_RETURN(baleen::FileWriter writer, files.Create(path));
  BALEEN_RETURN_IF_ERROR(writer.WriteAt(index.total_size() - 1, "", 1));
  BALEEN_RETURN_IF_ERROR(index.Write("sparse", "none", "none", &writer));
  return writer.Commit();
}

void OpenPacked(benchmark::State& state, const std::string& name) {
  const std::string configs = BALEEN_TEST_DATA "/configs/";
  const TemporaryFolder folder;
  MakeSparseCheckpoint(configs + name + ".tensor_patterns.json",
                       configs + name + ".config.json", folder.path());
  HostMemory memory(nullptr);
  const FileSystem files(nullptr, &memory);
  const std::string path = folder.path() + "/packed";
  {
    const auto raw = Checkpoint::Open(files, folder.path());
    if (!raw.ok() || !MakeSparsePacked(files, *raw, path).ok()) {
      state.SkipWithError("the packed file could not be made");
      return;
    }
  }
  auto config = ReadConfig(files, folder.path());
  const double before = ResidentBytes();
  double resident = 0;
  for (auto _ : state) {
    auto file = baleen::PackedFile::Open(files, path);
    if (!file.ok()) {
      state.SkipWithError(file.status().message());
      return;
    }
    const auto checkpoint = Checkpoint::OfPacked(
        baleen::MakeOwned<baleen::PackedFile>(&memory, *std::move(file)),
        &memory);
    const auto weights =
        baleen::deepseek_v4::FindWeights(*checkpoint, &*config, &memory);
    if (!weights.ok()) {
      state.SkipWithError(weights.status().message());
      return;
    }
    state.PauseTiming();
    resident = ResidentBytes();
    state.ResumeTiming();
  }
  state.counters["resident_mb_added"] = (resident - before) * 1e-6;
}

BENCHMARK_CAPTURE(OpenCheckpoint, flash, "DeepSeek-V4-Flash")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(OpenCheckpoint, pro, "DeepSeek-V4-Pro")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(OpenPacked, flash, "DeepSeek-V4-Flash")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(OpenPacked, pro, "DeepSeek-V4-Pro")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
