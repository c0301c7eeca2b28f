#include "format/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "base/json.h"
#include "format/safetensors.h"

namespace baleen {
namespace {

constexpr char kIndexName[] = "model.safetensors.index.json";
constexpr char kSingleName[] = "model.safetensors";

// V4-Pro has 64; each costs a file descriptor.
constexpr size_t kMostFiles = 4096;

// V4-Pro's index has 12 MB.
constexpr uint64_t kIndexLimit = 100'000'000;

// Eight bytes at a time, since names share long beginnings and there are up to
// 145,116 of them.  A file made to collide costs little: entries with the same
// hash are sorted by name.
uint64_t HashName(std::string_view name) {
  uint64_t hash = name.size() * 0x9E3779B97F4A7C15;
  const char* at = name.data();
  for (size_t left = name.size(); left > 0;) {
    const size_t size = std::min<size_t>(left, 8);
    uint64_t word = 0;
    std::memcpy(&word, at, size);
    hash = (hash ^ word) * 0xD6E8FEB86659FD93;
    hash ^= hash >> 32;
    at += size;
    left -= size;
  }
  return hash;
}

size_t Alignment(StoredType type) {
  return std::max<size_t>(StoredTypeBits(type) / 8, 1);
}

bool IsAligned(const void* data, StoredType type) {
  return reinterpret_cast<uintptr_t>(data) % Alignment(type) == 0;
}

// What a copied tensor takes: each begins a line of the cache, empty ones too.
size_t CopySize(uint64_t size) {
  return (static_cast<size_t>(size) / Block::kAlignment + 1) *
         Block::kAlignment;
}

// A name in the folder itself: no separator, no "..", nothing that ends a C
// string.
bool IsPlainFileName(std::string_view name) {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return c != '/' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
  });
}

// The index's lines, and the files that they name, sorted.
struct ShardMap {
  struct Line {
    std::string_view tensor;
    std::string_view file;
  };
  explicit ShardMap(Memory* memory) : lines(memory), files(memory) {}

  Vector<Line> lines;
  Vector<std::string_view> files;
};

Status ReadShardMap(Json root, const char* index_name, ShardMap* map) {
  const Json weights = root.Find("weight_map");
  if (!weights.IsObject()) return Corrupt("%s has no weight_map", index_name);
  map->lines.reserve(weights.size());
  for (auto it = weights.begin(); it != weights.end(); ++it) {
    const std::string_view tensor = (*it).text();
    ++it;
    const Json file = *it;
    if (!file.IsString() || !IsPlainFileName(file.text())) {
      return Corrupt("%s gives tensor %.*s a file that is no plain name",
                     index_name, PrintLength(tensor), tensor.data());
    }
    // Shards come in runs; comparing with the last one saves most of the sort.
    if (map->files.empty() || map->files.back() != file.text()) {
      map->files.push_back(file.text());
    }
    map->lines.push_back({tensor, file.text()});
  }
  std::sort(map->files.begin(), map->files.end());
  map->files.erase(std::unique(map->files.begin(), map->files.end()),
                   map->files.end());
  if (map->files.empty()) return Corrupt("%s names no file", index_name);
  if (map->files.size() > kMostFiles) {
    return Corrupt("%s names %zu files, more than %zu", index_name,
                   map->files.size(), kMostFiles);
  }
  return Status();
}

}  // namespace

int64_t StoredTensor::ElementCount() const {
  int64_t count = 1;
  for (int32_t i = 0; i < rank; ++i) count *= shape[i];
  return count;
}

Checkpoint::Checkpoint(Memory* memory)
    : files_(memory),
      views_(memory),
      copies_(memory),
      names_(memory),
      tensors_(memory),
      entries_(memory),
      buckets_(memory) {}

Checkpoint& Checkpoint::operator=(Checkpoint&& other) noexcept {
  packed_ = std::move(other.packed_);
  views_ = std::move(other.views_);  // Before the files that they need.
  files_ = std::move(other.files_);
  copies_ = std::move(other.copies_);
  names_ = std::move(other.names_);
  tensors_ = std::move(other.tensors_);
  entries_ = std::move(other.entries_);
  buckets_ = std::move(other.buckets_);
  bucket_shift_ = other.bucket_shift_;
  byte_count_ = other.byte_count_;
  mapped_bytes_ = other.mapped_bytes_;
  copied_bytes_ = other.copied_bytes_;
  return *this;
}

Result<Checkpoint> Checkpoint::Open(const FileSystem& files,
                                    std::string_view folder) {
  Memory* memory = files.memory();
  Checkpoint checkpoint(memory);
  const String index_path = JoinPath(folder, kIndexName, memory);
  const String single_path = JoinPath(folder, kSingleName, memory);
  if (files.Exists(index_path)) {
    BALEEN_ASSIGN_OR_RETURN(const String index,
                            files.ReadText(index_path, kIndexLimit));
    BALEEN_RETURN_IF_ERROR(
        checkpoint.OpenShards(files, folder, index, index_path.c_str()));
  } else if (files.Exists(single_path)) {
    BALEEN_RETURN_IF_ERROR(checkpoint.OpenFile(files, single_path));
    BALEEN_RETURN_IF_ERROR(checkpoint.IndexNames(memory));
  } else {
    return NotFound("%.*s has neither %s nor %s", PrintLength(folder, 120),
                    folder.data(), kIndexName, kSingleName);
  }
  BALEEN_RETURN_IF_ERROR(checkpoint.ViewData(memory));
  return checkpoint;
}

Result<Checkpoint> Checkpoint::OfPacked(Owned<PackedFile> packed,
                                        Memory* memory) {
  Checkpoint checkpoint(memory);
  checkpoint.packed_ = std::move(packed);
  const PackedFile& file = *checkpoint.packed_;
  checkpoint.tensors_.reserve(file.tensors().size());
  for (const PackedTensor& entry : file.tensors()) {
    StoredTensor& tensor = checkpoint.tensors_.emplace_back();
    tensor.name = file.NameOf(entry);
    tensor.type = static_cast<StoredType>(entry.type);
    tensor.rank = static_cast<int32_t>(entry.rank);
    std::copy_n(entry.shape, entry.rank, tensor.shape);
    tensor.byte_count = static_cast<uint64_t>(tensor.ElementCount()) *
                        StoredTypeBits(tensor.type) / 8;
    tensor.offset = entry.bytes.offset;
    if (entry.bytes.offset != 0) tensor.data = file.data() + tensor.offset;
  }
  checkpoint.byte_count_ = file.size();
  (file.mapped() ? checkpoint.mapped_bytes_ : checkpoint.copied_bytes_) =
      file.size();
  BALEEN_RETURN_IF_ERROR(checkpoint.IndexNames(memory));
  return checkpoint;
}

Status Checkpoint::OpenShards(const FileSystem& files, std::string_view folder,
                              std::string_view index, const char* index_name) {
  Memory* memory = files.memory();
  BALEEN_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse(index, index_name, memory));
  ShardMap map(memory);
  BALEEN_RETURN_IF_ERROR(ReadShardMap(document.root(), index_name, &map));
  tensors_.reserve(map.lines.size());
  for (std::string_view file : map.files) {
    BALEEN_RETURN_IF_ERROR(OpenFile(files, JoinPath(folder, file, memory)));
  }
  BALEEN_RETURN_IF_ERROR(IndexNames(memory));

  uint32_t file = 0;
  for (const ShardMap::Line& line : map.lines) {
    const StoredTensor* tensor = Find(line.tensor);
    if (tensor == nullptr) {
      return Corrupt("tensor %.*s is in %s, but in none of its files",
                     PrintLength(line.tensor), line.tensor.data(), index_name);
    }
    if (map.files[file] != line.file) {
      file = static_cast<uint32_t>(
          std::lower_bound(map.files.begin(), map.files.end(), line.file) -
          map.files.begin());
    }
    if (tensor->file != file) {
      return Corrupt("tensor %.*s is in %s, not in %.*s as %s says",
                     PrintLength(line.tensor), line.tensor.data(),
                     file_name(tensor->file), PrintLength(line.file),
                     line.file.data(), index_name);
    }
  }
  return Status();
}

Status Checkpoint::OpenFile(const FileSystem& files, std::string_view path) {
  BALEEN_ASSIGN_OR_RETURN(File file, files.Open(path));
  Block names;
  BALEEN_RETURN_IF_ERROR(ReadSafetensorsHeader(
      file, file_count(), files.memory(), &names, &tensors_));
  names_.push_back(std::move(names));
  files_.push_back(std::move(file));
  return Status();
}

// Twice as many buckets as tensors at most, filled by counting, so that both
// this and finding all names take time in proportion to their number.
Status Checkpoint::IndexNames(Memory* memory) {
  const size_t count = tensors_.size();
  const int bits = std::max(static_cast<int>(std::bit_width(count)), 1);
  bucket_shift_ = 64 - bits;
  buckets_.assign((size_t{1} << bits) + 1, 0);
  Vector<uint64_t> hashes(memory);
  hashes.reserve(count);
  for (const StoredTensor& tensor : tensors_) {
    hashes.push_back(HashName(tensor.name));
    ++buckets_[hashes.back() >> bucket_shift_];
  }
  // Each bucket's end, and, as entries are put in from the end, its beginning.
  std::partial_sum(buckets_.begin(), buckets_.end(), buckets_.begin());
  entries_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    entries_[--buckets_[hashes[i] >> bucket_shift_]] = {
        hashes[i], static_cast<uint32_t>(i)};
  }
  const auto before = [this](const Entry& a, const Entry& b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    const int order = tensors_[a.tensor].name.compare(tensors_[b.tensor].name);
    return order != 0 ? order < 0 : a.tensor < b.tensor;
  };
  for (size_t i = 0; i + 1 < buckets_.size(); ++i) {
    std::sort(entries_.begin() + buckets_[i],
              entries_.begin() + buckets_[i + 1], before);
  }
  return RefuseTwins();
}

Status Checkpoint::RefuseTwins() const {
  const auto twice = std::adjacent_find(
      entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) {
        return a.hash == b.hash &&
               tensors_[a.tensor].name == tensors_[b.tensor].name;
      });
  if (twice == entries_.end()) return Status();
  const StoredTensor& first = tensors_[twice->tensor];
  const StoredTensor& second = tensors_[(twice + 1)->tensor];
  if (first.file == second.file) {
    return Corrupt("%s has tensor %.*s twice", file_name(first.file),
                   PrintLength(first.name), first.name.data());
  }
  return Corrupt("tensor %.*s is in both %s and %s", PrintLength(first.name),
                 first.name.data(), file_name(first.file),
                 file_name(second.file));
}

Status Checkpoint::ViewData(Memory* memory) {
  StoredTensor* at = tensors_.data();
  StoredTensor* const end = at + tensors_.size();
  views_.reserve(files_.size());
  for (uint32_t file = 0; file < file_count(); ++file) {
    StoredTensor* begin = at;
    while (at != end && at->file == file) ++at;
    BALEEN_RETURN_IF_ERROR(ViewFile(file, begin, at, memory));
  }
  return Status();
}

Status Checkpoint::ViewFile(uint32_t file, StoredTensor* begin,
                            StoredTensor* end, Memory* memory) {
  const File& source = files_[file];
  BALEEN_ASSIGN_OR_RETURN(FileView view, source.View(0, source.size()));
  (view.mapped() ? mapped_bytes_ : copied_bytes_) += view.size();
  size_t misaligned = 0;
  for (StoredTensor* tensor = begin; tensor != end; ++tensor) {
    byte_count_ += tensor->byte_count;
    tensor->data = view.data() + tensor->offset;
    if (!IsAligned(tensor->data, tensor->type)) {
      misaligned += CopySize(tensor->byte_count);
    }
  }
  views_.push_back(std::move(view));
  if (misaligned == 0) return Status();

  // Read rather than copied from the view, so that a file that cannot be read
  // is an error and not a signal.
  Block copy(memory, misaligned);
  auto* place = static_cast<unsigned char*>(copy.data());
  for (StoredTensor* tensor = begin; tensor != end; ++tensor) {
    if (IsAligned(tensor->data, tensor->type)) continue;
    BALEEN_RETURN_IF_ERROR(source.Read(
        tensor->offset, place, static_cast<size_t>(tensor->byte_count)));
    tensor->data = place;
    place += CopySize(tensor->byte_count);
    copied_bytes_ += tensor->byte_count;
  }
  copies_.push_back(std::move(copy));
  return Status();
}

// What the host cannot map was read already.
const StoredTensor* Checkpoint::Find(std::string_view name) const {
  const uint64_t hash = HashName(name);
  const uint32_t* bucket = buckets_.data() + (hash >> bucket_shift_);
  const auto end = entries_.begin() + bucket[1];
  const auto found =
      std::lower_bound(entries_.begin() + bucket[0], end, hash,
                       [&](const Entry& entry, uint64_t value) {
                         if (entry.hash != value) return entry.hash < value;
                         return tensors_[entry.tensor].name < name;
                       });
  if (found == end || found->hash != hash ||
      tensors_[found->tensor].name != name) {
    return nullptr;
  }
  return &tensors_[found->tensor];
}

const char* Checkpoint::file_name(uint32_t file) const {
  return packed_ != nullptr ? packed_->path() : files_[file].name();
}

}  // namespace baleen
