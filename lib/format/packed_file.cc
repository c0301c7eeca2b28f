#include "format/packed_file.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/checksum.h"
#include "format/checkpoint.h"
#include "format/safetensors.h"

namespace baleen {
namespace {

// V4-Pro has 145,116 tensors and 25,000 parts; this is where an index of any
// size that a machine can use still is one that it can hold.
constexpr uint32_t kMostEntries = uint32_t{1} << 24;

uint64_t IndexSize(const PackedHeader& header) {
  return header.text_count * sizeof(PackedText) +
         header.tensor_count * sizeof(PackedTensor) +
         header.weight_count * sizeof(PackedWeight) +
         header.part_count * sizeof(PackedRange) + header.names_size;
}

bool EndsInNul(std::span<const char> text) { return text.back() == '\0'; }

// The next `count` entries of an index, and moves past them.
template <typename Entry>
std::span<const Entry> Take(const unsigned char** at, uint32_t count) {
  const auto* entries = reinterpret_cast<const Entry*>(*at);
  *at += count * sizeof(Entry);
  return {entries, count};
}

// The bytes of a tensor, or false if its shape is none.
bool ByteCount(const PackedTensor& tensor, uint64_t* bytes) {
  if (tensor.rank > StoredTensor::kMaxRank ||
      tensor.type > static_cast<uint32_t>(StoredType::kF4)) {
    return false;
  }
  constexpr int64_t kMostElements = int64_t{1} << 50;
  int64_t count = 1;
  for (uint32_t i = 0; i < tensor.rank; ++i) {
    const int64_t size = tensor.shape[i];
    if (size < 0 || (size != 0 && count > kMostElements / size)) return false;
    count *= size;
  }
  const auto bits = static_cast<uint64_t>(
      StoredTypeBits(static_cast<StoredType>(tensor.type)));
  *bytes = (static_cast<uint64_t>(count) * bits + 7) / 8;
  return true;
}

}  // namespace

Result<bool> PackedFile::HasMagic(const File& file) {
  char magic[sizeof PackedHeader::magic];
  if (file.size() < sizeof magic) return false;
  BALEEN_RETURN_IF_ERROR(file.Read(0, magic, sizeof magic));
  return std::memcmp(magic, PackedHeader::kMagic, sizeof magic) == 0;
}

Status PackedFile::Changed(const char* what) const {
  return Corrupt("the %s of the packed model %s was changed", what, path());
}

Result<PackedFile> PackedFile::Open(const FileSystem& files,
                                    std::string_view path) {
  PackedFile packed;
  packed.memory_ = files.memory();
  BALEEN_ASSIGN_OR_RETURN(packed.file_, files.Open(path));
  BALEEN_RETURN_IF_ERROR(packed.ReadHeader());
  BALEEN_RETURN_IF_ERROR(packed.ReadIndex(files.memory()));
  BALEEN_RETURN_IF_ERROR(packed.CheckIndex());
  BALEEN_RETURN_IF_ERROR(packed.ViewData(files.memory()));
  return packed;
}

Status PackedFile::ReadHeader() {
  BALEEN_ASSIGN_OR_RETURN(const bool is_packed, HasMagic(file_));
  if (!is_packed) return Corrupt("%s is not a packed model", path());
  if (file_.size() < sizeof header_) return Changed("header");
  BALEEN_RETURN_IF_ERROR(file_.Read(0, &header_, sizeof header_));
  if (header_.version != PackedHeader::kVersion) {
    return Unsupported(
        "%s is a packed model of version %u, and this library reads version "
        "%u; pack the checkpoint again",
        path(), header_.version, PackedHeader::kVersion);
  }
  if (header_.checksum !=
          ChecksumOf(&header_, offsetof(PackedHeader, checksum)) ||
      header_.header_size != sizeof header_ || !EndsInNul(header_.name) ||
      !EndsInNul(header_.layouts[0]) || !EndsInNul(header_.layouts[1])) {
    return Changed("header");
  }
  if (header_.total_size != file_.size()) {
    return Corrupt("%s has %llu bytes, but its packed model has %llu", path(),
                   static_cast<unsigned long long>(file_.size()),
                   static_cast<unsigned long long>(header_.total_size));
  }
  if (std::max({header_.text_count, header_.tensor_count, header_.weight_count,
                header_.part_count}) > kMostEntries ||
      header_.names_size > PackedHeader::kMostNames ||
      header_.index_size != IndexSize(header_) ||
      header_.index_size > header_.total_size - sizeof header_) {
    return Changed("header");
  }
  return Status();
}

Status PackedFile::ReadIndex(Memory* memory) {
  const auto size = static_cast<size_t>(header_.index_size);
  index_ = Block(memory, std::max<size_t>(size, 1));
  BALEEN_RETURN_IF_ERROR(file_.Read(sizeof header_, index_.data(), size));
  if (ChecksumOf(index_.data(), size) != header_.index_checksum) {
    return Changed("index");
  }
  const auto* at = static_cast<const unsigned char*>(index_.data());
  texts_ = Take<PackedText>(&at, header_.text_count);
  tensors_ = Take<PackedTensor>(&at, header_.tensor_count);
  weights_ = Take<PackedWeight>(&at, header_.weight_count);
  parts_ = Take<PackedRange>(&at, header_.part_count);
  names_ = {reinterpret_cast<const char*>(at),
            static_cast<size_t>(header_.names_size)};
  return Status();
}

bool PackedFile::IsInside(const PackedRange& range, uint64_t alignment) const {
  return range.offset % alignment == 0 &&
         range.offset >= sizeof header_ + header_.index_size &&
         range.offset <= header_.total_size &&
         range.size <= header_.total_size - range.offset;
}

bool PackedFile::IsName(uint32_t offset, uint32_t size) const {
  return offset <= names_.size() && size <= names_.size() - offset;
}

bool PackedFile::IsRight(const PackedTensor& tensor) const {
  uint64_t bytes = 0;
  if (!IsName(tensor.name_offset, tensor.name_size) ||
      !ByteCount(tensor, &bytes)) {
    return false;
  }
  if (tensor.bytes.offset == 0) return tensor.bytes.size == 0;
  return tensor.bytes.size == bytes &&
         IsInside(tensor.bytes, PackedHeader::kTensorAlignment);
}

bool PackedFile::IsRight(const PackedWeight& weight) const {
  if (!IsInside({weight.offset, weight.size, 0},
                PackedHeader::kTensorAlignment) ||
      weight.layout >= std::size(header_.layouts) ||
      weight.first_part > parts_.size() ||
      weight.part_count > parts_.size() - weight.first_part) {
    return false;
  }
  uint64_t place = weight.offset;
  for (const PackedRange& part : parts_.subspan(
           static_cast<size_t>(weight.first_part), weight.part_count)) {
    if (part.offset != place || !IsInside(part, 1)) return false;
    place += part.size;
  }
  return place == weight.offset + weight.size;
}

Status PackedFile::CheckIndex() const {
  const auto is_text = [this](const PackedText& text) {
    return IsName(text.name_offset, text.name_size) && IsInside(text.bytes, 1);
  };
  const auto is_right = [this](const auto& entry) { return IsRight(entry); };
  if (!std::all_of(texts_.begin(), texts_.end(), is_text) ||
      !std::all_of(tensors_.begin(), tensors_.end(), is_right) ||
      !std::all_of(weights_.begin(), weights_.end(), is_right)) {
    return Changed("index");
  }
  return Status();
}

Status PackedFile::ViewData(Memory* memory) {
  BALEEN_ASSIGN_OR_RETURN(view_, file_.View(0, file_.size()));
  data_ = view_.data();
  if (reinterpret_cast<uintptr_t>(data_) % PackedHeader::kTensorAlignment ==
      0) {
    return Status();
  }
  view_ = FileView();
  copy_ = Block(memory, static_cast<size_t>(file_.size()),
                PackedHeader::kWeightAlignment);
  data_ = static_cast<const unsigned char*>(copy_.data());
  return file_.Read(0, copy_.data(), copy_.size());
}

const PackedText* PackedFile::Find(std::string_view name) const {
  for (const PackedText& text : texts_) {
    if (names_.substr(text.name_offset, text.name_size) == name) return &text;
  }
  return nullptr;
}

Result<String> PackedFile::ReadText(std::string_view name,
                                    uint64_t size_limit) const {
  const int width = PrintLength(name);
  const PackedText* text = Find(name);
  if (text == nullptr) {
    return NotFound("%s has no %.*s", path(), width, name.data());
  }
  if (text->bytes.size > size_limit) {
    return Corrupt("%.*s in %s has %llu bytes, more than such a file may have",
                   width, name.data(), path(),
                   static_cast<unsigned long long>(text->bytes.size));
  }
  String bytes(static_cast<size_t>(text->bytes.size), '\0', memory_);
  BALEEN_RETURN_IF_ERROR(
      file_.Read(text->bytes.offset, bytes.data(), bytes.size()));
  if (ChecksumOf(bytes.data(), bytes.size()) != text->bytes.checksum) {
    return Corrupt("%.*s in the packed model %s was changed", width,
                   name.data(), path());
  }
  return bytes;
}

}  // namespace baleen
