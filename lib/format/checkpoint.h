// A folder of safetensors: one file, or the shards that an index names.
//
// Opening reads headers only, so its time goes with the number of tensors.
// Files stay open, and mapped, as long as the Checkpoint lives; so the
// FileSystem must outlive it.
#pragma once

#include <cstdint>
#include <string_view>

#include <baleen/backend.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "format/packed_file.h"

namespace baleen {

// Types as safetensors names them.
enum class StoredType : uint8_t {
  kBool,
  kU8,
  kI8,
  kI16,
  kU16,
  kI32,
  kU32,
  kI64,
  kU64,
  kF16,
  kBf16,
  kF32,
  kF64,
  kF8E4m3,
  kF8E5m2,
  kF8E8m0,
  kF4
};

struct StoredTensor {
  static constexpr int kMaxRank = 8;

  std::string_view name;  // Lent by the checkpoint.
  StoredType type = StoredType::kU8;
  int32_t rank = 0;
  int64_t shape[kMaxRank] = {};
  const void* data = nullptr;  // Aligned to the type's size.
  uint64_t byte_count = 0;
  uint64_t offset = 0;  // In its file.
  uint32_t file = 0;    // Which of the checkpoint's files.

  int64_t ElementCount() const;
};

class Checkpoint {
 public:
  // Opens model.safetensors.index.json's shards, or model.safetensors, of
  // `folder`.  A name that occurs twice, or in another shard than the index says,
  // is refused; tensors that the index does not name are there all the same.
  static Result<Checkpoint> Open(const FileSystem& files,
                                 std::string_view folder);

  // The tensors of a packed model.  Those whose bytes are in a weight have no
  // data.
  static Result<Checkpoint> OfPacked(Owned<PackedFile> packed, Memory* memory);

  Checkpoint(Checkpoint&&) noexcept = default;
  Checkpoint& operator=(Checkpoint&& other) noexcept;

  // NULL if there is none.
  const StoredTensor* Find(std::string_view name) const;
  // As the files list them.
  const Vector<StoredTensor>& tensors() const { return tensors_; }
  uint32_t file_count() const { return static_cast<uint32_t>(files_.size()); }
  // With its folder.
  const char* file_name(uint32_t file) const;
  // Reads a part of a tensor from its file, whatever is mapped.
  Status Read(const StoredTensor& tensor, uint64_t offset, void* buffer,
              size_t size) const {
    if (packed_ != nullptr) {
      return packed_->Read(tensor.offset + offset, buffer, size);
    }
    return files_[tensor.file].Read(tensor.offset + offset, buffer, size);
  }
  // NULL unless this is OfPacked.
  const PackedFile* packed() const { return packed_.get(); }
  // Of all tensors; of a packed model, of the file.
  uint64_t byte_count() const { return byte_count_; }
  // Bytes that are mapped, and bytes that had to be copied to host memory.
  uint64_t mapped_bytes() const { return mapped_bytes_; }
  uint64_t copied_bytes() const { return copied_bytes_; }

 private:
  // A tensor under the hash of its name.
  struct Entry {
    uint64_t hash;
    uint32_t tensor;
  };

  explicit Checkpoint(Memory* memory);

  Status OpenShards(const FileSystem& files, std::string_view folder,
                    std::string_view index, const char* index_name);
  Status OpenFile(const FileSystem& files, std::string_view path);
  Status IndexNames(Memory* memory);
  Status RefuseTwins() const;
  Status ViewData(Memory* memory);
  Status ViewFile(uint32_t file, StoredTensor* begin, StoredTensor* end,
                  Memory* memory);

  // In an order in which destroying from the last to the first is safe: views
  // need their file.
  Owned<PackedFile> packed_;
  Vector<File> files_;
  Vector<FileView> views_;
  Vector<Block> copies_;  // Of the tensors that lie misaligned in their file.
  Vector<Block> names_;
  Vector<StoredTensor> tensors_;
  Vector<Entry> entries_;  // Sorted by hash, name, place.
  // Where the entries begin whose hashes have the same first bits, and where
  // the last end.
  Vector<uint32_t> buckets_;
  int bucket_shift_ = 63;
  uint64_t byte_count_ = 0;
  uint64_t mapped_bytes_ = 0;
  uint64_t copied_bytes_ = 0;
};

}  // namespace baleen
