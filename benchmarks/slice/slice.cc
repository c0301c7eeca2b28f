#include "benchmarks/slice/slice.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "benchmarks/slice/rules.h"
#include "benchmarks/slice/shards.h"
#include "benchmarks/slice/slice_config.h"
#include "benchmarks/slice/values.h"

namespace baleen::slice {
namespace {

namespace fs = std::filesystem;

// Counts up when the same options come to mean other bytes.
constexpr int kVersion = 1;
// A thread makes and writes so much at once.
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;
// Written last: a folder with it is complete.
constexpr const char* kMarker = "slice.json";

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

// A file of known size that several threads write.
class OutputFile {
 public:
  OutputFile(const fs::path& path, uint64_t size)
      : name_(path.string()),
        handle_(open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666)) {
    if (handle_ < 0 || ftruncate(handle_, static_cast<off_t>(size)) != 0) {
      Fail();
    }
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (handle_ >= 0) close(handle_);
  }

  void Write(uint64_t offset, const void* data, size_t size) const {
    const char* from = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written =
          pwrite(handle_, from, size, static_cast<off_t>(offset));
      if (written <= 0) Fail();
      from += written;
      offset += static_cast<uint64_t>(written);
      size -= static_cast<size_t>(written);
    }
  }

 private:
  [[noreturn]] void Fail() const {
    throw std::runtime_error("cannot write " + name_);
  }

  std::string name_;
  int handle_;
};

// Makes the tensors of a shard, piece by piece.
class ShardWriter {
 public:
  ShardWriter(const Shard& shard, const fs::path& folder, uint64_t seed,
              int64_t experts)
      : shard_(shard),
        file_(folder / shard.file, shard.size),
        seed_(seed),
        experts_(experts) {}

  void Run(int threads) {
    file_.Write(0, shard_.header.data(), shard_.header.size());
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back([this] { Work(); });
    Work();
    for (std::thread& other : others) other.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  // Whole tensors are taken one after another, and written side by side.
  void Work() {
    try {
      std::vector<unsigned char> piece(kPieceBytes);
      size_t next = 0;
      while ((next = taken_.fetch_add(1)) < shard_.places.size()) {
        WriteTensor(shard_.places[next], &piece);
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      failure_ = std::current_exception();
      taken_ = shard_.places.size();
    }
  }

  void WriteTensor(const Place& place,
                   std::vector<unsigned char>* piece) const {
    Random seeds(seed_);
    for (const char c : place.name) {
      seeds = Random(seeds.Next() ^ static_cast<unsigned char>(c));
    }
    if (place.tensor.type == StoredType::kI64) {
      return WriteTable(place, seeds.Next());
    }
    const ValueTable values = ValuesFor(place.name, place.tensor, place.weight);
    for (uint64_t at = 0; at < place.tensor.byte_count; at += kPieceBytes) {
      const uint64_t size = std::min(kPieceBytes, place.tensor.byte_count - at);
      values.Fill(seeds.Next(), size, piece->data());
      file_.Write(place.offset + at, piece->data(), size);
    }
  }

  void WriteTable(const Place& place, uint64_t seed) const {
    const StoredTensor& tensor = place.tensor;
    std::vector<int64_t> table(static_cast<size_t>(tensor.ElementCount()));
    FillDistinct(seed, tensor.shape[0], tensor.shape[1], experts_,
                 table.data());
    file_.Write(place.offset, table.data(), tensor.byte_count);
  }

  const Shard& shard_;
  OutputFile file_;
  uint64_t seed_;
  int64_t experts_;
  std::atomic<size_t> taken_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

// What tells one slice from another, and from what an older version wrote.
std::string MarkerText(const SliceOptions& options, const std::string& config) {
  return "{\"version\": " + std::to_string(kVersion) + ", \"kind\": \"" +
         options.kind + "\", \"seed\": " + std::to_string(options.seed) +
         ", \"config\": " + config + "}\n";
}

}  // namespace

std::string DefaultSliceFolder(const std::string& kind) {
  const char* root = std::getenv("BALEEN_SLICES");
  const bool set = root != nullptr && *root != '\0';
  return (fs::path(set ? root : BALEEN_SLICES_BUILT) / kind).string();
}

bool MakeSlice(const SliceOptions& options) {
  const std::string config = SliceConfig(options.kind);
  const std::string marker = MarkerText(options, config);
  const fs::path folder = options.folder;
  if (ReadFile(folder / kMarker) == marker) return false;
  fs::create_directories(folder);
  fs::remove(folder / kMarker);
  const std::vector<Shard> shards = PlanShards(config);
  const int64_t experts = ExpertCount(config);
  for (const Shard& shard : shards) {
    ShardWriter(shard, folder, options.seed, experts).Run(options.threads);
  }
  WriteFile(folder / "model.safetensors.index.json", IndexOf(shards));
  WriteFile(folder / "config.json", config);
  WriteFile(folder / "generation_config.json", SliceGenerationConfig());
  WriteFile(folder / kMarker, marker);
  return true;
}

}  // namespace baleen::slice
