// Reads a packed model (packed_format.h).
//
// Opening reads and checks the header and the index; weights and tensors are
// used where the file is mapped.  Thread-safe once open.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "format/packed_format.h"

namespace baleen {

class PackedFile {
 public:
  // Whether the file begins as a packed one.
  static Result<bool> HasMagic(const File& file);

  // `files` must outlive the file.  Everything that the index says has been
  // checked against the file's size when this succeeds.
  static Result<PackedFile> Open(const FileSystem& files,
                                 std::string_view path);
  PackedFile(PackedFile&&) noexcept = default;

  const char* path() const { return file_.name(); }
  const PackedHeader& header() const { return header_; }
  uint64_t size() const { return header_.total_size; }
  // Whether its bytes are mapped, rather than read into memory.
  bool mapped() const { return view_.mapped(); }
  const unsigned char* data() const { return data_; }

  // A text by name; BALEEN_NOT_FOUND if it is not there, BALEEN_CORRUPT if it
  // was changed.
  bool HasText(std::string_view name) const { return Find(name) != nullptr; }
  Result<String> ReadText(std::string_view name, uint64_t size_limit) const;

  std::span<const PackedTensor> tensors() const { return tensors_; }
  std::span<const PackedWeight> weights() const { return weights_; }
  std::span<const PackedRange> parts() const { return parts_; }
  std::string_view NameOf(const PackedTensor& tensor) const {
    return names_.substr(tensor.name_offset, tensor.name_size);
  }
  const void* DataOf(const PackedWeight& weight) const {
    return data_ + weight.offset;
  }
  // Through the file, not the mapping.
  Status Read(uint64_t offset, void* buffer, size_t size) const {
    return file_.Read(offset, buffer, size);
  }

 private:
  PackedFile() = default;

  Status ReadHeader();
  Status ReadIndex(Memory* memory);
  Status CheckIndex() const;
  Status ViewData(Memory* memory);
  bool IsInside(const PackedRange& range, uint64_t alignment) const;
  bool IsName(uint32_t offset, uint32_t size) const;
  bool IsRight(const PackedTensor& tensor) const;
  bool IsRight(const PackedWeight& weight) const;
  const PackedText* Find(std::string_view name) const;
  Status Changed(const char* what) const;

  // In an order in which destroying from the last to the first is safe.
  File file_;
  FileView view_;
  Block copy_;  // Where the host maps to odd addresses.
  const unsigned char* data_ = nullptr;
  PackedHeader header_ = {};
  Memory* memory_ = nullptr;
  Block index_;
  std::span<const PackedText> texts_;
  std::span<const PackedTensor> tensors_;
  std::span<const PackedWeight> weights_;
  std::span<const PackedRange> parts_;
  std::string_view names_;
};

}  // namespace baleen
