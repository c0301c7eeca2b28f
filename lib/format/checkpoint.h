// A folder of safetensors: one file, or the shards that an index names.
//
// Opening reads headers only, so its time goes with the number of tensors.
// Files stay mapped as long as the Checkpoint lives.
#pragma once

#include <cstdint>
#include <string_view>

#include <baleen/backend.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

namespace baleen {

// Types as safetensors names them.
enum class StoredType : uint8_t {
  kBool, kU8, kI8, kI16, kU16, kI32, kU32, kI64, kU64,
  kF16, kBf16, kF32, kF64, kF8E4m3, kF8E5m2, kF8E8m0, kF4
};

struct StoredTensor {
  static constexpr int kMaxRank = 8;

  std::string_view name;  // Lent by the checkpoint.
  StoredType type = StoredType::kU8;
  int32_t rank = 0;
  int64_t shape[kMaxRank] = {};
  const void* data = nullptr;  // Aligned to the type's size.
  uint64_t byte_count = 0;
  uint32_t file = 0;  // Which of the checkpoint's files.

  int64_t ElementCount() const;
};

class Checkpoint {
 public:
  // Opens model.safetensors.index.json's shards, or model.safetensors, of
  // `folder`.  `verify` reads every byte once.
  static Result<Checkpoint> Open(const FileSystem& files,
                                 std::string_view folder, bool verify);

  Checkpoint(Checkpoint&&) noexcept = default;
  Checkpoint& operator=(Checkpoint&&) noexcept = default;

  // NULL if there is none.
  const StoredTensor* Find(std::string_view name) const;
  const Vector<StoredTensor>& tensors() const { return tensors_; }
  const char* file_name(uint32_t file) const;
  uint64_t byte_count() const { return byte_count_; }
  // Bytes that are mapped, and bytes that had to be copied to host memory.
  uint64_t mapped_bytes() const { return mapped_bytes_; }
  uint64_t copied_bytes() const { return copied_bytes_; }

 private:
  explicit Checkpoint(Memory* memory);

  Vector<File> files_;
  Vector<FileView> views_;
  Vector<Block> copies_;  // Of tensors that lie misaligned in their file.
  Vector<String> headers_;
  Vector<StoredTensor> tensors_;  // Sorted by name.
  uint64_t byte_count_ = 0;
  uint64_t mapped_bytes_ = 0;
  uint64_t copied_bytes_ = 0;
};

}  // namespace baleen
